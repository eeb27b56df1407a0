//! The same messages give the same world and the same commands.

use std::sync::Arc;

use quintet_components::{
    containers::Root,
    network::{PeerId, Request},
    sync::SyncCounts,
};
use quintet_systems::digest::world_digest;

use crate::sync::{ledger::Chain, peers::Behaviour, world::SyncWorld};

/// Peers of every kind connect in this order; gossip arrives beside.
fn replay(chain: &Arc<Chain>, fork: &Arc<Chain>) -> (Root, SyncCounts, Vec<(PeerId, Request)>) {
    let mut world = SyncWorld::at_slot(chain, 260);
    for (index, behaviour) in Behaviour::ALL.into_iter().enumerate() {
        let chain = if index % 5 == 4 { fork } else { chain };
        world.connect(&format!("p{index}"), chain, behaviour);
        if index % 3 == 0 {
            world.gossip(&chain.at(240 + index as u64).block);
        }
        world.run_ms(300);
    }
    world.run_slots(30);
    assert_eq!(world.head(), chain.tip(), "{:?}", world.counts());
    let counts = world.counts();
    (world_digest(world.node.world()), counts, world.sent)
}

#[test]
fn the_same_inputs_give_the_same_world_and_the_same_requests() {
    let chain = Arc::new(Chain::voted(260));
    let fork = Arc::new(chain.up_to(100).grow(102..=260, 0));
    let expected = replay(&chain, &fork);
    assert!(expected.2.len() > 60, "{} requests", expected.2.len());
    for _ in 0..3 {
        let again = replay(&chain, &fork);
        assert_eq!(again.0, expected.0);
        assert_eq!(again.1, expected.1);
        assert!(again.2 == expected.2, "the requests differ");
    }
}
