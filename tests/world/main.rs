//! The node's world without sockets, disks or processes: the clock is turned by hand, and tasks end
//! when the test says so. A folder for each subject.

#![allow(unreachable_pub, reason = "a test binary exports nothing")]

#[path = "../support/mod.rs"]
mod support;

mod admission;
mod aggregation;
mod bad_input;
mod crowd;
mod determinism;
mod duties;
mod head_rule;
mod intervals;
mod network;
mod properties;
mod sync;
