//! Keys, signatures and tables for tests.

use std::collections::HashMap;
use std::sync::Arc;

use leansig::KeyGenOptions;
use leansig::scheme::{Scheme, SecretKey};
use p3_air::{Air, DebugConstraintBuilder};
use p3_field::PrimeCharacteristicRing;
use p3_lookup::traits::LookupTraceBuilder;
use p3_lookup::{InteractionSymbolicBuilder, Lookups};
use p3_matrix::Matrix;
use p3_matrix::dense::{RowMajorMatrix, RowMajorMatrixView};
use p3_matrix::stack::ViewPair;
use rand::{SeedableRng, rngs::StdRng};

use crate::{
    Claim, Stark, Watch,
    claims::Claims,
    config::Security,
    field::{Extension, F},
    tables::{TABLES, Table, tables},
    witness,
};

/// The test preset, and a low-degree test that is as small as can be.
pub(super) const SMALL: Stark = Stark {
    scheme: Scheme::Lifetime8,
    security: Security {
        queries: 2,
        grinding_bits: 0,
        batch_grinding_bits: 0,
        fold_grinding_bits: 0,
        lookup_grinding_bits: 0,
        ..Security::CONJECTURED_100
    },
    workers: None,
};

/// A watch that lets a proof be made.
pub(super) fn go_on() -> Watch {
    Arc::new(|_| true)
}

/// Signatures of one message at one slot.
#[derive(Clone)]
pub(super) struct Signed {
    pub(super) slot: u32,
    pub(super) message: [u8; 32],
    pub(super) keys: Vec<Vec<u8>>,
    pub(super) signatures: Vec<Vec<u8>>,
}

impl Signed {
    pub(super) fn claim(&self) -> Claim<'_> {
        Claim {
            slot: self.slot,
            message: self.message,
            public_keys: self.keys.iter().map(Vec::as_slice).collect(),
        }
    }
}

/// The claims of what was signed, and the signatures claim by claim.
pub(super) fn inputs(signed: &[Signed]) -> (Vec<Claim<'_>>, Vec<&[u8]>) {
    let signatures = signed.iter().flat_map(|signed| &signed.signatures).map(Vec::as_slice);
    (signed.iter().map(Signed::claim).collect(), signatures.collect())
}

/// Some keys of the test preset sign a message. Keys with the same number are the same.
pub(super) fn signed(keys: std::ops::Range<u64>, slot: u32, message: u8) -> Signed {
    signed_by(Scheme::Lifetime8, keys, slot, message)
}

pub(super) fn signed_by(
    scheme: Scheme,
    keys: std::ops::Range<u64>,
    slot: u32,
    message: u8,
) -> Signed {
    let message = [message; 32];
    let keys: Vec<_> = keys.map(|seed| secret_key(scheme, seed, slot)).collect();
    let sign = |key: &SecretKey| key.sign(slot, &message).expect("the key has the slot").to_vec();
    Signed {
        slot,
        message,
        keys: keys.iter().map(|key| key.public_key().to_vec()).collect(),
        signatures: keys.iter().map(sign).collect(),
    }
}

fn secret_key(scheme: Scheme, seed: u64, slot: u32) -> SecretKey {
    let mut rng = StdRng::seed_from_u64(seed);
    let window = match scheme {
        Scheme::Lifetime8 => 1 << 4,
        Scheme::Lifetime18 => 1 << 9,
        Scheme::Lifetime32 => 1 << 16,
    };
    let first = (u64::from(slot) / window * window).min(scheme.lifetime() - 2 * window);
    let options = KeyGenOptions::default();
    SecretKey::generate(scheme, &mut rng, first, 2 * window, &options).expect("a key")
}

/// The tables of some claims and their rows.
pub(super) struct Filled {
    pub(super) claims: Claims,
    pub(super) tables: [Table; TABLES],
    pub(super) rows: [RowMajorMatrix<F>; TABLES],
    lookups: Vec<Lookups<F>>,
}

pub(super) fn filled(scheme: Scheme, signed: &[Signed]) -> Filled {
    let (claims, signatures) = inputs(signed);
    let claims = Claims::new(scheme, &claims).expect("claims");
    let tables = tables(&claims);
    let parts: Vec<_> = signatures
        .iter()
        .map(|bytes| scheme.signature_parts(bytes).expect("a signature"))
        .collect();
    let rows = witness::fill(&claims, &tables, &parts).expect("valid signatures");
    let lookups = tables.iter().map(Lookups::from_air::<Extension, Table>).collect();
    Filled { claims, tables, rows, lookups }
}

