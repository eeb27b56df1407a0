//! A node under load from its network, over QUIC on loopback: floods and attacks, range sync from two
//! peers, and how long a block waits for its verdict.
//!
//! `NETWORK_SECONDS` and `NETWORK_BLOCKS` set another length than 30 seconds and 10,000 blocks;
//! `NETWORK_ONLY` runs one part: `flood`, `attacks`, `verdicts` or `range`.

#![allow(unreachable_pub, reason = "a test binary exports nothing")]

mod attacker;
mod attacks;
mod flood;
mod range;
#[path = "../../io/quic/raw.rs"]
mod raw;
mod running;
#[path = "../../support/mod.rs"]
mod support;
mod verdicts;

use std::{env, sync::Arc};

use support::{mocked::MockedProofs, networked::Blockchain};

fn main() {
    if let Ok(address) = env::var("QUINTET_ATTACK") {
        return attacker::run(&address);
    }
    // `cargo test --benches` only wants to know that it runs.
    let quick = env::args().any(|argument| argument == "--test");
    let number = |name: &str| env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seconds = number("NETWORK_SECONDS").unwrap_or(if quick { 1 } else { 30 });
    let blocks = number("NETWORK_BLOCKS").unwrap_or(if quick { 200 } else { 10_000 });
    let only = env::var("NETWORK_ONLY").ok();
    let runs = |part: &str| only.as_deref().is_none_or(|only| only == part);
    // First what measures memory, while nothing has been freed yet.
    if runs("flood") {
        flood::run("valid", seconds);
        flood::run("invalid", seconds.min(10));
    }
    if runs("attacks") {
        attacks::run_all(seconds.min(20));
    }
    if runs("verdicts") {
        verdicts::run(if quick { 5 } else { 100 });
    }
    if runs("range") {
        let chain = Blockchain::grow(16, blocks, 10);
        range::run("placeholder", &Arc::new(chain), &(Arc::new(MockedProofs) as _));
        let (chain, proofs) = range::signed_chain(if quick { 20 } else { blocks.min(1_000) });
        range::run("multisig", &Arc::new(chain), &proofs);
    }
}
