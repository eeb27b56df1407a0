//! The duties that sync allows.

use std::sync::Arc;

use quintet_components::{
    constants::SLOT_DURATION_MS,
    containers::{Checkpoint, Root, Status},
    duties::{Duty, DutyCounts, MissReason},
    network::DisconnectReason,
    sync::{SyncState, limits},
    tree::BlockTree,
};

use crate::sync::{
    ledger::{Chain, VALIDATORS},
    mesh::signing,
    peers::Behaviour,
    world::SyncWorld,
};

fn done(world: &mut SyncWorld) -> DutyCounts {
    *world.node.world().resource::<DutyCounts>()
}

/// Blocks and attestations given.
fn given(world: &mut SyncWorld) -> (u64, u64) {
    let DutyCounts { proposed, attested, .. } = done(world);
    (proposed, attested)
}

/// Attestations that were not given for this reason.
fn missed(world: &mut SyncWorld, reason: MissReason) -> u64 {
    done(world).missed_for(Duty::Attest, reason)
}

#[test]
fn a_devnet_of_one_node_runs_from_genesis_and_skips_nothing() {
    let chain = Chain::genesis();
    let mut world = SyncWorld::with_duties(&chain, 0, signing(0..VALIDATORS));
    world.node.set_aggregator(true);
    world.run_slots(12);
    assert!(world.head().slot >= 11);
    assert!(world.finalized().slot >= 8, "{:?}", world.finalized());
    assert_eq!(done(&mut world).missed, 0);
}

#[test]
fn a_node_that_waits_for_genesis_is_not_stuck() {
    let chain = Chain::genesis();
    let mut world = SyncWorld::with_duties(&chain, 0, signing(0..VALIDATORS));
    world.now_ms -= 60 * SLOT_DURATION_MS;
    world.run_slots(59);
    assert_eq!((world.state(), world.gate().closed), (SyncState::Synced, None));
    assert_eq!(done(&mut world).attested, 0);
    world.run_slots(4);
    assert!(world.head().slot >= 2);
    assert_eq!(done(&mut world).missed, 0);
}

#[test]
fn a_node_that_starts_alone_behind_the_clock_waits_four_slots_and_then_goes_on() {
    let chain = Chain::genesis();
    let mut world = SyncWorld::with_duties(&chain, 60, signing(0..VALIDATORS));
    let late = missed(&mut world, MissReason::Late);
    assert!(late >= 59 * VALIDATORS, "{late}");
    world.run_slots(limits::ALONE_SLOTS - 1);
    assert_eq!((world.state(), world.gate().closed), (SyncState::Idle, Some(MissReason::Alone)));
    assert_eq!(given(&mut world), (0, 0));
    assert!(missed(&mut world, MissReason::Alone) >= 2 * VALIDATORS);
    world.run_slots(3);
    assert!(done(&mut world).proposed >= 1);
    assert_eq!(world.state(), SyncState::Synced, "its head is near the clock again");
}

#[test]
fn a_node_that_has_always_been_alone_goes_on_after_a_pause() {
    let chain = Chain::genesis();
    let mut world = SyncWorld::with_duties(&chain, 0, signing(0..VALIDATORS));
    world.run_slots(5);
    let before = done(&mut world);
    world.sleep_slots(60);
    assert_eq!(done(&mut world).attested, before.attested, "not for slots that are over");
    world.run_slots(3);
    assert!(done(&mut world).proposed >= before.proposed + 2);
    assert_eq!(missed(&mut world, MissReason::Alone), 0);
}

#[test]
fn no_duty_is_done_while_the_node_is_behind() {
    let chain = Arc::new(Chain::voted(300));
    let mut world = SyncWorld::with_duties(&chain, 300, signing([0, 1]));
    world.connect("a", &chain, Behaviour::Slow(100));
    world.run_slots(3);
    assert_eq!(
        (world.state(), world.gate().closed),
        (SyncState::Syncing, Some(MissReason::Syncing))
    );
    assert_eq!(given(&mut world), (0, 0));
    assert!(missed(&mut world, MissReason::Syncing) >= 2 * 2);
    assert!(world.run_until(60, |world| world.state() == SyncState::Synced));
    world.run_slots(2);
    assert!(done(&mut world).attested >= 2);
}

