//! A client with a custom metric: a system at interval 4 counts the slots that end without a
//! block, and the node's scrape has the count.
//!
//! One of four validators has no keys here, so that every fourth slot is empty. The clock is turned
//! by hand.
//!
//! ```console
//! $ cargo run --release --example empty_slots
//! ```

#[allow(dead_code, reason = "every example uses its own part")]
mod by_hand;

use std::{error::Error, sync::Arc};

use bevy_app::{App, Plugin, PluginGroup};
use bevy_ecs::prelude::*;
use by_hand::{PRESET, by_hand, genesis, key_pairs, turn_to};
use quintet::{
    NodeConfig, NodePlugins, app,
    components::{
        chain::Head,
        clock::{CurrentInterval, first_interval},
        containers::Slot,
        duties::Signing,
        metrics::{MetricsRegistry, client::metrics::counter::Counter},
        schedule::{Interval, IntervalSystems, OnInterval},
    },
    plugins::{Anchor, SyncPlugin, keys::MemoryKeys},
    prover,
    systems::{transition::anchor_block, verification::scheme_of},
};

const VALIDATORS: usize = 4;
const SLOTS: Slot = 12;

/// Counts slots without a block. Added after `MetricsPlugin`.
///
/// | inserts | reads | writes |
/// | --- | --- | --- |
/// | [`EmptySlots`] | [`Head`], [`CurrentInterval`] | the metric `my_empty_slots_total` |
struct EmptySlotsPlugin;

/// The metric.
#[derive(Resource, Clone, Default)]
struct EmptySlots(Counter);

impl Plugin for EmptySlotsPlugin {
    fn build(&self, app: &mut App) {
        let metric = EmptySlots::default();
        app.world().resource::<MetricsRegistry>().register(
            "my_empty_slots",
            "Slots that ended without a block",
            metric.0.clone(),
        );
        app.insert_resource(metric).add_systems(
            OnInterval(Interval::Accept),
            // It only reads, at the end of the slot.
            count_empty_slots.after(IntervalSystems::Duties).ambiguous_with_all(),
        );
    }
}

fn count_empty_slots(now: Res<CurrentInterval>, head: Res<Head>, metric: Res<EmptySlots>) {
    if head.0.slot < now.slot() {
        metric.0.inc();
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let scrape = run(SLOTS)?;
    scrape
        .lines()
        .filter(|line| line.contains("my_empty_slots"))
        .for_each(|line| println!("{line}"));
    Ok(())
}

/// Runs this many slots. Returns a scrape of the metrics.
fn run(slots: Slot) -> Result<String, Box<dyn Error>> {
    let keys = key_pairs(VALIDATORS)?;
    let state = Arc::new(genesis(&keys)?);
    let own = (0..).zip(keys).take(VALIDATORS - 1);
    let anchor = Anchor { block: anchor_block(&state), state };
    let config = NodeConfig {
        is_aggregator: true,
        signing: Some(Signing(Arc::new(MemoryKeys::new(own)))),
        ..NodeConfig::new(anchor, PRESET, prover::by_name("multisig", scheme_of(PRESET))?)
    };
    // Sync would hold duties back until a peer is heard.
    let plugins = NodePlugins::new(config).build().disable::<SyncPlugin>().add(EmptySlotsPlugin);
    let mut node = by_hand(app(plugins));
    (1..first_interval(slots + 1)).for_each(|interval| turn_to(&mut node, interval));
    Ok(node.world().resource::<MetricsRegistry>().encode(None).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fourth_slot_is_counted() {
        let scrape = run(SLOTS).expect("it runs");
        assert!(scrape.lines().any(|line| line == "my_empty_slots_total 3"), "{scrape}");
    }
}
