//! Bytes that are no proof.

use rayon::prelude::*;

use super::support::{SMALL, go_on, inputs, signed};
use crate::{VerifyError, codec, config::Proof};

/// A proof of one signature, and how it is checked.
fn with_proof(test: impl FnOnce(&[u8], &(dyn Fn(&[u8]) -> Result<(), VerifyError> + Sync))) {
    let signed = [signed(0..1, 7, 1)];
    let (claims, signatures) = inputs(&signed);
    let proof = SMALL.prove(&claims, &signatures, &go_on()).expect("a proof");
    test(&proof, &|bytes| SMALL.verify(&claims, bytes));
}

#[test]
fn a_changed_bit_in_any_byte_is_refused() {
    with_proof(|proof, verify| {
        // Every byte takes minutes.
        let step = if std::env::var_os("QUINTET_EVERY_BYTE").is_some() { 1 } else { 13 };
        (0..proof.len()).into_par_iter().step_by(step).for_each(|at| {
            let mut changed = proof.to_vec();
            changed[at] ^= 1 << (at % 8);
            assert!(verify(&changed).is_err(), "byte {at} of {}", proof.len());
        });
    });
}

#[test]
fn shorter_and_longer_bytes_are_malformed() {
    with_proof(|proof, verify| {
        let longer = [proof, &[0]].concat();
        let malformed = |bytes: &[u8]| matches!(verify(bytes), Err(VerifyError::Malformed(_)));
        assert!(malformed(&longer));
        for len in (0..proof.len()).step_by(31) {
            assert!(malformed(&proof[..len]), "{len} of {} bytes", proof.len());
        }
    });
}

#[test]
fn a_field_element_has_one_encoding() {
    with_proof(|proof, verify| {
        // The modulus itself, in every place where an element may stand.
        for at in (0..proof.len() - 4).step_by(101) {
            let mut changed = proof.to_vec();
            changed[at..at + 4].copy_from_slice(&0x7f00_0001u32.to_le_bytes());
            assert!(verify(&changed).is_err(), "byte {at}");
        }
    });
}

#[test]
fn what_was_read_is_written_as_it_was() {
    with_proof(|proof, _| {
        let value: Proof = codec::read(proof).expect("a proof");
        assert_eq!(codec::write(&value).expect("its bytes"), proof);
    });
}

#[test]
fn a_list_longer_than_the_bytes_is_refused() {
    let read = |bytes: &[u8]| codec::read::<Vec<Vec<u32>>>(bytes);
    assert!(read(&[0xff, 0xff, 0, 0]).is_err());
    assert_eq!(read(&[2, 0, 0, 0, 1, 0, 5, 0, 0, 0]), Ok(vec![vec![], vec![5]]));
}