#[test]
fn who_wakes_in_its_own_slot_syncs_first_and_then_proposes_in_it() {
    let chain = Arc::new(Chain::voted(40));
    let mut world = SyncWorld::with_duties(&chain, 15, signing(0..VALIDATORS));
    world.connect("a", &Arc::new(chain.up_to(15)), Behaviour::Honest);
    world.connect("b", &Arc::new(chain.up_to(15)), Behaviour::Honest);
    assert!(world.run_until(1, |world| world.head().slot >= 15));
    world.sleep_slots(20);
    assert!(world.gate().closed.is_some());
    // Its connections were lost meanwhile. The first that is there again has slept, too.
    let tip = Arc::new(chain.up_to(34));
    let before = done(&mut world).proposed;
    for (name, chain) in [("a", Arc::new(chain.up_to(15))), ("b", Arc::clone(&tip))] {
        world.disconnect(name, DisconnectReason::ConnectionLost("idle".into()));
        world.connect(name, &chain, Behaviour::Honest);
    }
    world.run_ms(700);
    assert_eq!(done(&mut world).proposed, before + 1);
    let head = world.head();
    assert_eq!(head.slot, 35);
    let tree = world.node.world().resource::<BlockTree>();
    let block = &tree[tree.find(&head.root).expect("the head is in the tree")];
    assert_eq!(block.parent_root, tip.tip().root);
}

#[test]
fn who_wakes_does_not_wait_for_peers_that_stay_silent() {
    let chain = Arc::new(Chain::voted(20));
    let mut world = SyncWorld::with_duties(&chain, 20, signing(0..VALIDATORS));
    world.connect("a", &chain, Behaviour::Honest);
    assert!(world.run_until(1, |world| world.head().slot >= 20));
    world.connect("mute", &chain, Behaviour::Mute);
    world.sleep_slots(3);
    world.run_ms(limits::ASK_WAIT_MS - 1);
    assert_eq!(world.gate().closed, Some(MissReason::Unsure));
    world.run_ms(1);
    assert_eq!(world.gate().closed, None);
}

#[test]
fn a_liar_among_honest_peers_holds_nothing_up() {
    let chain = Arc::new(Chain::voted(40));
    let early = Arc::new(chain.up_to(30));
    let mut world = SyncWorld::with_duties(&chain, 30, signing(0..VALIDATORS));
    // While it syncs, a head two ahead keeps it syncing.
    let claim = Status {
        head: Checkpoint { root: Root::repeat_byte(9), slot: 30 },
        finalized: Checkpoint { root: Root::repeat_byte(8), slot: 29 },
    };
    world.connect_with("liar", &chain, Behaviour::Silent, claim);
    world.connect("a", &early, Behaviour::Honest);
    world.connect("b", &early, Behaviour::Honest);
    assert!(world.run_until(2, |world| world.head().slot >= 30));
    world.run_ms(limits::ASK_WAIT_MS);
    assert_eq!((world.state(), world.gate().closed), (SyncState::Synced, None));
    assert_eq!(world.gate().behind, 0);
}

#[test]
fn a_claim_that_nothing_comes_of_holds_duties_up_for_eight_slots() {
    let chain = Arc::new(Chain::voted(20));
    let mut world = SyncWorld::with_duties(&chain, 20, signing(0..VALIDATORS));
    world.connect("a", &Arc::new(chain.up_to(20)), Behaviour::Honest);
    assert!(world.run_until(1, |world| world.head().slot >= 20));
    world.disconnect("a", DisconnectReason::ClosedByPeer);
    // It claims more finality on a fork below the head, for which no round is begun, and renews it.
    let mut closed_ms = 0;
    world.connect("liar", &chain, Behaviour::Refuses);
    for byte in 0..80 {
        let (head, finalized) = (world.head(), world.finalized());
        let status = Status {
            head: Checkpoint { root: Root::repeat_byte(100 + byte), slot: head.slot },
            finalized: Checkpoint {
                root: Root::repeat_byte(200),
                slot: (finalized.slot + 6).min(head.slot),
            },
        };
        world.ask("liar", quintet_components::network::Request::Status(status));
        let is_closed = world.gate().closed == Some(MissReason::Syncing);
        closed_ms += if is_closed { 800 } else { 0 };
        world.run_ms(800);
    }
    let most_ms = (limits::CLAIM_SLOTS + 1) * SLOT_DURATION_MS;
    assert!((1..=most_ms).contains(&closed_ms), "{closed_ms}");
}

