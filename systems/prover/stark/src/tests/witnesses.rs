//! Rows that a malicious prover might choose: each keeps all but one of the rules.

use leansig::relation::{STEPS, chain_tweak};
use leansig::scheme::Scheme;
use p3_field::PrimeCharacteristicRing;
use p3_matrix::Matrix;

use super::support::{Filled, filled, signed};
use crate::{
    field::F,
    poseidon::{POSEIDON_16, POSEIDON_24},
    tables::{chains, hashes, signatures::public, tables},
};

const SIGNATURES: usize = 0;
const HASHES: usize = 1;
const CHAINS: usize = 2;
const TWEAKS: usize = 3;

fn two_signatures(slot: u32) -> Filled {
    let filled = filled(Scheme::Lifetime8, &[signed(0..2, slot, 1)]);
    assert!(filled.holds());
    filled
}

/// Computes a chain's rows anew from one of them on, with the inputs' own parameters and tweaks.
fn walk_on(filled: &mut Filled, mut row: usize) -> [F; 8] {
    loop {
        let cells = filled.row(CHAINS, row);
        let input: [F; 16] = std::array::from_fn(|at| cells[at]);
        let output = POSEIDON_16.fill(cells, input);
        let value = std::array::from_fn(|at| output[at] + input[at]);
        if cells[chains::LAST] == F::ONE {
            return value;
        }
        row += 1;
        filled.row(CHAINS, row)[..8].copy_from_slice(&value);
    }
}

#[test]
fn chains_cannot_be_swapped() {
    let mut filled = two_signatures(7);
    let steps = chains::steps(&filled.claims.shape);
    // Two chains of a signature with their numbers exchanged.
    let first = *filled.cell(CHAINS, 0, chains::CHAIN);
    let last = *filled.cell(CHAINS, steps - 1, chains::CHAIN);
    assert_ne!(first, last);
    for row in 0..steps {
        let cell = filled.cell(CHAINS, row, chains::CHAIN);
        *cell = if *cell == first {
            last
        } else if *cell == last {
            first
        } else {
            *cell
        };
    }
    assert!(!filled.holds());

    // The chains of two signatures exchanged.
    let mut filled = two_signatures(7);
    for row in 0..2 * steps {
        let other = F::from_bool(row < steps);
        *filled.cell(CHAINS, row, chains::SIGNATURE) = other;
    }
    assert!(!filled.holds());
}

#[test]
fn a_step_needs_its_own_tweak() {
    // In the last slot every step's tweak carries; the others are what a carry forgotten or added
    // would be, and tweaks of other steps and chains.
    for slot in [7, 127] {
        let honest = chain_tweak(slot, 1, STEPS);
        let [low, high] = honest;
        let wrong = [
            [low, high + F::ONE],
            [low, high - F::ONE],
            [low + F::ONE, high],
            chain_tweak(slot, 1, STEPS - 1),
            chain_tweak(slot, 2, STEPS),
            chain_tweak(slot + 1, 1, STEPS),
        ];
        for tweak in wrong {
            let mut filled = two_signatures(slot);
            let row = (0..).find(|row| {
                *filled.cell(CHAINS, *row, chains::CHAIN) == F::ONE
                    && *filled.cell(CHAINS, *row, chains::LAST) == F::ONE
            });
            let row = row.expect("the chain has a step");
            let cells = filled.row(CHAINS, row);
            assert_eq!(cells[chains::STEP_TWEAK..][..2], honest);
            cells[chains::STEP_TWEAK..][..2].copy_from_slice(&tweak);
            let end = walk_on(&mut filled, row);
            // The signature's row goes along; then so must its leaf, which it cannot.
            assert!(!filled.holds());
            let columns = crate::tables::signatures::Columns::new(&filled.claims.shape);
            filled.row(SIGNATURES, 0)[columns.ends + 8..][..8].copy_from_slice(&end);
            assert!(!filled.holds());
        }
    }
}

