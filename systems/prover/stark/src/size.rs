//! The length of a proof and the memory for making it, known before it is made.

use leansig::relation;
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

/// Bytes of a proof of such tables, about.
pub(crate) fn about(security: Security, tables: &[Shape]) -> usize {
    let largest = tables.iter().map(|table| table.log_height).max().unwrap_or(MIN_LOG_HEIGHT);
    let log_queries = security.queries.ilog2() as usize;
    // Near the root the paths are the same; what is left of each is its own.
    let paths = |log_leaves: usize| {
        let own = log_leaves.saturating_sub(log_queries.max(CAP_HEIGHT));
        security.queries * own * DIGEST
    };
    let mut log_leaves = largest + security.log_blowup;
    let mut bytes = least(security, tables) + 3 * paths(log_leaves);
    while log_leaves > MIN_LOG_HEIGHT + security.log_blowup {
        log_leaves -= MAX_LOG_ARITY.min(log_leaves - MIN_LOG_HEIGHT - security.log_blowup + 1);
        let siblings = (1 << MAX_LOG_ARITY) - 1;
        bytes += security.queries * siblings * EXTENSION * ELEMENT + paths(log_leaves);
    }
    bytes
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
