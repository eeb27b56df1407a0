//! Sync: a node among scripted peers, one file a behaviour.

#![allow(unreachable_pub, reason = "a test binary exports nothing")]

#[path = "../support/mod.rs"]
mod support;

mod backfill;
mod checkpoint;
mod connections;
mod determinism;
mod duties;
mod invariants;
mod ledger;
mod liars;
mod mesh;
mod orphans;
mod partitions;
mod peers;
mod range;
mod serve;
mod stale;
mod votes;
mod world;