#[test]
fn a_chain_cannot_skip_or_repeat_steps() {
    let mut filled = two_signatures(7);
    // A chain that claims to start one step later than it does.
    let steps = chains::steps(&filled.claims.shape);
    let chain = *filled.cell(CHAINS, 0, chains::CHAIN);
    for row in 0..steps {
        if *filled.cell(CHAINS, row, chains::CHAIN) == chain {
            *filled.cell(CHAINS, row, chains::DIGIT) += F::ONE;
        }
    }
    assert!(!filled.holds());

    // A chain that ends before its last step.
    let mut filled = two_signatures(7);
    let row = (0..steps)
        .find(|row| *filled.cell(CHAINS, *row, chains::LAST) == F::ZERO)
        .expect("a chain of two steps");
    *filled.cell(CHAINS, row, chains::LAST) = F::ONE;
    assert!(!filled.holds());
}

#[test]
fn padding_cannot_stand_for_a_signature() {
    // A block of hashes that has no signature says that it has one.
    let mut filled = two_signatures(7);
    let block = hashes::block_rows(&filled.claims.shape);
    for row in 2 * block..3 * block {
        *filled.cell(HASHES, row, hashes::REAL) = F::ONE;
    }
    assert!(!filled.holds());

    // The same, and the block of a signature says that it has none.
    for row in 0..block {
        *filled.cell(HASHES, row, hashes::REAL) = F::ZERO;
    }
    assert!(!filled.holds());

    // With the other one's number, which is the order of the blocks.
    for row in 2 * block..3 * block {
        *filled.cell(HASHES, row, hashes::SIGNATURE) = F::ZERO;
    }
    assert!(!filled.holds());

    // A step of no signature asks for its tweak and answers.
    let mut filled = two_signatures(7);
    let row = 2 * chains::steps(&filled.claims.shape);
    *filled.cell(CHAINS, row, chains::REAL) = F::ONE;
    assert!(!filled.holds());

    // A row of no signature asks.
    let mut filled = two_signatures(7);
    let columns = crate::tables::signatures::Columns::new(&filled.claims.shape);
    let copy = filled.row(SIGNATURES, 0).to_vec();
    filled.row(SIGNATURES, 2).copy_from_slice(&copy);
    assert!(!filled.holds());
    *filled.cell(SIGNATURES, 2, columns.public + public::REAL) = F::ZERO;
    assert!(!filled.holds());
}

#[test]
fn padding_counts_as_no_tweak() {
    let mut filled = two_signatures(7);
    let last = filled.rows[TWEAKS].height() - 1;
    *filled.cell(TWEAKS, last, crate::tables::tweaks::TIMES) += F::ONE;
    assert!(!filled.holds());
}

#[test]
fn a_path_must_take_its_side() {
    let mut filled = two_signatures(7);
    let row = hashes::path_row(&filled.claims.shape);
    // Slot 7 is a right child at the lowest level: its node stands on the left instead.
    let cells = filled.row(HASHES, row);
    let mut input: [F; 24] = std::array::from_fn(|at| cells[at]);
    for at in 0..8 {
        input.swap(hashes::LEFT + at, hashes::RIGHT + at);
    }
    let _root = POSEIDON_24.fill(cells, input);
    assert!(!filled.holds());
}

#[test]
fn rows_of_some_claims_are_none_of_others() {
    // Everything that a claim says, changed in the tables and, as far as can be, in the rows.
    let honest = [signed(0..2, 7, 1), signed(2..4, 9, 2)];
    let mut changed = Vec::new();
    let mut change = |apply: &dyn Fn(&mut [super::support::Signed; 2])| {
        let mut signed = honest.clone();
        apply(&mut signed);
        changed.push(signed);
    };
    change(&|signed| signed[0].message[0] ^= 1);
    change(&|signed| signed[0].slot = 6);
    change(&|signed| signed[0].keys[0] = signed[1].keys[0].clone());
    change(&|signed| signed[0].keys.swap(0, 1));
    change(&|signed| signed.swap(0, 1));
    change(&|signed| {
        let key = signed[1].keys.remove(0);
        signed[0].keys.push(key);
    });
    for signed in changed {
        let mut filled = filled(Scheme::Lifetime8, &honest);
        let claims: Vec<_> = signed.iter().map(super::support::Signed::claim).collect();
        filled.claims = crate::claims::Claims::new(Scheme::Lifetime8, &claims).expect("claims");
        filled.tables = tables(&filled.claims);
        filled.copy_public();
        assert!(!filled.holds());
    }
}
