//! A row for each claim, chain and step: the tweak. Chains look theirs up here, so no equation has
//! to know how a tweak carries from one limb to the other.

use leansig::relation::{STEPS, Shape, chain_tweak};
use p3_air::WindowAccess;
use p3_field::PrimeCharacteristicRing;
use p3_lookup::{Count, InteractionBuilder};

use super::{CHAIN_BUS, CHAIN_MESSAGE, TWEAK, message, public_column};
use crate::{
    claims::Claims,
    field::{F, cell, cells},
};

/// Claim, chain, step and the tweak's two limbs; each is public and has a committed copy.
pub(crate) const COPIES: usize = 5;
/// The number of lookups of the row.
pub(crate) const TIMES: usize = COPIES;
pub(crate) const WIDTH: usize = TIMES + 1;

/// Rows of a claim.
pub(crate) const fn rows_per_claim(shape: &Shape) -> usize {
    STEPS as usize * shape.dimension
}

/// The row of a claim's chain and step, which counts from 1.
pub(crate) const fn row_of(shape: &Shape, claim: usize, chain: usize, step: usize) -> usize {
    claim * rows_per_claim(shape) + chain * STEPS as usize + step - 1
}

/// The table for given claims.
#[derive(Clone, Debug)]
pub(crate) struct Tweaks {
    pub(crate) public: Vec<Vec<F>>,
}

impl Tweaks {
    pub(crate) fn new(claims: &Claims, height: usize) -> Self {
        let mut rows = Vec::with_capacity(height);
        for (number, claim) in claims.statements.iter().enumerate() {
            for chain in (0..).take(claims.shape.dimension) {
                for step in 1..=STEPS {
                    let [low, high] = chain_tweak(claim.slot, chain, step);
                    let chain = F::from_u8(chain);
                    rows.push([F::from_usize(number), chain, F::from_u8(step), low, high]);
                }
            }
        }
        // What is left of the table repeats its first row.
        rows.resize(height, rows[0]);
        let column = |at: usize| public_column(rows.iter().map(|row| row[at]).collect());
        Self { public: (0..COPIES).map(column).collect() }
    }

    pub(crate) fn eval<B: InteractionBuilder<F = F>>(&self, builder: &mut B) {
        let main = builder.main();
        let row = main.current_slice();
        let public: Vec<B::Expr> =
            builder.periodic_values().iter().map(|value| (*value).into()).collect();
        for (column, value) in public.into_iter().enumerate() {
            builder.assert_eq(row[column], value);
        }
        let parts = [F::from_u32(TWEAK).into()].into_iter().chain(cells::<B>(row, 0, COPIES));
        let times = Count::provided(-cell::<B>(row, TIMES));
        builder.push_interaction(CHAIN_BUS, message(CHAIN_MESSAGE, parts), times);
    }
}
