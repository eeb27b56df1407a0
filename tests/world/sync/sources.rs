//! Blocks without a parent, by who sends them: each source has its share, and the honest ones are
//! served first.

use std::sync::Arc;

use quintet_components::{
    containers::{Block, Root, SignedBlock},
    messages::{IgnoreReason, InputId, Source, Verdict},
    network::Request,
    sync::{Orphans, limits},
};

use crate::{
    support::chain::signed,
    sync::{ledger::Chain, peers::Behaviour, world::SyncWorld},
};

/// A node at slot 12 that has the chain up to slot 9.
fn three_behind(chain: &Chain) -> SyncWorld {
    let mut world = SyncWorld::at_slot(chain, 12);
    for link in &chain.links[..9] {
        world.gossip(&link.block);
    }
    world.settle();
    world
}

/// A block on a parent that somebody made up.
fn invented(slot: u64, number: u64) -> Arc<SignedBlock> {
    // Low roots, which come first in order.
    let mut parent_root = Root::ZERO;
    parent_root.0[24..].copy_from_slice(&number.to_be_bytes());
    Arc::new(signed(Block { slot, proposer_index: slot % 4, parent_root, ..Block::default() }))
}

fn held_of(world: &mut SyncWorld, name: &str) -> usize {
    let source = Source::Peer(name.into());
    let orphans = world.node.world().resource::<Orphans>();
    let found = orphans.shares().find(|(each, _)| **each == source);
    found.map_or(0, |(_, share)| share.blocks)
}

/// A peer that answers for its status with a head that everybody knows.
fn connect_keyless(world: &mut SyncWorld, name: &str, chain: &Arc<Chain>, behaviour: Behaviour) {
    let status = Chain::up_to(chain, 9).status();
    world.connect_with(name, chain, behaviour, status);
}

#[test]
fn a_flood_from_one_peer_pushes_out_nobody_elses_block() {
    let chain = Arc::new(Chain::voted(12));
    let mut world = three_behind(&chain);
    // Far from the head, and still nobody's to push out.
    let honest = world.gossip_from("honest", &invented(12, 1_000_000));
    let mut ids: Vec<InputId> = Vec::new();
    for number in 1..=600 {
        ids.push(world.gossip_from("keyless", &invented(10, number)));
        if number % 16 == 0 {
            world.update();
        }
    }
    world.update();
    assert_eq!(held_of(&mut world, "keyless"), limits::MAX_ORPHANS_PER_SOURCE);
    assert_eq!(held_of(&mut world, "honest"), 1);
    assert_eq!(world.node.verdict_now(honest), None);
    let full = Some(Verdict::Ignored(IgnoreReason::SenderFull));
    let refused = ids.iter().filter(|id| world.node.verdict_now(**id) == full).count();
    assert_eq!(refused, 600 - limits::MAX_ORPHANS_PER_SOURCE);
}

#[test]
fn who_sent_a_block_is_asked_for_its_parent_first() {
    let chain = Arc::new(Chain::voted(12));
    let mut world = three_behind(&chain);
    let known = chain.up_to(9).status();
    for name in ["a", "b", "c", "z"] {
        world.connect_with(name, &chain, Behaviour::Honest, known);
    }
    world.gossip_from("z", &chain.at(11).block);
    world.run_ms(100);
    let asked: Vec<&str> = world
        .sent
        .iter()
        .filter(|(_, request)| matches!(request, Request::BlocksByRoot(_)))
        .map(|(peer, _)| &*peer.0)
        .collect();
    assert_eq!(asked, ["z"]);
    assert_eq!(world.head().slot, 11);
}

#[test]
fn requests_for_honest_roots_are_not_starved_by_invented_ones() {
    let chain = Arc::new(Chain::voted(12));
    for behaviour in [Behaviour::Silent, Behaviour::Honest, Behaviour::Late(9_000)] {
        let mut world = three_behind(&chain);
        for name in ["a", "b", "c"] {
            connect_keyless(&mut world, name, &chain, behaviour);
        }
        let honest = chain.up_to(9).status();
        world.connect_with("honest", &chain, Behaviour::Honest, honest);
        for (number, name) in (0..180).zip(["a", "b", "c"].into_iter().cycle()) {
            world.gossip_from(name, &invented(10, 1 + number));
            if number % 16 == 15 {
                world.update();
            }
        }
        world.run_ms(500);
        world.gossip_from("honest", &chain.at(12).block);
        world.run_ms(500);
        assert_eq!(world.head(), chain.tip(), "{behaviour:?}: {:?}", world.counts());
        assert_eq!(world.points_of("honest"), 0.0, "{behaviour:?}");
    }
}

#[test]
fn blocks_that_nobody_can_found_cost_who_sent_them() {
    let chain = Arc::new(Chain::voted(9));
    let mut world = three_behind(&chain);
    for name in ["keyless", "b", "c"] {
        world.connect(name, &chain, Behaviour::Honest);
    }
    // Two on one root are one fault.
    let first = invented(10, 7);
    let second = Block { state_root: Root::repeat_byte(1), ..first.block.clone() };
    let ids = [first, Arc::new(signed(second))].map(|block| world.gossip_from("keyless", &block));
    assert!(world.run_until(60, |world| world.counts().roots_given_up == 1));
    world.settle();
    for id in ids {
        let verdict = world.node.verdict(id);
        assert_eq!(verdict, Verdict::Ignored(IgnoreReason::ParentUnavailable));
    }
    assert_eq!(world.points_of("keyless"), 20.0);
    assert_eq!((world.points_of("b"), world.points_of("c")), (0.0, 0.0));
    // Whoever goes on like that is shut out.
    for number in 0..16 {
        world.gossip_from("keyless", &invented(10, 100 + number));
    }
    assert!(world.run_until(120, |world| !world.is_connected("keyless")), "{:?}", world.counts());
}

#[test]
fn a_block_whose_parent_was_there_and_could_not_be_imported_costs_nobody() {
    use quintet_components::storage::StorageHealth;
    let chain = Arc::new(Chain::voted(12));
    let mut world = three_behind(&chain);
    let health = StorageHealth::default();
    world.node.world().insert_resource(health.clone());
    let known = chain.up_to(9).status();
    world.connect_with("a", &chain, Behaviour::Honest, known);
    world.gossip_from("a", &chain.at(11).block);
    world.update();
    health.set_behind(true);
    assert!(world.run_until(80, |world| world.counts().roots_given_up == 1));
    world.settle();
    assert_eq!(world.points_of("a"), 0.0);
}
