//! Hostile bytes, hostile JSON, hostile votes and blocks: refused with a name, and nothing moves.

#![allow(unreachable_pub, reason = "a test binary exports nothing")]

#[path = "../support/mod.rs"]
mod support;

mod blocks;
mod bytes;
mod json;
mod samples;
mod votes;
mod world;
