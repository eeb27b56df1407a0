//! Peers that lie, stall, break off or know another chain, beside honest ones.

use std::sync::Arc;

use quintet_components::{
    containers::{Checkpoint, Root, Status},
    network::DisconnectReason,
    sync::SyncState,
};

use crate::sync::{
    ledger::{Chain, VALIDATORS},
    peers::{Behaviour, unproven},
    world::SyncWorld,
};

fn is_harmless(behaviour: Behaviour) -> bool {
    matches!(behaviour, Behaviour::Honest | Behaviour::Late(_) | Behaviour::Slow(_))
}

/// Whoever comes first by name is preferred on a tie, so both orders are tried.
#[test]
fn beside_one_honest_peer_no_behaviour_keeps_the_node_from_its_chain() {
    let chain = Arc::new(Chain::voted(400));
    for behaviour in Behaviour::ALL {
        for (other, honest) in [("a", "b"), ("b", "a")] {
            let mut world = SyncWorld::at_slot(&chain, 400);
            world.connect(other, &chain, behaviour);
            world.connect(honest, &chain, Behaviour::Honest);
            assert!(
                world.run_until(40, |world| world.head() == chain.tip()),
                "{behaviour:?} as {other}: {:?} {:?}",
                world.head(),
                world.counts()
            );
            assert_eq!(world.points_of(honest), 0.0, "{behaviour:?} as {other}");
            if is_harmless(behaviour) {
                assert_eq!(world.points_of(other), 0.0, "{behaviour:?} as {other}");
            }
        }
    }
}

#[test]
fn who_sends_what_cannot_be_loses_points() {
    let chain = Arc::new(Chain::voted(300));
    for behaviour in [
        Behaviour::Gap,
        Behaviour::WrongProof,
        Behaviour::Repeats,
        Behaviour::OutOfRange,
        Behaviour::Silent,
    ] {
        let mut world = SyncWorld::at_slot(&chain, 300);
        world.connect("a", &chain, behaviour);
        world.run_slots(10);
        assert!(world.points_of("a") > 0.0, "{behaviour:?}: {:?}", world.counts());
        assert!(world.head().slot < 64, "{behaviour:?}: {:?}", world.head());
    }
}

#[test]
fn a_peer_that_leaves_out_the_ends_of_ranges_is_found_out_by_two_others() {
    let chain = Arc::new(Chain::voted(500));
    let mut world = SyncWorld::at_slot(&chain, 500);
    world.connect("a", &chain, Behaviour::Short(10));
    world.connect("b", &chain, Behaviour::Honest);
    world.connect("c", &chain, Behaviour::Honest);
    assert!(world.run_until(30, |world| world.head() == chain.tip()), "{:?}", world.counts());
    assert!(world.points_of("a") > 0.0, "{:?}", world.counts());
    assert_eq!((world.points_of("b"), world.points_of("c")), (0.0, 0.0));
}

#[test]
fn a_forged_block_in_a_slot_that_is_empty_costs_only_who_sent_it() {
    let chain = Arc::new(Chain::genesis().grow((1..=60).chain(66..=128), VALIDATORS));
    // It stands on the last block before the gap, and nobody has signed it.
    let mut forged = chain.up_to(60).grow([62], 0);
    let last = forged.links.last_mut().expect("a block");
    last.block = unproven(&last.block);
    let mut world = SyncWorld::at_slot(&chain, 128);
    world.connect("a", &chain, Behaviour::Honest);
    world.connect_with("b", &Arc::new(forged), Behaviour::Honest, chain.status());
    assert!(world.run_until(30, |world| world.head() == chain.tip()), "{:?}", world.counts());
    assert!(world.points_of("b") >= 50.0, "the forged block came");
    assert_eq!(world.points_of("a"), 0.0);
}

#[test]
fn a_lone_liar_far_ahead_does_not_pull_the_node_off_the_chain_of_two_that_agree() {
    let chain = Arc::new(Chain::voted(100));
    // It forks off early, is long, and has no attestations.
    let fork = Arc::new(chain.up_to(5).grow(7..=400, 0));
    let fork_status = Status { finalized: chain.at(3).checkpoint(), head: fork.tip() };
    let invented = Checkpoint { root: Root::repeat_byte(0xee), slot: 395 };
    for status in [fork_status, Status { finalized: invented, ..fork_status }] {
        let mut world = SyncWorld::at_slot(&chain, 400);
        world.connect("b", &chain, Behaviour::Honest);
        world.connect("c", &chain, Behaviour::Honest);
        world.connect_with("a", &fork, Behaviour::Honest, status);
        assert!(world.run_until(20, |world| world.head() == chain.tip()), "{:?}", world.counts());
        for _ in 0..40 {
            world.run_slots(1);
            assert_eq!(world.head(), chain.tip());
        }
        assert!(!world.knows(&fork.tip().root), "its blocks are not even imported");
        assert_eq!((world.points_of("b"), world.points_of("c")), (0.0, 0.0));
    }
}

/// One against one: the chain that has finalized more is tried first.
#[test]
fn of_two_peers_the_one_whose_chain_finalizes_is_followed_before_the_longer_one() {
    let chain = Arc::new(Chain::voted(100));
    let fork = Arc::new(chain.up_to(5).grow(7..=400, 0));
    for (liar, honest) in [("a", "b"), ("b", "a")] {
        let mut world = SyncWorld::at_slot(&chain, 400);
        world.connect(liar, &fork, Behaviour::Honest);
        world.connect(honest, &chain, Behaviour::Honest);
        assert!(world.run_until(20, |world| world.head() == chain.tip()), "{:?}", world.counts());
        world.run_slots(40);
        assert_eq!(world.head(), chain.tip());
    }
}

