//! Whole networks in one process, each from one seed.

#![allow(unreachable_pub, reason = "a test binary exports nothing")]

mod determinism;
mod library;
mod planted;
mod scenarios;
mod signing;
