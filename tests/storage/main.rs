//! The store: its contract over both backends, pruning, resuming, faults and damage.

#![allow(unreachable_pub, reason = "a test binary exports nothing")]

#[path = "../support/mod.rs"]
mod support;

mod anchoring;
mod child;
mod contract;
mod damage;
mod faults;
mod fixture;
mod full_disk;
mod pruning;
mod resuming;
mod sizes;
