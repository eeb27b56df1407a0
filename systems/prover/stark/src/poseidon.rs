//! The Poseidon1 permutation as columns of a row, and the equations between them.
//!
//! A row holds the permutation's input, the state after each full round, and the S-box's output of
//! each partial round. All that is between is linear, so no equation has a degree above 3. Each
//! equation is one cube and one sum over columns: whoever looks at equations as expressions, as a
//! verifier does in every check, finds small ones.

use std::sync::LazyLock;

use p3_air::AirBuilder;
use p3_field::{Algebra, Field, PackedValue, PrimeCharacteristicRing};
use p3_koala_bear::{
    KOALABEAR_POSEIDON_HALF_FULL_ROUNDS, KOALABEAR_POSEIDON_PARTIAL_ROUNDS_16,
    KOALABEAR_POSEIDON_PARTIAL_ROUNDS_24, KOALABEAR_POSEIDON1_RC_16, KOALABEAR_POSEIDON1_RC_24,
    MDSKoalaBearData,
};
use p3_mds::karatsuba_convolution::{mds_circulant_karatsuba_16, mds_circulant_karatsuba_24};
use p3_monty_31::MDSUtils;
use p3_poseidon1::external::mds_multiply;
use p3_poseidon1::{FullRoundConstants, PartialRoundConstants, Poseidon1Constants, cheap_matmul};

use crate::field::{F, cell};

type Packed = <F as Field>::Packing;
/// Permutations that are computed side by side.
pub(crate) const LANES: usize = Packed::WIDTH;

/// Columns of a permutation of width 16.
pub(crate) const COLUMNS_16: usize = columns(16, KOALABEAR_POSEIDON_PARTIAL_ROUNDS_16);
/// Columns of a permutation of width 24.
pub(crate) const COLUMNS_24: usize = columns(24, KOALABEAR_POSEIDON_PARTIAL_ROUNDS_24);

/// The position of the output of width 16 in a row.
pub(crate) const OUTPUT_16: usize = COLUMNS_16 - 16;
/// The position of the output of width 24 in a row.
pub(crate) const OUTPUT_24: usize = COLUMNS_24 - 24;

const fn columns(width: usize, partial_rounds: usize) -> usize {
    width + 2 * KOALABEAR_POSEIDON_HALF_FULL_ROUNDS * width + partial_rounds
}

/// The permutation of width 16.
pub(crate) static POSEIDON_16: LazyLock<Permutation<16>> = LazyLock::new(|| {
    Permutation::new(Poseidon1Constants {
        rounds_f: 2 * KOALABEAR_POSEIDON_HALF_FULL_ROUNDS,
        rounds_p: KOALABEAR_POSEIDON_PARTIAL_ROUNDS_16,
        mds_circ_col: MDSKoalaBearData::MATRIX_CIRC_MDS_16_COL,
        round_constants: KOALABEAR_POSEIDON1_RC_16.to_vec(),
    })
});

/// The permutation of width 24.
pub(crate) static POSEIDON_24: LazyLock<Permutation<24>> = LazyLock::new(|| {
    Permutation::new(Poseidon1Constants {
        rounds_f: 2 * KOALABEAR_POSEIDON_HALF_FULL_ROUNDS,
        rounds_p: KOALABEAR_POSEIDON_PARTIAL_ROUNDS_24,
        mds_circ_col: MDSKoalaBearData::MATRIX_CIRC_MDS_24_COL,
        round_constants: KOALABEAR_POSEIDON1_RC_24.to_vec(),
    })
});

/// A permutation's constants.
#[derive(Debug)]
pub(crate) struct Permutation<const W: usize> {
    full: FullRoundConstants<F, W>,
    partial: PartialRoundConstants<F, W>,
    circulant: [F; W],
    /// The inverse of the full rounds' matrix.
    inverse: [[F; W]; W],
    /// The input of the S-box in each partial round.
    partial_inputs: Vec<Sum>,
    /// The state after the partial rounds.
    partial_outputs: Vec<Sum>,
}

/// A sum over the state before the partial rounds, the outputs of their S-boxes, and a constant.
#[derive(Debug)]
struct Sum {
    factors: Vec<F>,
    constant: F,
}

impl<const W: usize> Permutation<W> {
    fn new(constants: Poseidon1Constants<F, W>) -> Self {
        let circulant = constants.mds_circ_col.map(F::from_i64);
        let (full, partial) = constants.to_optimized();
        let inverse = inverse(&full.dense_mds);
        let (partial_inputs, partial_outputs) = partial_sums(&partial);
        Self { full, partial, circulant, inverse, partial_inputs, partial_outputs }
    }

