//! The tables that a proof is about, and what goes between them.
//!
//! | table | rows | what a row is |
//! | --- | --- | --- |
//! | [`signatures`] | one a signature | digits of the message hash, ends of the chains |
//! | [`hashes`] | a block a signature | the message hash, the leaf's sponge, the path: width 24 |
//! | [`chains`] | a step | the steps from a signature's values to the ends: width 16 |
//! | [`tweaks`] | a claim's chain and step | the tweak of that step |
//!
//! The first table holds the claims: its public columns are the keys, messages and tweaks. By lookups
//! it asks for the hashes of each of its signatures, and for each of its chains. The chains ask for
//! their tweaks.
//!
//! A column that both sides know is *public*: nobody commits to it, and the verifier evaluates it
//! itself. Lookups see only committed columns, so public columns that stand in a message have a
//! committed copy that an equation pins.

pub(crate) mod chains;
mod checked;
pub(crate) mod hashes;
pub(crate) mod signatures;
pub(crate) mod tweaks;

use std::borrow::Cow;

use leansig::relation::Shape;
use p3_air::{Air, BaseAir};
use p3_field::PrimeCharacteristicRing;
use p3_lookup::InteractionBuilder;

use crate::{claims::Claims, field::F};

pub(crate) use self::{
    chains::Chains, checked::Checked, hashes::Hashes, signatures::Signatures, tweaks::Tweaks,
};

/// Tables of a proof.
pub(crate) const TABLES: usize = 4;
/// The logarithm of the fewest rows of a table: the last polynomial of the low-degree test has half
/// as many coefficients.
pub(crate) const MIN_LOG_HEIGHT: usize = 6;

/// Between signatures and hashes: a tag, the signature's number, up to 22 elements.
pub(crate) const HASH_BUS: &str = "hash";
/// Elements of a message on [`HASH_BUS`].
pub(crate) const HASH_MESSAGE: usize = 24;
/// Between signatures, chains and tweaks: a tag, the claim's number, up to 16 elements.
pub(crate) const CHAIN_BUS: &str = "chain";
/// Elements of a message on [`CHAIN_BUS`].
pub(crate) const CHAIN_MESSAGE: usize = 18;
/// The tag of a whole chain on [`CHAIN_BUS`].
pub(crate) const WHOLE_CHAIN: u32 = 0;
/// The tag of a tweak on [`CHAIN_BUS`].
pub(crate) const TWEAK: u32 = 1;

/// One of the tables, for given claims.
#[derive(Clone, Debug)]
pub(crate) enum Table {
    Signatures(Signatures),
    Hashes(Hashes),
    Chains(Chains),
    Tweaks(Tweaks),
}

/// The logarithm of each table's number of rows, in the tables' order. It follows from the claims
/// alone.
pub(crate) fn log_heights(claims: &Claims) -> [usize; TABLES] {
    log_heights_of(&claims.shape, claims.signatures(), claims.statements.len())
}

/// As [`log_heights`], for so many signatures and claims.
pub(crate) fn log_heights_of(shape: &Shape, signatures: usize, claims: usize) -> [usize; TABLES] {
    let log = |rows: usize| rows.next_power_of_two().trailing_zeros() as usize;
    [
        signatures,
        signatures * hashes::block_rows(shape),
        signatures * chains::steps(shape),
        claims * tweaks::rows_per_claim(shape),
    ]
    .map(|rows| log(rows).max(MIN_LOG_HEIGHT))
}

/// The tables, in their order.
pub(crate) fn tables(claims: &Claims) -> [Table; TABLES] {
    let [signatures, hashes, _, tweaks] = log_heights(claims).map(|log| 1 << log);
    [
        Table::Signatures(Signatures::new(claims, signatures)),
        Table::Hashes(Hashes::new(claims, hashes)),
        Table::Chains(Chains),
        Table::Tweaks(Tweaks::new(claims, tweaks)),
    ]
}

/// A public column, as short as it can be: it stands for its repetitions.
pub(crate) fn public_column(mut column: Vec<F>) -> Vec<F> {
    while column.len() > 1 {
        let (first, second) = column.split_at(column.len() / 2);
        if first != second {
            break;
        }
        column.truncate(column.len() / 2);
    }
    column
}

/// A message of a lookup: its parts and then zeros.
pub(crate) fn message<E: PrimeCharacteristicRing>(
    len: usize,
    parts: impl IntoIterator<Item = E>,
) -> Vec<E> {
    let mut message = Vec::with_capacity(len);
    message.extend(parts);
    debug_assert!(message.len() <= len, "a message has room for all of its parts");
    message.resize(len, E::ZERO);
    message
}

impl BaseAir<F> for Table {
    fn width(&self) -> usize {
        match self {
            Self::Signatures(table) => table.columns.width,
            Self::Hashes(_) => hashes::WIDTH,
            Self::Chains(_) => chains::WIDTH,
            Self::Tweaks(_) => tweaks::WIDTH,
        }
    }

    fn num_periodic_columns(&self) -> usize {
        self.public_columns().len()
    }

    fn periodic_columns(&self) -> Cow<'_, [Vec<F>]> {
        Cow::Borrowed(self.public_columns())
    }

    fn main_next_row_columns(&self) -> Vec<usize> {
        match self {
            // Their rows do not look at one another.
            Self::Signatures(_) | Self::Tweaks(_) => Vec::new(),
            Self::Hashes(_) | Self::Chains(_) => (0..self.width()).collect(),
        }
    }
}

impl Table {
    pub(crate) fn public_columns(&self) -> &[Vec<F>] {
        match self {
            Self::Signatures(table) => &table.public,
            Self::Hashes(table) => &table.public,
            Self::Chains(_) => &[],
            Self::Tweaks(table) => &table.public,
        }
    }
}

impl<B: InteractionBuilder<F = F>> Air<B> for Table {
    fn eval(&self, builder: &mut B) {
        match self {
            Self::Signatures(table) => table.eval(builder),
            Self::Hashes(table) => table.eval(builder),
            Self::Chains(table) => table.eval(builder),
            Self::Tweaks(table) => table.eval(builder),
        }
    }
}
