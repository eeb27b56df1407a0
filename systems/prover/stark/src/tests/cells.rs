//! No cell of a real row can be another one.

use leansig::scheme::Scheme;
use p3_field::PrimeCharacteristicRing;
use p3_matrix::Matrix;

use super::support::{Filled, filled, signed};
use crate::{
    field::F,
    tables::{TABLES, chains, hashes, tweaks},
};

fn three_signatures() -> Filled {
    filled(Scheme::Lifetime8, &[signed(0..2, 7, 1), signed(2..3, 9, 2)])
}

/// Rows of each table that belong to a signature, or to a tweak that one looks up.
fn real_rows(filled: &Filled) -> [usize; TABLES] {
    let (shape, signatures) = (&filled.claims.shape, filled.claims.signatures());
    [
        signatures,
        signatures * hashes::block_rows(shape),
        signatures * chains::steps(shape),
        filled.claims.statements.len() * tweaks::rows_per_claim(shape),
    ]
}

#[test]
fn honest_rows_hold() {
    assert!(three_signatures().holds());
}

#[test]
fn no_cell_can_change() {
    let mut filled = three_signatures();
    let real = real_rows(&filled);
    let mut tried = 0;
    for (table, rows) in real.into_iter().enumerate() {
        for row in 0..rows {
            for column in 0..filled.rows[table].width() {
                for delta in [F::ONE, F::NEG_ONE, F::from_u32(1 << 20)] {
                    let holds = filled.change_holds(table, row, |cells| cells[column] += delta);
                    assert!(!holds, "table {table}, row {row}, column {column}");
                    tried += 1;
                }
            }
        }
    }
    println!("{tried} changes");
    assert!(tried > 50_000);
}

#[test]
fn no_two_cells_of_a_row_can_change_and_keep_their_sum() {
    let mut filled = three_signatures();
    let shape = filled.claims.shape;
    let block = hashes::block_rows(&shape);
    let path = block + hashes::path_row(&shape);
    let rows = [(0, 1), (1, block), (1, block + 1), (1, path), (2, 5), (3, 3)];
    for (table, row) in rows {
        let width = filled.rows[table].width();
        for first in 0..width {
            for second in first + 1..width {
                let holds = filled.change_holds(table, row, |cells| {
                    cells[first] += F::ONE;
                    cells[second] -= F::ONE;
                });
                assert!(!holds, "table {table}, row {row}, columns {first} and {second}");
            }
        }
    }
}
