//! A mesh that has gone silent while the peers' chain goes on.

use std::sync::Arc;

use quintet_components::{
    constants::SLOT_DURATION_MS,
    containers::{Checkpoint, Root, Status},
};

use crate::sync::{ledger::Chain, peers::Behaviour, world::SyncWorld};

/// A node at slot 4 with its chain, and a peer with the same.
fn pair(chain: &Arc<Chain>) -> SyncWorld {
    let mut world = SyncWorld::at_slot(chain, 4);
    world.connect("a", &Arc::new(chain.up_to(4)), Behaviour::Honest);
    assert!(world.run_until(1, |world| world.head().slot == 4));
    world
}

/// The peer's chain goes on for a slot.
fn go_on(world: &mut SyncWorld, chain: &Arc<Chain>, slot: u64) {
    for peer in world.peers.values_mut() {
        (peer.chain, peer.status) = (Arc::clone(chain), chain.up_to(slot).status());
    }
}

#[test]
fn peers_whose_gossip_has_gone_silent_are_called_anew_ever_more_seldom() {
    let chain = Arc::new(Chain::voted(120));
    let mut world = pair(&chain);
    for slot in 5..=120 {
        go_on(&mut world, &chain, slot);
        world.run_slots(1);
    }
    let began_ms = world.slot_start_ms(5);
    let slots: Vec<u64> =
        world.called_anew.iter().map(|(at_ms, _)| (at_ms - began_ms) / SLOT_DURATION_MS).collect();
    assert!((4..=14).contains(&slots[0]), "{slots:?}");
    let pauses: Vec<u64> = slots.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses[0] >= 8 && pauses[1] >= 16 && pauses[2] >= 32, "{pauses:?}");
    assert!(world.called_anew.len() <= 5, "{slots:?}");
    assert_eq!(world.points_of("a"), 0.0, "it is no fault");
    assert!(world.head().slot + 8 >= 120, "meanwhile the blocks are fetched: {:?}", world.head());
}

#[test]
fn a_block_by_gossip_begins_the_count_anew() {
    let chain = Arc::new(Chain::voted(80));
    let mut world = pair(&chain);
    for slot in 5..=30 {
        go_on(&mut world, &chain, slot);
        world.run_slots(1);
    }
    let silent = world.called_anew.len();
    assert!(silent >= 1);
    // The new connection helped.
    for slot in 31..=80 {
        go_on(&mut world, &chain, slot);
        world.run_ms(200);
        world.gossip_from("a", &chain.at(slot).block);
        world.run_ms(SLOT_DURATION_MS - 200);
    }
    assert_eq!(world.called_anew.len(), silent);
    assert_eq!(world.head(), chain.tip());
}

#[test]
fn a_network_that_stands_still_is_not_silent() {
    let chain = Arc::new(Chain::voted(4));
    let mut world = pair(&chain);
    world.run_slots(60);
    assert_eq!(world.called_anew, []);
}

#[test]
fn a_late_joiner_is_not_taken_for_one_whose_mesh_is_silent() {
    let chain = Arc::new(Chain::voted(200));
    let mut world = SyncWorld::at_slot(&chain, 200);
    world.connect("a", &chain, Behaviour::Slow(100));
    world.run_slots(40);
    assert_eq!(world.called_anew, []);
}

#[test]
fn a_liar_whose_chain_goes_on_in_words_only_is_called_anew_alone() {
    let chain = Arc::new(Chain::voted(60));
    let mut world = pair(&chain);
    world.connect_with("liar", &chain, Behaviour::Empty, chain.up_to(4).status());
    for slot in 5..=60 {
        let head = Checkpoint { root: Root::repeat_byte(0xee), slot };
        for (name, peer) in &mut world.peers {
            peer.status = if *name.0 == *"liar" {
                Status { head, ..chain.up_to(4).status() }
            } else {
                chain.up_to(4).status()
            };
        }
        world.run_slots(1);
    }
    assert!(world.called_anew.iter().all(|(_, peer)| *peer.0 == *"liar"));
}
