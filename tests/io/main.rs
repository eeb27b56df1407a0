//! A node against its surroundings, within one process: storage, QUIC, HTTP, metrics. A folder for
//! each subject.

#![allow(unreachable_pub, reason = "a test binary exports nothing")]

#[path = "../support/mod.rs"]
mod support;

mod checkpoint;
mod composing;
mod driver;
mod http;
mod metrics;
mod quic;
mod storage;
