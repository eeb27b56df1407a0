//! The interval walk, the lanes in front of it, and the runner around it.

#![allow(unreachable_pub, reason = "a test binary exports nothing")]

#[path = "../support/mod.rs"]
mod support;

mod lanes;
mod order;
mod runner;
mod walk;
