//! What exists in a Quintet node.
//!
//! SSZ containers ([`containers`]), the components of entities, resources, messages, schedule
//! labels and lanes. No behaviour beyond the invariants of the data itself: what happens to it is
//! in `quintet-systems`, how it is wired in `quintet-plugins`.

pub mod aggregation;
pub mod attestations;
pub mod chain;
pub mod checkpoint;
pub mod clock;
pub mod constants;
pub mod containers;
pub mod coverage;
pub mod duties;
pub mod hashing;
pub mod json;
pub mod lane;
pub mod messages;
pub mod metrics;
pub mod network;
pub mod planted;
pub mod preset;
pub mod prover;
pub mod pulse;
pub mod rejection;
pub mod rules;
pub mod schedule;
pub mod snapshot;
pub mod storage;
pub mod sync;
pub mod task;
pub mod tree;
pub mod waker;
pub mod warnings;
