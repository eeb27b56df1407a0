//! Sync: a node among scripted peers, one file a behaviour.

#![allow(unreachable_pub, reason = "a test binary exports nothing")]

#[path = "../support/mod.rs"]
mod support;

mod ledger;
mod liars;
mod orphans;
mod peers;
mod range;
mod world;