/// Messages on the buses, with how often each was sent more than received.
type Messages = HashMap<(usize, Vec<F>), F>;

impl Filled {
    pub(super) fn cell(&mut self, table: usize, row: usize, column: usize) -> &mut F {
        let width = self.rows[table].width();
        &mut self.rows[table].values[row * width + column]
    }

    pub(super) fn row(&mut self, table: usize, row: usize) -> &mut [F] {
        self.rows[table].row_mut(row)
    }

    /// Returns true if all equations and lookups hold.
    pub(super) fn holds(&self) -> bool {
        let rows = (0..TABLES)
            .flat_map(|table| (0..self.rows[table].height()).map(move |row| (table, row)));
        let mut messages = Messages::new();
        for (table, row) in rows {
            if !self.row_holds(table, row) {
                return false;
            }
            self.add_messages(table, row, F::ONE, &mut messages);
        }
        messages.values().all(|times| *times == F::ZERO)
    }

    /// Returns true if equations and lookups still hold after changes to one row, given that they
    /// did before.
    pub(super) fn change_holds(
        &mut self,
        table: usize,
        row: usize,
        change: impl FnOnce(&mut [F]),
    ) -> bool {
        let before = self.row(table, row).to_vec();
        let mut messages = Messages::new();
        self.add_messages(table, row, F::NEG_ONE, &mut messages);
        change(self.row(table, row));
        self.add_messages(table, row, F::ONE, &mut messages);
        let height = self.rows[table].height();
        let holds = self.row_holds(table, row)
            && self.row_holds(table, (row + height - 1) % height)
            && messages.values().all(|times| *times == F::ZERO);
        self.row(table, row).copy_from_slice(&before);
        holds
    }

    fn row_holds(&self, table: usize, row: usize) -> bool {
        let (air, height) = (&self.tables[table], self.rows[table].height());
        let public: Vec<F> =
            air.public_columns().iter().map(|column| column[row % column.len()]).collect();
        let mut builder = DebugConstraintBuilder::<F>::new(
            row,
            self.window(table, row),
            empty(),
            &[],
            F::from_bool(row == 0),
            F::from_bool(row + 1 == height),
            F::from_bool(row + 1 != height),
            &public,
        );
        air.eval(&mut builder);
        !builder.has_failures()
    }

    fn add_messages(&self, table: usize, row: usize, sign: F, messages: &mut Messages) {
        let height = self.rows[table].height();
        let window = self.window(table, row);
        let builder: LookupTraceBuilder<'_, F, Extension> =
            LookupTraceBuilder::new(window, empty(), &[], &[], height, row);
        for lookup in self.lookups[table].iter() {
            let bus = match &lookup.kind {
                p3_lookup::Kind::Global(name) => name.len(),
                p3_lookup::Kind::Local => unreachable!("no table looks into itself"),
            };
            for (elements, times) in lookup.elements.iter().zip(&lookup.multiplicities) {
                let message = elements.iter().map(|element| element.resolve(&builder)).collect();
                let times: F = times.resolve(&builder);
                if times != F::ZERO {
                    *messages.entry((bus, message)).or_insert(F::ZERO) += sign * times;
                }
            }
        }
    }

    fn window(&self, table: usize, row: usize) -> ViewPair<'_, F> {
        let rows = &self.rows[table];
        let (width, height) = (rows.width(), rows.height());
        let view = |row: usize| RowMajorMatrixView::new_row(&rows.values[row * width..][..width]);
        ViewPair::new(view(row), view((row + 1) % height))
    }
}

fn empty<'a>() -> ViewPair<'a, F> {
    ViewPair::new(RowMajorMatrixView::new(&[], 0), RowMajorMatrixView::new(&[], 0))
}

// Makes sure that what is checked here is what a prover and a verifier evaluate.
const _: fn(&Table, &mut InteractionSymbolicBuilder<F, Extension>) = <Table as Air<_>>::eval;

impl Filled {
    /// Copies the tables' public columns to where the rows repeat them.
    pub(super) fn copy_public(&mut self) {
        witness::copy_public(&self.claims.shape, &self.tables, &mut self.rows);
    }
}
