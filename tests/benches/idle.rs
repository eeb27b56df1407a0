//! The cost of an update, and of the inspector.
//!
//! An idle update has nothing to do: no interval, no message, no finished task. The node has every
//! plugin that needs no socket and no disk, 64 validators, and a slot's worth of attestations in its
//! pools. With `--features inspector` a second node is inspected, and both run in turns: idle
//! updates, and whole slots in which the 64 attestations arrive one by one.

#![allow(unreachable_pub, reason = "a test binary exports nothing")]

#[path = "../support/mod.rs"]
mod support;

use std::{sync::Arc, time::Instant};

use bevy_app::{App, PluginGroup};
use quintet::{
    NodeConfig, NodePlugins,
    components::{
        clock::{CurrentInterval, SlotClock, UnixTime, first_interval},
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
/// Turns of the two nodes.
#[cfg(feature = "inspector")]
const TURNS: usize = 40;

fn main() {
    // `cargo test --benches` only wants to know that it runs.
    let quick = std::env::args().any(|argument| argument == "--test");
    let updates: u32 = if quick { 10 } else { 100_000 };
    let mut node = Node::new(false);
    let (processor, begun) = (processor_ns(), Instant::now());
    node.idle(updates);
    let per_update = |ns: u64| ns as f64 / f64::from(updates) / 1000.0;
    println!(
        "an idle update, {VALIDATORS} validators, {updates} updates: {:.1} µs of processor, {:.1} µs \
         of wall time",
        per_update(processor_ns() - processor),
        per_update(u64::try_from(begun.elapsed().as_nanos()).expect("short")),
    );
    #[cfg(feature = "inspector")]
    compare(&mut node, if quick { 10 } else { 2_000 });
}

/// Lets an inspected node and one that is not inspected run in turns, and prints how much longer the
/// inspected one takes.
#[cfg(feature = "inspector")]
fn compare(plain: &mut Node, updates: u32) {
    let mut inspected = Node::new(true);
    let slots = u64::from(updates / 100).max(1);
    for (name, run) in [
        ("idle updates", &(|node: &mut Node| node.idle(updates)) as &dyn Fn(&mut Node)),
        ("slots", &|node| node.slots(slots)),
    ] {
        let mut ratios: Vec<f64> = (0..TURNS)
            .map(|_| {
                let [plain, inspected] = [&mut *plain, &mut inspected].map(|node| {
                    let begun = processor_ns();
                    run(node);
                    (processor_ns() - begun) as f64
                });
                inspected / plain
            })
            .collect();
        ratios.sort_unstable_by(f64::total_cmp);
        let percent = |at: usize| (ratios[at] - 1.0) * 100.0;
        println!(
            "{name}: an inspected node takes {:.1} % more processor (median of {TURNS} turns; \
             quartiles {:.1} % and {:.1} %)",
            percent(TURNS / 2),
            percent(TURNS / 4),
            percent(TURNS * 3 / 4)
        );
    }
}

/// A node whose clock is set by hand.
struct Node {
    app: App,
    genesis: Checkpoint,
    inputs: u64,
}

impl Node {
    /// A node in slot 3, whose attestations have arrived.
    fn new(inspected: bool) -> Self {
        let anchor = chain::genesis(VALIDATORS);
        let preset = SignaturePreset::Test;
        let config = NodeConfig {
            is_aggregator: true,
            ..NodeConfig::new(anchor.clone(), preset, Arc::new(MockedProofs))
        };
        let genesis = Checkpoint { root: anchor.block.tree_hash_root(), slot: 0 };
        let fork_choice = ForkChoicePlugin {
            anchor,
            preset,
            proofs: Arc::new(MockedProofs),
            signatures: Some(Arc::new(AcceptAll)),
        };
        let (waker, _) = NodeWaker::new();
        let mut app = App::new();
        app.insert_resource(Tasks::new(InlineSpawner, waker.clone()))
            .insert_resource(waker)
            .add_plugins(
                NodePlugins::new(config).build().disable::<RunnerPlugin>().set(fork_choice),
            );
        #[cfg(feature = "inspector")]
        if inspected {
            app.add_plugins(quintet::plugins::InspectorPlugin);
        }
        #[cfg(not(feature = "inspector"))]
        assert!(!inspected, "a build without the inspector");
        app.finish();
        app.cleanup();
        let mut node = Self { app, genesis, inputs: 0 };
        node.slots(3);
        node.idle(100);
        node
    }

    fn idle(&mut self, updates: u32) {
        for _ in 0..updates {
            self.app.update();
        }
    }

    /// Walks these many slots, in each of which every validator's attestation arrives.
    fn slots(&mut self, count: u64) {
        for _ in 0..count {
            let slot = self.app.world().resource::<CurrentInterval>().slot() + 1;
            for interval in first_interval(slot)..first_interval(slot + 1) {
                let now_ms = self.app.world().resource::<SlotClock>().interval_start_ms(interval);
                self.app.world_mut().resource_mut::<UnixTime>().now_ms = now_ms;
                self.app.update();
                if interval == first_interval(slot) + 1 {
                    self.attest(slot);
                }
            }
        }
    }

    fn attest(&mut self, slot: u64) {
        let genesis = self.genesis;
        let data = AttestationData { slot, head: genesis, target: genesis, source: genesis };
        for validator in 0..VALIDATORS {
            self.inputs += 1;
            let attestation = Arc::new(chain::attested_by(data, validator));
            let received = AttestationReceived::new(InputId(self.inputs), attestation);
            assert!(self.app.world().resource::<InboundLanes>().attestations.offer(received));
            self.app.update();
        }
    }
}

/// Processor time of this thread in nanoseconds, from the kernel; 0 where it does not tell.
fn processor_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0)
}