    /// Asserts that the first columns of a row are a permutation's.
    pub(crate) fn eval<B: AirBuilder<F = F>>(&self, builder: &mut B, row: &[B::Var]) {
        let before_partial = W * self.full.initial.len();
        let sboxes = before_partial + W;
        let terminal = sboxes + self.partial_inputs.len();

        for (round, constants) in self.full.initial.iter().enumerate() {
            let state = |at: usize| cell::<B>(row, W * round + at);
            self.assert_full(builder, state, constants, &row[W * (round + 1)..][..W]);
        }
        let partial = &row[before_partial..terminal];
        for (input, output) in self.partial_inputs.iter().zip(&row[sboxes..terminal]) {
            builder.assert_eq(input.of::<B>(partial).cube(), *output);
        }
        for (round, constants) in self.full.terminal.iter().enumerate() {
            let state = |at: usize| match round {
                0 => self.partial_outputs[at].of::<B>(partial),
                _ => cell::<B>(row, terminal + W * (round - 1) + at),
            };
            self.assert_full(builder, state, constants, &row[terminal + W * round..][..W]);
        }
    }

    /// Asserts that `after` is the state after a full round: before the matrix it is cubes.
    fn assert_full<B: AirBuilder<F = F>>(
        &self,
        builder: &mut B,
        state: impl Fn(usize) -> B::Expr,
        constants: &[F; W],
        after: &[B::Var],
    ) {
        let after: [B::Expr; W] = std::array::from_fn(|at| cell::<B>(after, at));
        for ((at, constant), factors) in constants.iter().enumerate().zip(&self.inverse) {
            let cube = (state(at) + *constant).cube();
            builder.assert_eq(cube, B::Expr::mixed_dot_product(&after, factors));
        }
    }

    /// Fills a row's first columns from the input and returns the output.
    pub(crate) fn fill(&self, row: &mut [F], input: [F; W]) -> [F; W] {
        let mut columns = row.iter_mut();
        self.permute(input, |value| {
            if let Some(column) = columns.next() {
                *column = value;
            }
        })
    }

    /// The same for several rows side by side, at most [`LANES`].
    pub(crate) fn fill_rows(&self, rows: &mut [&mut [F]], inputs: &[[F; W]]) -> Vec<[F; W]> {
        debug_assert!(inputs.len() <= LANES && rows.len() == inputs.len());
        let input = std::array::from_fn(|at| {
            Packed::from_fn(|lane| inputs.get(lane).map_or(F::ZERO, |input| input[at]))
        });
        let mut column = 0;
        let output = self.permute(input, |values| {
            for (row, value) in rows.iter_mut().zip(values.as_slice()) {
                row[column] = *value;
            }
            column += 1;
        });
        let of_lane = |lane: usize| output.each_ref().map(|values| values.as_slice()[lane]);
        (0..inputs.len()).map(of_lane).collect()
    }

    /// The output for an input. `put` is given the columns of a row, in order.
    fn permute<A: Algebra<F> + Copy>(&self, input: [A; W], mut put: impl FnMut(A)) -> [A; W] {
        let mut state = input;
        state.into_iter().for_each(&mut put);
        for constants in &self.full.initial {
            self.full_round(&mut state, constants);
            state.into_iter().for_each(&mut put);
        }
        partial_rounds(&self.partial, &mut state, |_, input| {
            let output = input.cube();
            put(output);
            output
        });
        for constants in &self.full.terminal {
            self.full_round(&mut state, constants);
            state.into_iter().for_each(&mut put);
        }
        state
    }

    fn full_round<A: Algebra<F> + Copy>(&self, state: &mut [A; W], constants: &[F; W]) {
        for (value, constant) in state.iter_mut().zip(constants) {
            *value = (*value + *constant).cube();
        }
        multiply_circulant(state, &self.circulant);
    }
}

impl Sum {
    fn of<B: AirBuilder<F = F>>(&self, columns: &[B::Var]) -> B::Expr {
        let terms = columns.iter().zip(&self.factors).filter(|(_, factor)| !factor.is_zero());
        terms.fold(self.constant.into(), |sum: B::Expr, (column, factor)| sum + *column * *factor)
    }
}

/// Takes a state through the partial rounds. `sbox` is told the round.
fn partial_rounds<A: Algebra<F> + Copy, const W: usize>(
    constants: &PartialRoundConstants<F, W>,
    state: &mut [A; W],
    mut sbox: impl FnMut(usize, A) -> A,
) {
    for (value, constant) in state.iter_mut().zip(&constants.first_round_constants) {
        *value += *constant;
    }
    mds_multiply(state, &constants.m_i);
    for (round, (first_row, v)) in constants.sparse_first_row.iter().zip(&constants.v).enumerate() {
        state[0] = sbox(round, state[0]);
        // The last partial round has no constant.
        if let Some(constant) = constants.round_constants.get(round) {
            state[0] += *constant;
        }
        cheap_matmul(state, first_row, v);
    }
}

