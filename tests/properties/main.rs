//! The node against slow, literal models of what it must do: the state transition, the store of
//! fork choice, and the block tree, on random histories.

#![allow(unreachable_pub, reason = "a test binary exports nothing")]

#[path = "../support/mod.rs"]
mod support;

mod fork_choice;
mod ledger;
mod steps;
mod store;
mod store_votes;
mod transition;
mod tree;
