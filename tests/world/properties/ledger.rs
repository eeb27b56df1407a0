//! The literal model of the transition over the tests' chain.

pub use quintet_plugins::sim::model::{Body, Ledger, Votes, justifiable};

use crate::support::chain;

/// Genesis as [`chain::genesis`] makes it.
pub fn genesis(validator_count: u64) -> Ledger {
    Ledger::genesis(chain::GENESIS_TIME, chain::validators(validator_count))
}
