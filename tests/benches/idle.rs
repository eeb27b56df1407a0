//! What an update costs when nothing is due: no interval, no message, no finished task.
//!
//! The node has every plugin that needs no socket and no disk, 64 validators, and a slot's worth of
//! attestations in its pools. With `--features inspector` the inspector measures every system.

#![allow(unreachable_pub, reason = "a test binary exports nothing")]

#[path = "../support/mod.rs"]
mod support;

use std::{sync::Arc, time::Instant};

use bevy_app::{App, PluginGroup};
use quintet::{
    NodeConfig, NodePlugins,
    components::{
        clock::{SlotClock, UnixTime, first_interval},
        containers::{AttestationData, Checkpoint},
        messages::{AttestationReceived, InputId},
        preset::SignaturePreset,
        task::{InlineSpawner, Tasks},
        waker::NodeWaker,
    },
    plugins::{ForkChoicePlugin, InboundLanes, RunnerPlugin},
};
use support::{
    chain::{self, AcceptAll},
    mocked::MockedProofs,
};
use tree_hash::TreeHash;

const VALIDATORS: u64 = 64;

fn main() {
    // `cargo test --benches` only wants to know that it runs.
    let quick = std::env::args().any(|argument| argument == "--test");
    let updates: u32 = if quick { 10 } else { 100_000 };
    let anchor = chain::genesis(VALIDATORS);
    let preset = SignaturePreset::Test;
    let config = NodeConfig {
        is_aggregator: true,
        ..NodeConfig::new(anchor.clone(), preset, Arc::new(MockedProofs))
    };
    let fork_choice = ForkChoicePlugin {
        anchor: anchor.clone(),
        preset,
        proofs: Arc::new(MockedProofs),
        signatures: Some(Arc::new(AcceptAll)),
    };
    let (waker, _) = NodeWaker::new();
    let mut app = App::new();
    app.insert_resource(Tasks::new(InlineSpawner, waker.clone()))
        .insert_resource(waker)
        .add_plugins(NodePlugins::new(config).build().disable::<RunnerPlugin>().set(fork_choice));
    #[cfg(feature = "inspector")]
    app.add_plugins(quintet::plugins::InspectorPlugin);
    app.finish();
    app.cleanup();

    // A few slots, so that what happens once has happened.
    for interval in 1..=first_interval(3) + 1 {
        let now_ms = app.world().resource::<SlotClock>().interval_start_ms(interval);
        app.world_mut().resource_mut::<UnixTime>().now_ms = now_ms;
        app.update();
    }
    let genesis = Checkpoint { root: anchor.block.tree_hash_root(), slot: 0 };
    let data = AttestationData { slot: 3, head: genesis, target: genesis, source: genesis };
    for validator in 0..VALIDATORS {
        let attestation = Arc::new(chain::attested_by(data, validator));
        let received = AttestationReceived::new(InputId(validator), attestation);
        assert!(app.world().resource::<InboundLanes>().attestations.offer(received));
    }
    for _ in 0..100 {
        app.update();
    }

    let (processor, begun) = (processor_ns(), Instant::now());
    for _ in 0..updates {
        app.update();
    }
    let per_update = |ns: i128| ns as f64 / f64::from(updates) / 1000.0;
    println!(
        "an idle update{}, {VALIDATORS} validators, {updates} updates: {:.1} µs of processor, {:.1} \
         µs of wall time",
        if cfg!(feature = "inspector") { " with the inspector" } else { "" },
        per_update(processor_ns() - processor),
        per_update(i128::try_from(begun.elapsed().as_nanos()).expect("short")),
    );
}

/// Processor time of this thread in nanoseconds, from the kernel; 0 where it does not tell.
fn processor_ns() -> i128 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0)
}