#[test]
fn a_clock_that_is_turned_back_asks_its_peers_once() {
    let chain = Arc::new(Chain::voted(20));
    let mut world = SyncWorld::with_duties(&chain, 20, signing(0..VALIDATORS));
    world.connect("a", &chain, Behaviour::Honest);
    assert!(world.run_until(1, |world| world.head().slot >= 20));
    world.sleep_slots(5);
    world.run_ms(100);
    let asked = world.counts().statuses_asked;
    world.now_ms -= 3 * SLOT_DURATION_MS;
    world.run_ms(SLOT_DURATION_MS);
    assert!(world.counts().statuses_asked <= asked + 2, "{:?}", world.counts());
    assert_eq!(world.gate().closed, None);
}

#[test]
fn when_the_whole_network_stands_still_duties_are_done() {
    let chain = Arc::new(Chain::voted(20));
    let mut world = SyncWorld::with_duties(&chain, 100, signing(0..VALIDATORS));
    world.connect("a", &chain, Behaviour::Honest);
    world.connect("b", &chain, Behaviour::Honest);
    // It may build on the tip as soon as it is there.
    assert!(world.run_until(5, |world| world.head().slot >= chain.tip().slot));
    world.run_slots(3);
    assert_eq!((world.state(), world.gate().closed), (SyncState::Synced, None));
    assert!(world.head().slot >= 101, "it proposes on the old head: {:?}", world.head());
}

#[test]
fn the_state_changes_five_behind_and_back_one_behind() {
    let chain = Arc::new(Chain::voted(60));
    let mut world = SyncWorld::at_slot(&chain, 50);
    for link in chain.range(1, 46) {
        world.gossip(&link.block);
        world.settle();
    }
    // A peer whose blocks never come: what it claims is all that counts.
    let claim = |slot: u64, byte: u8| Status {
        head: Checkpoint { root: Root::repeat_byte(byte), slot },
        ..chain.up_to(46).status()
    };
    world.connect_with("a", &chain, Behaviour::Late(60_000), claim(46, 1));
    world.run_slots(1);
    assert_eq!(world.state(), SyncState::Synced);
    let say = |world: &mut SyncWorld, status: Status| {
        let request = quintet_components::network::Request::Status(status);
        world.ask("a", request);
        world.update();
        world.state()
    };
    world.run_slots(5);
    assert_eq!(say(&mut world, claim(50, 2)), SyncState::Synced, "four behind");
    assert_eq!(say(&mut world, claim(51, 3)), SyncState::Syncing, "five behind");
    assert_eq!(say(&mut world, claim(50, 2)), SyncState::Syncing, "four behind");
    assert_eq!(say(&mut world, claim(48, 4)), SyncState::Syncing, "two behind");
    assert_eq!(say(&mut world, claim(47, 5)), SyncState::Synced, "one behind");
    assert_eq!(say(&mut world, claim(50, 2)), SyncState::Synced, "four behind");
}

#[test]
fn a_pause_of_sixty_slots_is_made_up_for() {
    let chain = Arc::new(Chain::voted(120));
    let mut world = SyncWorld::with_duties(&chain, 0, signing([1]));
    let early = Arc::new(chain.up_to(50));
    world.connect("a", &early, Behaviour::Honest);
    world.connect("b", &early, Behaviour::Honest);
    world.sleep_slots(50);
    assert!(world.run_until(5, |world| world.head().slot >= 50), "{:?}", world.counts());
    let before = done(&mut world);
    world.sleep_slots(60);
    let later = Arc::new(chain.up_to(110));
    for peer in world.peers.values_mut() {
        (peer.chain, peer.status) = (Arc::clone(&later), later.status());
    }
    assert!(world.run_until(8, |world| world.head().slot >= 110), "{:?}", world.counts());
    assert_eq!(world.state(), SyncState::Synced);
    assert!(done(&mut world).attested <= before.attested + 2);
}
