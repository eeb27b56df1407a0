//! A proof is worth nothing with other claims: neither where only the transcript is that of the
//! others, nor where only the tables are.

use leansig::scheme::Scheme;

use super::support::{SMALL, Signed, go_on, inputs, signed};
use crate::{Stark, challenger::challenger, claims::Claims, config::Security, tables::tables};

struct Proved {
    claims: Claims,
    proof: Vec<u8>,
}

fn honest() -> [Signed; 2] {
    [signed(0..3, 7, 1), signed(1..3, 9, 2)]
}

fn proved() -> Proved {
    let signed = honest();
    let (claims, signatures) = inputs(&signed);
    let proof = SMALL.prove(&claims, &signatures, &go_on()).expect("a proof");
    Proved { claims: parsed(&signed), proof }
}

fn parsed(signed: &[Signed]) -> Claims {
    Claims::new(SMALL.scheme, &inputs(signed).0).expect("claims")
}

#[track_caller]
fn refused(proved: &Proved, claims: &Claims) {
    let check = |tables_of: &Claims, transcript_of: &Claims| {
        let challenger = challenger(transcript_of, SMALL.security);
        SMALL.check(tables_of, &tables(tables_of), &proved.proof, challenger)
    };
    check(&proved.claims, &proved.claims).expect("the proof of its own claims");
    check(claims, &proved.claims).expect_err("by the tables alone");
    check(&proved.claims, claims).expect_err("by the transcript alone");
    check(claims, claims).expect_err("by both");
}

/// Refuses the proof with claims to which something was done.
#[track_caller]
fn refused_after(change: impl FnOnce(&mut Vec<Signed>)) {
    let mut signed = honest().to_vec();
    change(&mut signed);
    refused(&proved(), &parsed(&signed));
}

#[test]
fn another_message_is_refused() {
    refused_after(|signed| signed[1].message[31] ^= 0x80);
}

#[test]
fn another_slot_is_refused() {
    refused_after(|signed| signed[0].slot ^= 1);
}

#[test]
fn another_key_is_refused() {
    let other = signed(8..9, 7, 1).keys.remove(0);
    refused_after(|signed| signed[0].keys[2] = other);
}

#[test]
fn another_element_of_a_key_is_refused() {
    for byte in [0, 28, 32, 48] {
        refused_after(|signed| signed[0].keys[1][byte] ^= 1);
    }
}

#[test]
fn another_order_of_keys_is_refused() {
    refused_after(|signed| signed[0].keys.swap(0, 2));
}

#[test]
fn other_participants_are_refused() {
    refused_after(|signed| drop(signed[0].keys.pop()));
    refused_after(|signed| {
        let key = signed[0].keys[0].clone();
        signed[1].keys.push(key);
    });
    refused_after(|signed| {
        let key = signed[0].keys.remove(0);
        signed[1].keys.insert(0, key);
    });
}

#[test]
fn another_order_of_claims_is_refused() {
    refused_after(|signed| signed.swap(0, 1));
}

#[test]
fn claims_left_out_or_added_are_refused() {
    refused_after(|signed| drop(signed.pop()));
    let third = signed(0..1, 11, 3);
    refused_after(|signed| signed.push(third));
}

#[test]
fn another_preset_is_refused() {
    let Proved { claims, proof } = proved();
    for scheme in [Scheme::Lifetime18, Scheme::Lifetime32] {
        let signed = honest();
        let other = Claims::new(scheme, &inputs(&signed).0).expect("claims");
        let stark = Stark { scheme, ..SMALL };
        let by_tables = challenger(&claims, SMALL.security);
        stark.check(&other, &tables(&other), &proof, by_tables).expect_err("by the tables alone");
        let by_transcript = challenger(&other, SMALL.security);
        SMALL
            .check(&claims, &tables(&claims), &proof, by_transcript)
            .expect_err("by the transcript alone");
    }
}

#[test]
fn another_security_is_refused() {
    let Proved { claims, proof } = proved();
    for security in [
        Security { queries: SMALL.security.queries + 1, ..SMALL.security },
        Security { queries: SMALL.security.queries - 1, ..SMALL.security },
        Security { log_blowup: SMALL.security.log_blowup + 1, ..SMALL.security },
        Security { grinding_bits: 8, ..SMALL.security },
        Security { batch_grinding_bits: 8, ..SMALL.security },
        Security { fold_grinding_bits: 8, ..SMALL.security },
        Security { lookup_grinding_bits: 8, ..SMALL.security },
    ] {
        let challenger = challenger(&claims, SMALL.security);
        Stark { security, ..SMALL }
            .check(&claims, &tables(&claims), &proof, challenger)
            .expect_err("by the low-degree test alone");
    }
}
