//! The data of a Quintet node.
//!
//! SSZ containers ([`containers`]), components of entities, resources, messages, schedule labels
//! and lanes. The only behaviour here keeps the data consistent. What happens to the data is in
//! `quintet-systems`; `quintet-plugins` connects both.

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
