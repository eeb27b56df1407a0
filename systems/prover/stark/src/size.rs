//! The length of a proof and the memory for making it, known before it is made.

use leansig::relation;
use p3_fri::fold_schedule;
use p3_lookup::Lookups;

use crate::{
    config::{CAP_HEIGHT, MAX_LOG_ARITY, Security},
    field::F,
    tables::{MIN_LOG_HEIGHT, TABLES, chains, hashes, log_heights_of, signatures::Columns, tweaks},
};

/// Bytes of a field element.
const ELEMENT: usize = 4;
/// Elements of a challenge.
const EXTENSION: usize = 4;
/// Bytes of a digest.
const DIGEST: usize = 32;
/// Bytes of a list's length.
const LENGTH: usize = 2;
/// Commitments beside those of folded codewords: to rows, lookups, quotients.
const COMMITMENTS: usize = 3;

/// Columns of a table that are committed, each time over all of its rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) log_height: usize,
    pub(crate) main: usize,
    /// True if equations use the next row.
    pub(crate) looks_ahead: bool,
    /// Base-field columns of the lookups.
    pub(crate) lookups: usize,
    /// Base-field columns of the quotient.
    pub(crate) quotient: usize,
}

/// The tables of a proof of so many signatures and claims.
pub(crate) fn shapes(
    security: Security,
    preset: &relation::Shape,
    lookups: &[Lookups<F>],
    signatures: usize,
    claims: usize,
) -> [Shape; TABLES] {
    let log_heights = log_heights_of(preset, signatures, claims);
    let widths = [Columns::new(preset).width, hashes::WIDTH, chains::WIDTH, tweaks::WIDTH];
    std::array::from_fn(|table| {
        let is_signatures = table == 0;
        // The quotient has as many parts as the largest degree less one.
        let parts = if is_signatures { 1 << security.log_blowup } else { 2 };
        Shape {
            log_height: log_heights[table],
            main: widths[table],
            looks_ahead: table == 1 || table == 2,
            lookups: (lookups[table].len() + 1) * EXTENSION,
            quotient: parts * EXTENSION,
        }
    })
}

impl Shape {
    fn columns(&self) -> usize {
        self.main + self.lookups + self.quotient
    }
}

/// The number of openings of columns outside of their rows.
pub(crate) fn opened(tables: &[Shape]) -> usize {
    let opened = tables.iter().map(|table| {
        let main = if table.looks_ahead { 2 * table.main } else { table.main };
        main + 2 * table.lookups + table.quotient
    });
    opened.sum()
}

/// Bytes of a proof of such tables without what depends on the places that are looked at: no proof
/// has fewer.
pub(crate) fn least(security: Security, tables: &[Shape]) -> usize {
    let rows: usize = tables.iter().map(Shape::columns).sum();
    let opened = opened(tables);
    security.queries * rows * ELEMENT + opened * EXTENSION * ELEMENT
}

/// Bytes of a proof of such tables, about: the places that are looked at decide over a few kilobytes.
pub(crate) fn about(security: Security, tables: &[Shape]) -> usize {
    let mut heights: Vec<_> =
        tables.iter().map(|table| table.log_height + security.log_blowup).collect();
    heights.sort_unstable_by(|one, other| other.cmp(one));
    heights.dedup();
    let log_final = MIN_LOG_HEIGHT - 1 + security.log_blowup;
    let mut log_leaves = heights.first().copied().unwrap_or(log_final);
    let folds = fold_schedule(&heights, log_final, MAX_LOG_ARITY);

    // Rows, lookups and quotients, and then the folded codewords.
    let mut bytes = least(security, tables) + COMMITMENTS * paths(security, log_leaves);
    for log_arity in &folds {
        log_leaves -= log_arity;
        let siblings = (1 << log_arity) - 1;
        bytes += security.queries * siblings * EXTENSION * ELEMENT + paths(security, log_leaves);
    }
    let roots = (COMMITMENTS + folds.len()) * (DIGEST << CAP_HEIGHT);
    let last_polynomial = (EXTENSION * ELEMENT) << (MIN_LOG_HEIGHT - 1);
    let parts: usize = tables.iter().map(|table| table.quotient / EXTENSION + 2).sum();
    let lengths = security.queries * LENGTH * (parts + folds.len());
    bytes + roots + last_polynomial + lengths
}

/// Bytes of the Merkle paths to the places that are looked at, as is to be expected: a node is in the
/// proof if it is beside one of a path and in none itself.
fn paths(security: Security, log_leaves: usize) -> usize {
    let missed = |places: f64| (1.0 - 1.0 / places).powf(queries(security));
    let nodes = (CAP_HEIGHT + 1..=log_leaves).map(|level| {
        let places = 2f64.powi(i32::try_from(level).unwrap_or(i32::MAX));
        places * (missed(places) - missed(places / 2.0))
    });
    let nodes: f64 = nodes.sum();
    // Far below what an integer holds.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let nodes = nodes.ceil() as usize;
    nodes * DIGEST
}

fn queries(security: Security) -> f64 {
    u32::try_from(security.queries).map_or(f64::MAX, f64::from)
}

/// Bytes of memory that proving such tables takes.
pub(crate) fn memory(security: Security, tables: &[Shape]) -> usize {
    let codewords = tables.iter().map(|table| {
        let length = 1 << (table.log_height + security.log_blowup);
        table.columns() * length * ELEMENT
    });
    // Beside the codewords there are the rows, and their trees of digests and folded sums.
    let codewords: usize = codewords.sum();
    codewords + codewords / 2
}
