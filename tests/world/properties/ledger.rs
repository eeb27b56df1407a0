//! The literal model of the transition, for the chain of the tests.

pub use quintet_plugins::sim::model::{Body, Ledger, Votes, justifiable};

use crate::support::chain;

/// The model's genesis, equal to [`chain::genesis`].
pub fn genesis(validator_count: u64) -> Ledger {
    Ledger::genesis(chain::GENESIS_TIME, chain::validators(validator_count))
}
