//! Sync: a node among scripted peers, one file a behaviour.

mod attestations;
mod backfill;
mod checkpoint;
mod connections;
mod determinism;
mod due;
mod duties;
mod faults;
mod gaps;
mod invariants;
mod ledger;
mod liars;
mod mesh;
mod orphans;
mod partitions;
mod peers;
mod range;
mod serve;
mod silence;
mod sources;
mod stale;
mod world;
