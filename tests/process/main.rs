//! The binary as its users run it: real processes, their files, their signals and their pages. A
//! folder for each subject.

#![allow(unreachable_pub, reason = "a test binary exports nothing")]

#[path = "../support/mod.rs"]
mod support;
use support::{folder, own_ip};

mod crash;
mod devnet;
mod keys;
mod launchers;
mod network_dir;
mod page;
mod surroundings;
