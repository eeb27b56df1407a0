//! The bits of security, as the library of the proof system accounts for them.

use leansig::scheme::Scheme;
use p3_security::fri::FriRegime;
use p3_security::logup::{LogUpAir, security_term};
use p3_security::stark::{conjectured_security_report, proven_security_report};
use p3_security::{GrindingSites, InstanceShape, SecurityTerm, StarkAirParams};

use crate::{
    MAX_CLAIMS, MAX_SIGNATURES, Stark,
    config::{MAX_LOG_ARITY, Security},
    size,
    tables::{HASH_MESSAGE, MIN_LOG_HEIGHT},
};

/// Equations of all tables together at most, and the largest degree of one.
const EQUATIONS: usize = 4096;
const DEGREE: usize = 9;
/// Bits of a challenge: the logarithm of p^4, rounded down.
const FIELD_BITS: usize = 123;
/// Bits of the collision resistance of BLAKE3.
const COLLISION_BITS: usize = 128;

struct Account {
    regime: FriRegime,
    air: StarkAirParams,
    shape: InstanceShape,
    extras: Vec<SecurityTerm>,
    grinding: GrindingSites,
}

fn account(scheme: Scheme, signatures: usize, claims: usize) -> Account {
    let security = Security::CONJECTURED_100;
    let tables = Stark::new(scheme).shapes(signatures, claims);
    let shape = InstanceShape {
        log_trace_length: tables.iter().map(|table| table.log_height).max().unwrap_or_default(),
        modulus_bits: FIELD_BITS,
        collision_resistance: COLLISION_BITS,
        num_batched_functions: size::opened(&tables),
    };
    let grinding = GrindingSites {
        out_of_domain: 0,
        batch_combination: security.batch_grinding_bits,
        lookup_challenge: security.lookup_grinding_bits,
    };
    // Messages of all tables, counted in rows of the largest: two a step, one a hash, and those of
    // signatures and tweaks, which have few rows.
    let messages = LogUpAir { num_interactions: 4, max_message_width: HASH_MESSAGE };
    Account {
        regime: FriRegime {
            log_blowup: security.log_blowup,
            num_queries: security.queries,
            log_final_poly_len: MIN_LOG_HEIGHT - 1,
            max_log_arity: MAX_LOG_ARITY,
            commit_pow_bits: security.fold_grinding_bits,
            query_pow_bits: security.grinding_bits,
        },
        air: StarkAirParams {
            num_constraints: EQUATIONS,
            max_constraint_degree: DEGREE,
            num_quotient_chunks: 1 << security.log_blowup,
            max_combo: 2,
        },
        shape,
        extras: security_term(&messages, &shape, &grinding).into_iter().collect(),
        grinding,
    }
}

#[test]
fn the_largest_proof_has_a_hundred_conjectured_bits() {
    for scheme in [Scheme::Lifetime8, Scheme::Lifetime18, Scheme::Lifetime32] {
        let Account { regime, air, shape, extras, grinding } =
            account(scheme, MAX_SIGNATURES, MAX_CLAIMS);
        let report = conjectured_security_report(&regime, &air, &shape, &extras, &grinding);
        println!("{scheme:?}: {:.1} bits, by {:?}", report.security_bits(), report.binding());
        assert!(report.security_bits() >= 100.0, "{report:?}");
    }
}

#[test]
fn what_is_proven_is_less_and_is_known() {
    let Account { regime, air, shape, extras, grinding } = account(Scheme::Lifetime32, 256, 1);
    let report = proven_security_report(&regime, &air, &shape, &extras, &grinding);
    println!("{:.1} proven bits", report.security_bits());
    assert!((40.0..100.0).contains(&report.security_bits()), "{report:?}");
}
