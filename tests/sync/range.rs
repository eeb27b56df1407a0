//! Range sync from honest and other peers.

use std::sync::Arc;

use quintet_components::{
    containers::{Checkpoint, Root, Status},
    sync::SyncState,
};

use crate::{
    ledger::{Chain, VALIDATORS},
    peers::Behaviour,
    world::SyncWorld,
};

fn chain(slots: u64) -> Arc<Chain> {
    Arc::new(Chain::voted(slots))
}

#[test]
fn a_late_joiner_follows_one_honest_peer() {
    let chain = chain(300);
    let mut world = SyncWorld::at_slot(&chain, 300);
    world.connect("a", &chain, Behaviour::Honest);
    assert!(world.run_until(10, |world| world.head() == chain.tip()), "{:?}", world.counts());
    assert_eq!(world.finalized(), chain.status().finalized);
    world.run_slots(1);
    assert_eq!(world.state(), SyncState::Synced);
    assert_eq!(world.points_of("a"), 0.0);
    let counts = world.counts();
    assert_eq!((counts.rounds, counts.retreats, counts.faults), (1, 0, 0));
    assert_eq!(counts.blocks_received, 300, "no block was asked for twice");
}