/// Alone at first, the longer chain was all there was to follow.
#[test]
fn a_shorter_chain_that_finalizes_is_found_from_a_longer_one_that_does_not() {
    let chain = Arc::new(Chain::voted(100));
    let fork = Arc::new(chain.up_to(5).grow(7..=400, 0));
    let mut world = SyncWorld::at_slot(&chain, 400);
    world.connect("a", &fork, Behaviour::Honest);
    assert!(world.run_until(10, |world| world.head() == fork.tip()));
    world.disconnect("a", DisconnectReason::ClosedByPeer);
    world.connect("b", &chain, Behaviour::Honest);
    assert!(world.run_until(20, |world| world.head() == chain.tip()), "{:?}", world.counts());
    assert_eq!(world.points_of("b"), 0.0);
}

#[test]
fn a_liar_that_claims_a_head_it_does_not_have_holds_nobody_up_for_long() {
    let chain = Arc::new(Chain::voted(50));
    let claim =
        Status { head: Checkpoint { root: Root::repeat_byte(0xee), slot: 300 }, ..chain.status() };
    let mut world = SyncWorld::at_slot(&chain, 300);
    world.connect("b", &chain, Behaviour::Honest);
    world.connect_with("a", &chain, Behaviour::Honest, claim);
    assert!(world.run_until(20, |world| world.head() == chain.tip()), "{:?}", world.counts());
    assert!(
        world.run_until(20, |world| world.state() == SyncState::Synced),
        "{:?} {:?}",
        world.state(),
        world.counts()
    );
    assert_eq!(world.gate().closed, None);
    assert!(world.points_of("a") > 0.0);
}

#[test]
fn a_claim_beyond_the_clock_is_not_believed() {
    let chain = Arc::new(Chain::voted(50));
    let claim = Status {
        head: Checkpoint { root: Root::repeat_byte(0xee), slot: 1_000 },
        ..chain.status()
    };
    let mut world = SyncWorld::at_slot(&chain, 60);
    world.connect_with("a", &chain, Behaviour::Honest, claim);
    world.run_slots(3);
    let counts = world.counts();
    assert_eq!((counts.rounds, world.head().slot), (0, 0));
    assert!(counts.implausible_statuses >= 1);
}

#[test]
fn a_peer_with_another_finalized_block_at_our_finalized_slot_is_dropped_and_banned() {
    let chain = Arc::new(Chain::voted(50));
    let mut world = SyncWorld::at_slot(&chain, 50);
    world.connect("a", &chain, Behaviour::Honest);
    assert!(world.run_until(5, |world| world.head() == chain.tip()));
    let ours = world.finalized();
    let at = |byte, slot| Checkpoint { root: Root::repeat_byte(byte), slot };
    let claims = [
        ("same slot", at(1, ours.slot)),
        ("earlier slot", at(1, ours.slot - 5)),
        ("genesis", at(1, 0)),
    ];
    for (name, finalized) in claims {
        let status = Status { finalized, head: at(2, 49) };
        world.connect_with(name, &chain, Behaviour::Honest, status);
        world.settle();
        assert!(!world.is_connected(name), "{name}");
        assert_eq!(world.closed.pop(), Some((name.into(), DisconnectReason::WrongChain)));
    }
    // A node that has seen no block says zero.
    let fresh = Status { finalized: Checkpoint::default(), head: Checkpoint::default() };
    world.connect_with("fresh", &chain, Behaviour::Honest, fresh);
    world.settle();
    assert!(world.is_connected("fresh") && world.is_connected("a"));
    assert_eq!(world.counts().wrong_chain, 3);
}

#[test]
fn a_chain_that_passes_our_finalized_block_by_is_dropped_when_its_blocks_show_it() {
    let chain = Arc::new(Chain::voted(50));
    let other = Arc::new(chain.up_to(20).grow(52..=300, VALIDATORS));
    let mut world = SyncWorld::at_slot(&chain, 300);
    world.connect("a", &chain, Behaviour::Honest);
    assert!(world.run_until(5, |world| world.head() == chain.tip()));
    world.disconnect("a", DisconnectReason::ClosedByPeer);
    world.connect("b", &other, Behaviour::Honest);
    world.run_slots(10);
    assert!(!world.is_connected("b"), "{:?}", world.counts());
    assert_eq!(world.closed, [("b".into(), DisconnectReason::WrongChain)]);
    assert_eq!(world.head(), chain.tip());
    assert!(!world.knows(&other.tip().root));
}

#[test]
fn a_peer_that_was_cut_off_and_built_on_its_old_head_is_not_banned() {
    let chain = Arc::new(Chain::voted(50));
    // Its own blocks, which nobody attested to: it has finalized less. The first block after the
    // finalized one is the first of its fork, or a later one.
    for own in [vec![55], vec![40, 45, 55]] {
        let other = Arc::new(chain.up_to(20).grow(own.clone(), 0));
        let mut world = SyncWorld::at_slot(&chain, 56);
        world.connect("a", &chain, Behaviour::Honest);
        assert!(world.run_until(5, |world| world.head() == chain.tip()));
        assert!(other.status().finalized.slot < world.finalized().slot);
        world.connect("b", &other, Behaviour::Honest);
        world.run_slots(10);
        assert!(world.is_connected("b"), "{own:?}: {:?}", world.closed);
        assert_eq!(world.points_of("b"), 0.0, "{own:?}");
        assert_eq!(world.head(), chain.tip(), "{own:?}");
        assert!(world.counts().rounds >= 2, "{own:?} was asked: {:?}", world.counts());
    }
}