/// The sums of the partial rounds: what each S-box takes, and the state after the last round. They
/// are found by what the rounds do to each unit vector.
fn partial_sums<const W: usize>(constants: &PartialRoundConstants<F, W>) -> (Vec<Sum>, Vec<Sum>) {
    let rounds = constants.v.len();
    let probe = |one: Option<usize>| -> Vec<F> {
        let is_one = |at: usize| F::from_bool(one == Some(at));
        let mut state: [F; W] = std::array::from_fn(is_one);
        let mut found = Vec::with_capacity(rounds + W);
        partial_rounds(constants, &mut state, |round, input| {
            found.push(input);
            is_one(W + round)
        });
        found.extend(state);
        found
    };
    let constants = probe(None);
    let units: Vec<_> = (0..W + rounds).map(|at| probe(Some(at))).collect();
    let mut sums: Vec<_> = constants
        .iter()
        .enumerate()
        .map(|(at, constant)| Sum {
            factors: units.iter().map(|unit| unit[at] - *constant).collect(),
            constant: *constant,
        })
        .collect();
    let outputs = sums.split_off(rounds);
    (sums, outputs)
}

/// The inverse of an invertible matrix, by elimination.
fn inverse<const W: usize>(matrix: &[[F; W]; W]) -> [[F; W]; W] {
    let mut left = *matrix;
    let mut right: [[F; W]; W] =
        std::array::from_fn(|row| std::array::from_fn(|column| F::from_bool(row == column)));
    for pivot in 0..W {
        let row = (pivot..W).find(|row| !left[*row][pivot].is_zero()).expect("it is invertible");
        left.swap(pivot, row);
        right.swap(pivot, row);
        let scale = left[pivot][pivot].inverse();
        left[pivot] = left[pivot].map(|value| value * scale);
        right[pivot] = right[pivot].map(|value| value * scale);
        for row in (0..W).filter(|row| *row != pivot) {
            let factor = left[row][pivot];
            for column in 0..W {
                let (l, r) = (left[pivot][column], right[pivot][column]);
                left[row][column] -= factor * l;
                right[row][column] -= factor * r;
            }
        }
    }
    right
}

/// Multiplies by the circulant matrix with this first column. Only widths 16 and 24 are made.
fn multiply_circulant<A: Algebra<F> + Copy, const W: usize>(state: &mut [A; W], column: &[F; W]) {
    if let (Some(state), Some(column)) =
        (state.as_mut_slice().as_mut_array(), column.as_slice().as_array())
    {
        mds_circulant_karatsuba_16(state, column);
    } else if let (Some(state), Some(column)) =
        (state.as_mut_slice().as_mut_array(), column.as_slice().as_array())
    {
        mds_circulant_karatsuba_24(state, column);
    }
}

#[cfg(test)]
mod tests {
    use leansig::array::FieldArray;
    use leansig::poseidon::{permute_16, permute_24};
    use p3_field::PrimeField32;

    use super::*;

    fn canonical<const N: usize>(values: [F; N]) -> FieldArray<N> {
        FieldArray::from_canonical(values.map(|value| value.as_canonical_u32())).expect("below p")
    }

    #[test]
    fn a_filled_row_ends_in_the_permutation_of_its_input() {
        let mut row = [F::ZERO; COLUMNS_16];
        let input = std::array::from_fn(|at| F::from_usize(at * at + 5));
        let output = POSEIDON_16.fill(&mut row, input);
        assert_eq!(canonical(output), permute_16(canonical(input)));
        assert_eq!(row[OUTPUT_16..], output);

        let mut row = [F::ZERO; COLUMNS_24];
        let input = std::array::from_fn(|at| F::from_usize(at * at + 7));
        let output = POSEIDON_24.fill(&mut row, input);
        assert_eq!(canonical(output), permute_24(canonical(input)));
        assert_eq!(row[OUTPUT_24..], output);
    }

    #[test]
    fn rows_side_by_side_are_filled_as_each_alone() {
        for count in [1, LANES] {
            let input = |lane: usize| std::array::from_fn(|at| F::from_usize(100 * lane + at));
            let inputs: Vec<[F; 24]> = (0..count).map(input).collect();
            let mut rows = vec![F::ZERO; COLUMNS_24 * count];
            let mut cells: Vec<_> = rows.chunks_exact_mut(COLUMNS_24).collect();
            let outputs = POSEIDON_24.fill_rows(&mut cells, &inputs);
            for (lane, (input, output)) in inputs.iter().zip(&outputs).enumerate() {
                let mut row = [F::ZERO; COLUMNS_24];
                assert_eq!(POSEIDON_24.fill(&mut row, *input), *output);
                assert_eq!(rows[COLUMNS_24 * lane..][..COLUMNS_24], row);
            }
        }
    }
}
