//! The node against slow, literal models of what it must do: the state transition, the store of
//! fork choice, the block tree, and what a block carries, on random histories.

mod fork_choice;
mod ledger;
mod network;
mod plans;
mod selection;
mod steps;
mod store;
mod store_aggregation;
mod store_votes;
mod transition;
mod tree;

/// Failures are printed with the input that they shrink to; none are kept in files.
fn config(cases: u32) -> proptest::prelude::ProptestConfig {
    proptest::prelude::ProptestConfig {
        cases,
        failure_persistence: None,
        // A failure is told before the test's limit ends it.
        max_shrink_time: 120_000,
        ..proptest::prelude::ProptestConfig::default()
    }
}
