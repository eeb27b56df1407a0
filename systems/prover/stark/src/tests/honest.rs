//! Proofs of valid signatures verify.

use std::sync::{Arc, Mutex};

use leansig::scheme::Scheme;
use p3_air::Air;
use p3_air::symbolic::AirLayout;
use p3_batch_stark::symbolic::get_log_num_quotient_chunks;
use p3_lookup::{InteractionSymbolicBuilder, LogUpGadget, Lookup};

use super::support::{SMALL, Signed, filled, go_on, inputs, signed, signed_by};
use crate::{
    Claim, Phase, Stark, VerifyError, Watch, Workers,
    claims::Claims,
    field::{Extension, F},
    system::lookups,
    tables::{Checked, log_heights, tables},
};

fn prove_and_verify(stark: &Stark, signed: &[Signed]) -> Vec<u8> {
    let (claims, signatures) = inputs(signed);
    let proof = stark.prove(&claims, &signatures, &go_on()).expect("a proof");
    stark.verify(&claims, &proof).expect("it verifies");
    proof
}

#[test]
fn one_signature_and_numbers_that_are_no_powers_of_two_are_proved() {
    for count in [1, 3, 5, 9] {
        prove_and_verify(&SMALL, &[signed(0..count, 7, 1)]);
    }
}

#[test]
fn several_claims_are_proved_at_once() {
    let signed = [signed(0..3, 7, 1), signed(2..3, 7, 2), signed(1..6, 31, 3), signed(0..2, 0, 4)];
    prove_and_verify(&SMALL, &signed);
}

#[test]
fn a_key_may_stand_in_a_claim_twice() {
    let mut signed = signed(0..2, 7, 1);
    signed.keys.push(signed.keys[0].clone());
    signed.signatures.push(signed.signatures[0].clone());
    prove_and_verify(&SMALL, &[signed]);
}

#[test]
fn the_same_inputs_give_the_same_bytes() {
    let stark = Stark::new(Scheme::Lifetime8);
    let signed = [signed(0..3, 7, 1)];
    assert_eq!(prove_and_verify(&stark, &signed), prove_and_verify(&stark, &signed));
}

#[test]
fn slots_whose_tweaks_carry_are_proved() {
    // 127 * 2^24 is p - 1: every step of such a slot's chains carries into the second limb.
    prove_and_verify(&SMALL, &[signed(0..2, 127, 1), signed(0..2, 254, 2), signed(0..2, 126, 3)]);
}

#[test]
fn slots_of_which_some_steps_carry_are_proved() {
    // The first limb is p - 1000: steps from the fourth of the first chain on carry.
    let scheme = Scheme::Lifetime18;
    let signed = [signed_by(scheme, 0..1, 127_000, 1)];
    assert!(filled(scheme, &signed).holds());
    prove_and_verify(&Stark { scheme, ..SMALL }, &signed);
}

#[test]
fn a_signature_that_is_not_valid_is_named() {
    let mut signed = signed(0..3, 7, 1);
    signed.signatures.swap(0, 1);
    let signed = [signed];
    let (claims, signatures) = inputs(&signed);
    let error = SMALL.prove(&claims, &signatures, &go_on()).expect_err("no proof");
    assert!(matches!(error, crate::ProveError::Signature { index: 0, .. }), "{error}");
}

#[test]
fn the_size_of_a_proof_is_known_beforehand() {
    let stark = Stark::new(Scheme::Lifetime8);
    for count in [1, 9] {
        let proof = prove_and_verify(&stark, &[signed(0..count, 7, 1)]);
        let (about, bytes) = (stark.proof_bytes(proof_keys(count), 1), proof.len());
        assert!(stark.least_bytes() <= bytes, "{} {bytes}", stark.least_bytes());
        assert!(about.abs_diff(bytes) < bytes / 40, "{about} {bytes}");
    }
}

/// The verifier is told the degrees of equations; a prover finds them.
#[test]
fn quotients_have_as_many_parts_as_their_degrees_need() {
    for scheme in [Scheme::Lifetime8, Scheme::Lifetime18, Scheme::Lifetime32] {
        let stark = Stark::new(scheme);
        let claims = Claims::any(scheme);
        let heights = log_heights(&claims);
        for (index, table) in tables(&claims).iter().enumerate() {
            let lookups = &lookups(scheme)[index];
            let found = log_parts(table, 1 << heights[index], lookups);
            let told = log_parts(&Checked(table), 1 << heights[index], lookups);
            assert_eq!(found, told, "table {index}");
            let quotient = stark.shapes(1, 1)[index].quotient;
            assert!((4 << found) <= quotient, "table {index}: {quotient}");
        }
    }
}

fn log_parts<A>(air: &A, height: usize, lookups: &[Lookup<F>]) -> usize
where
    A: Air<InteractionSymbolicBuilder<F, Extension>>,
{
    let layout = AirLayout {
        main_width: air.width(),
        num_periodic_columns: air.num_periodic_columns(),
        ..AirLayout::default()
    };
    get_log_num_quotient_chunks::<F, Extension, A, _>(
        air,
        layout,
        height,
        lookups,
        0,
        &LogUpGadget::new(),
    )
}

fn proof_keys(count: u64) -> usize {
    usize::try_from(count).expect("few keys")
}

#[test]
fn each_phase_is_told_and_a_proof_can_be_given_up_there() {
    let phases =
        [Phase::Fill, Phase::Rows, Phase::Lookups, Phase::Quotients, Phase::Openings, Phase::Check];
    let signed = [signed(0..1, 7, 1)];
    let (claims, signatures) = inputs(&signed);
    for last in phases {
        let told = Arc::new(Mutex::new(Vec::new()));
        let tell = Arc::clone(&told);
        let watch: Watch = Arc::new(move |phase| {
            tell.lock().expect("nobody panics").push(phase);
            phase != last
        });
        let error = SMALL.prove(&claims, &signatures, &watch).expect_err("it was given up");
        assert_eq!(error, crate::ProveError::Cancelled);
        let told = told.lock().expect("nobody panics");
        assert_eq!(*told, phases[..told.len()]);
        assert_eq!(told.last(), Some(&last));
    }
}

#[test]
fn threads_of_ones_own_make_the_same_proof() {
    let signed = [signed(0..3, 7, 1)];
    let workers = Workers::new(3).expect("three threads");
    let own = prove_and_verify(&SMALL.with_workers(workers), &signed);
    assert_eq!(own, prove_and_verify(&SMALL, &signed));
}

#[test]
fn claims_that_nobody_can_prove_are_refused() {
    let key = signed(0..1, 7, 1).keys.remove(0);
    let claim = |slot, keys: usize| Claim {
        slot,
        message: [0; 32],
        public_keys: vec![key.as_slice(); keys],
    };
    let short = Claim { public_keys: vec![&key[1..]], ..claim(0, 0) };
    let many = vec![claim(0, 1); crate::MAX_CLAIMS + 1];
    for claims in [
        vec![],
        many,
        vec![claim(0, 0)],
        vec![claim(0, crate::MAX_SIGNATURES), claim(0, 1)],
        vec![claim(256, 1)],
        vec![short],
    ] {
        let error = SMALL.verify(&claims, &[]).expect_err("no such claims");
        assert!(matches!(error, VerifyError::Claim(_)), "{error}");
    }
}
