//! The HTTP servers: what they answer, and what they refuse.

#![allow(unreachable_pub, reason = "a test binary exports nothing")]

#[path = "../support/mod.rs"]
mod support;

mod admin;
mod bad_input;
mod document;
mod events;
mod paths;
