//! Shared by the examples: keys made for one run, a genesis, and nodes whose clock is set by hand.

use std::{error::Error, sync::Arc};

use bevy_app::{App, Last};
use bevy_ecs::prelude::*;
use leansig::{KeyGenError, KeyGenOptions, scheme::SecretKey};
use quintet::{
    components::{
        clock::{SlotClock, UnixTime},
        containers::{PublicKey, SignedBlock, State, Validator, Validators},
        duties::BlockProduced,
        messages::{BlockReceived, InputId},
        preset::SignaturePreset,
        task::{InlineSpawner, Tasks},
        waker::NodeWaker,
    },
    plugins::{InboundLanes, keys::KeyPair},
    systems::{transition::generate_genesis, verification::scheme_of},
};

/// Keys that are made within milliseconds and sign for 256 slots.
pub(crate) const PRESET: SignaturePreset = SignaturePreset::Test;

/// The keys of so many validators.
pub(crate) fn key_pairs(count: usize) -> Result<Vec<KeyPair>, KeyGenError> {
    let scheme = scheme_of(PRESET);
    let make = || {
        let (slots, options) = (scheme.lifetime(), KeyGenOptions::default());
        SecretKey::generate(scheme, &mut rand::rng(), 0, slots, &options)
    };
    (0..count).map(|_| Ok(KeyPair { attester: make()?, proposer: make()? })).collect()
}

/// A genesis with these validators.
pub(crate) fn genesis(keys: &[KeyPair]) -> Result<State, Box<dyn Error>> {
    let validators = (0..).zip(keys).map(|(index, pair)| Validator {
        attestation_public_key: PublicKey::from(pair.attester.public_key()),
        proposal_public_key: PublicKey::from(pair.proposer.public_key()),
        index,
    });
    let validators = Validators::new(validators.collect()).map_err(|error| format!("{error:?}"))?;
    Ok(generate_genesis(1_700_000_000, validators))
}

/// Blocks that a node has produced and that were not passed on yet.
#[derive(Resource, Default)]
struct Produced(Vec<Arc<SignedBlock>>);

/// Makes a node ready to be driven without its runner; tasks run at once.
pub(crate) fn by_hand(mut app: App) -> App {
    let waker = app.world().resource::<NodeWaker>().clone();
    app.insert_resource(Tasks::new(InlineSpawner, waker));
    // A message is gone after two updates.
    app.add_message::<BlockProduced>().init_resource::<Produced>().add_systems(
        Last,
        |mut blocks: MessageReader<BlockProduced>, mut produced: ResMut<Produced>| {
            produced.0.extend(blocks.read().map(|BlockProduced(block)| Arc::clone(block)));
        },
    );
    app.finish();
    app.cleanup();
    app
}

/// Walks to an interval, counted from genesis. The first update starts tasks, and the next ones
/// collect them.
pub(crate) fn turn_to(app: &mut App, interval: u64) {
    let now_ms = app.world().resource::<SlotClock>().interval_start_ms(interval);
    app.world_mut().resource_mut::<UnixTime>().now_ms = now_ms;
    for _ in 0..3 {
        app.update();
    }
}

/// Offers the blocks that one node has produced to the other.
pub(crate) fn pass_blocks(from: &mut App, to: &App) {
    let blocks = &to.world().resource::<InboundLanes>().blocks;
    for block in from.world_mut().resource_mut::<Produced>().0.drain(..) {
        // The sender chooses the number that identifies the verdict.
        blocks.offer(BlockReceived::new(InputId(block.block.slot), block));
    }
}
