//! A table as the verifier sees it.
//!
//! The library finds the degree of a table's equations in every check anew, by looking at all of them as
//! expressions: most of what a check took. The degree is the same for all claims, so it is said here.
//! It decides into how many parts the quotient is cut and nothing else. The equations that are checked
//! are the table's own.

use std::borrow::Cow;

use p3_air::{Air, AirBuilder, BaseAir, WindowAccess};
use p3_batch_stark::folder::VerifierConstraintFolderWithLookups;
use p3_field::PrimeCharacteristicRing;
use p3_lookup::InteractionSymbolicBuilder;

use super::Table;
use crate::{
    config::Config,
    field::{Extension, F},
};

/// The largest degree of an equation of a table by itself. Those of lookups are found by the library.
const DEGREE: u64 = 3;

/// A table to check a proof against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Checked<'a>(pub(crate) &'a Table);

impl BaseAir<F> for Checked<'_> {
    fn width(&self) -> usize {
        self.0.width()
    }

    /// None for the search of degrees, which takes a longer way where there are any.
    fn num_periodic_columns(&self) -> usize {
        0
    }

    fn periodic_columns(&self) -> Cow<'_, [Vec<F>]> {
        self.0.periodic_columns()
    }

    fn main_next_row_columns(&self) -> Vec<usize> {
        self.0.main_next_row_columns()
    }
}

impl Air<InteractionSymbolicBuilder<F, Extension>> for Checked<'_> {
    fn eval(&self, builder: &mut InteractionSymbolicBuilder<F, Extension>) {
        let cell = builder.main().current_slice()[0];
        let degree = if matches!(self.0, Table::Tweaks(_)) { 1 } else { DEGREE };
        builder.assert_zero(p3_air::SymbolicExpression::from(cell).exp_u64(degree));
    }
}

impl Air<VerifierConstraintFolderWithLookups<'_, Config>> for Checked<'_> {
    fn eval(&self, builder: &mut VerifierConstraintFolderWithLookups<'_, Config>) {
        self.0.eval(builder);
    }
}
