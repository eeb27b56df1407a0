//! An observer: a node without keys, without aggregation and without a prover's work, which says
//! what is finalized.
//!
//! Its blocks come from a validator in the same process, whose clock is turned by hand with its
//! own; an observer of a real network sets `NodeConfig::network`, keeps `SyncPlugin` and calls
//! `App::run`.
//!
//! ```console
//! $ cargo run --release --example observer
//! ```

mod by_hand;

use std::{
    error::Error,
    sync::{Arc, mpsc},
};

use bevy_app::{App, Plugin, PluginGroup, PluginGroupBuilder, PostUpdate};
use bevy_ecs::prelude::*;
use by_hand::{PRESET, by_hand, genesis, key_pairs, pass_blocks, turn_to};
use quintet::{
    NodeConfig, NodePlugins, app,
    components::{
        chain::IsAggregator,
        clock::first_interval,
        containers::{Checkpoint, Slot, State},
        duties::Signing,
        messages::FinalizedAdvanced,
        schedule::NodeSystems,
    },
    plugins::{
        AggregationPlugin, Anchor, DutiesPlugin, ReaggregationPlugin, SyncPlugin, keys::MemoryKeys,
    },
    prover,
    systems::{transition::anchor_block, verification::scheme_of},
};

const VALIDATORS: usize = 4;
const SLOTS: Slot = 12;

/// Sends every finalized checkpoint to a channel.
///
/// | inserts | reads | writes |
/// | --- | --- | --- |
/// | | [`FinalizedAdvanced`] | the channel |
struct FinalityPlugin {
    told: mpsc::Sender<Checkpoint>,
}

#[derive(Resource)]
struct Told(mpsc::Sender<Checkpoint>);

impl Plugin for FinalityPlugin {
    fn build(&self, app: &mut App) {
        app.insert_resource(Told(self.told.clone()))
            .add_systems(PostUpdate, tell_finality.in_set(NodeSystems::Flush));
    }
}

fn tell_finality(mut advanced: MessageReader<FinalizedAdvanced>, told: Res<Told>) {
    for FinalizedAdvanced(checkpoint) in advanced.read() {
        // The receiver is gone when the program ends.
        let _ = told.0.send(*checkpoint);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    for Checkpoint { root, slot } in run(SLOTS)? {
        println!("finalized slot {slot}: {root}");
    }
    Ok(())
}

/// Runs this many slots. Returns the checkpoints that the observer finalized.
fn run(slots: Slot) -> Result<Vec<Checkpoint>, Box<dyn Error>> {
    let keys = key_pairs(VALIDATORS)?;
    let state = Arc::new(genesis(&keys)?);
    let signing = Signing(Arc::new(MemoryKeys::new((0..).zip(keys))));
    let mut validator = by_hand(app(plugins(&state)?.add(DutiesPlugin { signing })));
    validator.insert_resource(IsAggregator(true));

    let (told, finalized) = mpsc::channel();
    let observer = plugins(&state)?
        .disable::<AggregationPlugin>()
        .disable::<ReaggregationPlugin>()
        .add(FinalityPlugin { told });
    let mut observer = by_hand(app(observer));

    for interval in 1..first_interval(slots + 1) {
        turn_to(&mut validator, interval);
        pass_blocks(&mut validator, &observer);
        turn_to(&mut observer, interval);
    }
    Ok(finalized.try_iter().collect())
}

/// A node's plugins. Without sync duties are not held back until peers have been heard.
fn plugins(state: &Arc<State>) -> Result<PluginGroupBuilder, Box<dyn Error>> {
    let proofs = prover::by_name("multisig", scheme_of(PRESET))?;
    let anchor = Anchor { block: anchor_block(state), state: Arc::clone(state) };
    let config = NodeConfig::new(anchor, PRESET, proofs);
    Ok(NodePlugins::new(config).build().disable::<SyncPlugin>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_of_every_finalized_checkpoint_once() {
        let told: Vec<Slot> = run(SLOTS).expect("it runs").iter().map(|each| each.slot).collect();
        assert!(told.is_sorted_by(|one, next| one < next), "{told:?}");
        assert!(told.last().is_some_and(|last| last + 4 >= SLOTS), "{told:?}");
    }
}
