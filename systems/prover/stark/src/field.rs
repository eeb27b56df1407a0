//! The fields, and the cells of a row.

use p3_air::AirBuilder;
use p3_field::extension::BinomialExtensionField;

/// The field of the tables.
pub(crate) type F = leansig::relation::Element;
/// The field of the challenges: four elements, 124 bits.
pub(crate) type Extension = BinomialExtensionField<F, 4>;

/// A cell as an expression.
pub(crate) fn cell<AB: AirBuilder>(row: &[AB::Var], column: usize) -> AB::Expr {
    row[column].into()
}

/// Consecutive cells as expressions.
pub(crate) fn cells<AB: AirBuilder>(
    row: &[AB::Var],
    first: usize,
    count: usize,
) -> impl Iterator<Item = AB::Expr> + '_ {
    row[first..first + count].iter().map(|cell| (*cell).into())
}
