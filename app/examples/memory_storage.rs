//! A client that keeps its chain in memory instead of on a disk: for a test network, or a node whose
//! state nobody needs tomorrow.
//!
//! The store is behind the same resources as `RocksDB`'s, so that sync and HTTP serve from it, and a
//! second node in the process goes on where the first one ended. The clock is turned by hand.
//!
//! ```console
//! $ cargo run --release --example memory_storage
//! ```

#[allow(dead_code, reason = "every example uses its own part")]
mod by_hand;

use std::{error::Error, sync::Arc};

use bevy_app::{App, PluginGroup};
use by_hand::{PRESET, by_hand, genesis, key_pairs, turn_to};
use quintet::{
    NodeConfig, NodePlugins, app,
    components::{
        chain::{Finalized, Head},
        clock::first_interval,
        containers::Slot,
        duties::Signing,
        storage::ChainIdentity,
    },
    plugins::{
        Anchor, SyncPlugin,
        keys::MemoryKeys,
        storage::{MemoryStoragePlugin, Retention, Store},
    },
    prover,
    systems::{transition::anchor_block, verification::scheme_of},
};

const VALIDATORS: usize = 4;
const SLOTS: Slot = 12;

fn main() -> Result<(), Box<dyn Error>> {
    let Outcome { first, resumed, last } = run(SLOTS)?;
    println!("the first node: head {}, finalized {}", first.0, first.1);
    println!("what the store resumes from: head {}, finalized {}", resumed.0, resumed.1);
    println!("the second node: head {}, finalized {}", last.0, last.1);
    Ok(())
}

/// Heads and finalized slots.
struct Outcome {
    first: (Slot, Slot),
    resumed: (Slot, Slot),
    last: (Slot, Slot),
}

/// Runs a node for half of the slots, and another one on the same store for the rest.
fn run(slots: Slot) -> Result<Outcome, Box<dyn Error>> {
    let keys = key_pairs(VALIDATORS)?;
    let state = Arc::new(genesis(&keys)?);
    let signing = Signing(Arc::new(MemoryKeys::new((0..).zip(keys))));
    let identity = ChainIdentity::of(&state, "12345678", PRESET);
    let store = Arc::new(Store::in_memory(&identity, Retention::default()));
    let anchor = Anchor { block: anchor_block(&state), state };
    store.begin(&anchor.block, &anchor.state)?;

    let mut node = client(&store, anchor, &signing)?;
    let half = slots / 2;
    (1..first_interval(half + 1)).for_each(|interval| turn_to(&mut node, interval));
    let first = points(&node);
    // Pending writes reach the store.
    drop(node);

    let data = store.resume()?.ok_or("the store has a chain")?;
    let resumed = (data.facts.head.slot, data.facts.finalized.slot);
    let mut node = client(&store, Anchor::from(&data), &signing)?;
    (first_interval(half + 1)..first_interval(slots + 1))
        .for_each(|interval| turn_to(&mut node, interval));
    Ok(Outcome { first, resumed, last: points(&node) })
}

/// A node whose storage is this store. Without `store` in its config there is no `RocksDbPlugin`;
/// a group that has one is rid of it with `disable::<RocksDbPlugin>()`.
fn client(store: &Arc<Store>, anchor: Anchor, signing: &Signing) -> Result<App, Box<dyn Error>> {
    let config = NodeConfig {
        is_aggregator: true,
        signing: Some(signing.clone()),
        resumed: store.resume()?,
        ..NodeConfig::new(anchor, PRESET, prover::by_name("multisig", scheme_of(PRESET))?)
    };
    let plugins = NodePlugins::new(config)
        .build()
        // Sync would hold duties back until a peer is heard.
        .disable::<SyncPlugin>()
        .add(MemoryStoragePlugin { store: Arc::clone(store) });
    Ok(by_hand(app(plugins)))
}

fn points(node: &App) -> (Slot, Slot) {
    let world = node.world();
    (world.resource::<Head>().0.slot, world.resource::<Finalized>().0.slot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_node_goes_on_where_the_first_one_ended() {
        let Outcome { first, resumed, last } = run(SLOTS).expect("it runs");
        assert_eq!(first.0, SLOTS / 2);
        assert_eq!(resumed, first);
        assert_eq!(last.0, SLOTS);
        assert!(last.1 + 4 >= SLOTS, "{last:?}");
    }
}
