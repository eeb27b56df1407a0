//! The duties of own validators, with the clock turned by hand and a prover in virtual time.

#![allow(unreachable_pub, reason = "a test binary exports nothing")]

#[path = "../support/mod.rs"]
mod support;

mod missed;
mod proposer;
mod proposing;
mod records;
