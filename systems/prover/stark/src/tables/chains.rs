//! A row a step of a chain, each a permutation of width 16. A chain's steps follow one another, and
//! chains follow one another.

use leansig::relation::{DIGEST_LEN, PARAMETER_LEN, STEPS, Shape};
use p3_air::{AirBuilder, WindowAccess};
use p3_field::PrimeCharacteristicRing;
use p3_lookup::{Count, InteractionBuilder};

use super::{CHAIN_BUS, CHAIN_MESSAGE, TWEAK, WHOLE_CHAIN, message};
use crate::{
    field::{F, cell, cells},
    poseidon::{COLUMNS_16, OUTPUT_16, POSEIDON_16},
};

/// The position of the key's parameter in the input.
pub(crate) const PARAMETER: usize = DIGEST_LEN;
/// The position of the tweak in the input.
pub(crate) const STEP_TWEAK: usize = PARAMETER + PARAMETER_LEN;
/// The position of the zero in the input.
const ZERO: usize = STEP_TWEAK + 2;

/// The claim's number.
pub(crate) const CLAIM: usize = COLUMNS_16;
/// The signature's number.
pub(crate) const SIGNATURE: usize = CLAIM + 1;
/// The chain's number.
pub(crate) const CHAIN: usize = SIGNATURE + 1;
/// The digit: the steps that the signature's value has behind it.
pub(crate) const DIGIT: usize = CHAIN + 1;
/// 1 if the row is a step of a signature.
pub(crate) const REAL: usize = DIGIT + 1;
/// The step, from 1.
pub(crate) const STEP: usize = REAL + 1;
/// 1 if it is the chain's last row.
pub(crate) const LAST: usize = STEP + 1;
pub(crate) const WIDTH: usize = LAST + 1;

/// Steps of a signature's chains together.
pub(crate) const fn steps(shape: &Shape) -> usize {
    STEPS as usize * shape.dimension - shape.target_sum
}

/// The table; it has nothing public.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chains;

impl Chains {
    pub(crate) fn eval<B: InteractionBuilder<F = F>>(self, builder: &mut B) {
        let main = builder.main();
        let (row, next) = (main.current_slice(), main.next_slice());

        POSEIDON_16.eval(builder, row);
        builder.assert_zero(row[ZERO]);
        builder.assert_bool(row[REAL]);
        builder.assert_bool(row[LAST]);
        link(builder, row, next);
        look_up(builder, row);
    }
}

/// A chain begins after its digit, counts up to [`STEPS`] and changes nothing but its value and tweak.
fn link<B: InteractionBuilder<F = F>>(builder: &mut B, row: &[B::Var], next: &[B::Var]) {
    let last = cell::<B>(row, LAST);
    builder.when_first_row().assert_eq(row[STEP], cell::<B>(row, DIGIT) + F::ONE);
    builder.when_last_row().assert_one(row[LAST]);
    builder.assert_zero(last.clone() * (cell::<B>(row, STEP) - F::from_u8(STEPS)));

    let mut within = builder.when_transition();
    let on = B::Expr::ONE - last.clone();
    for element in 0..DIGEST_LEN {
        let difference = cell::<B>(next, element) - end::<B>(row, element);
        within.assert_zero(on.clone() * difference);
    }
    for column in (PARAMETER..STEP_TWEAK).chain(CLAIM..STEP) {
        within.assert_zero(on.clone() * (cell::<B>(next, column) - row[column]));
    }
    within.assert_zero(on * (cell::<B>(next, STEP) - row[STEP] - F::ONE));
    within.assert_zero(last * (cell::<B>(next, STEP) - next[DIGIT] - F::ONE));
}

/// A chain's last row answers a signature; each row asks for its tweak.
fn look_up<B: InteractionBuilder<F = F>>(builder: &mut B, row: &[B::Var]) {
    let real = cell::<B>(row, REAL);
    let head = [
        F::from_u32(WHOLE_CHAIN).into(),
        cell::<B>(row, CLAIM),
        cell::<B>(row, SIGNATURE),
        cell::<B>(row, CHAIN),
        cell::<B>(row, DIGIT),
    ];
    let parts = cells::<B>(row, PARAMETER, PARAMETER_LEN)
        .chain((0..DIGEST_LEN).map(|element| end::<B>(row, element)));
    let fields = message(CHAIN_MESSAGE, head.into_iter().chain(parts));
    let count = -(real.clone() * cell::<B>(row, LAST));
    builder.push_interaction(CHAIN_BUS, fields, Count::bounded(count, 1));

    let tweak = [
        F::from_u32(TWEAK).into(),
        cell::<B>(row, CLAIM),
        cell::<B>(row, CHAIN),
        cell::<B>(row, STEP),
        cell::<B>(row, STEP_TWEAK),
        cell::<B>(row, STEP_TWEAK + 1),
    ];
    builder.push_interaction(CHAIN_BUS, message(CHAIN_MESSAGE, tweak), Count::bounded(real, 1));
}

/// The value after the step: the sum of output and input.
fn end<B: InteractionBuilder<F = F>>(row: &[B::Var], element: usize) -> B::Expr {
    cell::<B>(row, OUTPUT_16 + element) + row[element]
}
