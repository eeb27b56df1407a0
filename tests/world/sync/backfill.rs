//! Blocks from before the anchor, fetched in the background.

use std::sync::Arc;

use quintet_components::{
    chain::Finalized,
    containers::{BlocksByRangeRequest, Root},
    network::{Answer, DisconnectReason, Request},
    preset::SignaturePreset,
    storage::{BlockSource, ChainIdentity, StateSource, StoredHistory},
    sync::SyncState,
};
use quintet_plugins::storage::{MemoryStoragePlugin, Retention, Store};
use quintet_systems::sync::Backfill;

use crate::sync::{
    ledger::{Chain, VALIDATORS},
    peers::Behaviour,
    world::SyncWorld,
};

pub const ANCHOR: u64 = 200;
pub const TIP: u64 = 260;

/// A chain with single empty slots, a longer stretch of them, and finality close behind.
pub fn chain() -> Arc<Chain> {
    let slots = (1..=TIP).filter(|slot| slot % 11 != 0 && !(70..150).contains(slot));
    let chain = Chain::genesis().grow(slots, VALIDATORS);
    assert!(chain.status().finalized.slot > ANCHOR);
    Arc::new(chain)
}

fn identity(chain: &Chain) -> ChainIdentity {
    ChainIdentity::of(&chain.anchor.state, "sync", SignaturePreset::Test)
}

/// A store that begins at this slot of the chain.
pub fn begun(chain: &Chain, slot: u64, retention: Retention) -> Arc<Store> {
    let store = Store::in_memory(&identity(chain), retention);
    let link = chain.at(slot);
    store.begin_anew(&link.block, &link.state).expect("begins");
    Arc::new(store)
}

/// The chain with its anchor at this slot.
pub fn later(chain: &Chain, slot: u64) -> Chain {
    let link = chain.at(slot);
    let mut later = chain.clone();
    later.anchor.block = link.block.block.clone();
    later.anchor.state = Arc::clone(&link.state);
    later.anchor_root = link.root;
    later
}

/// A node that began at this slot of the chain and has nothing from before it.
fn world(chain: &Chain, slot: u64, now: u64, store: &Arc<Store>) -> SyncWorld {
    let plugin = MemoryStoragePlugin { store: Arc::clone(store) };
    SyncWorld::with(&later(chain, slot), now, move |app| _ = app.add_plugins(plugin))
}

fn stored_from(world: &mut SyncWorld) -> u64 {
    world.node.world().resource::<StoredHistory>().from()
}

/// Returns true if all blocks are there and no work is in progress.
pub fn is_complete(world: &mut SyncWorld) -> bool {
    let finalized = world.node.world().resource::<Finalized>().0.slot;
    let world = world.node.world();
    let history = world.resource::<StoredHistory>();
    history.from() <= history.wanted_from(finalized) && world.resource::<Backfill>().is_idle()
}

/// Requests for what is before the anchor.
fn history_requests(world: &SyncWorld, chain: &Chain, anchor: u64) -> Vec<(String, Request)> {
    let is_old = |root: &Root| chain.get(root).is_some_and(|link| link.block.block.slot < anchor);
    let is_history = |request: &Request| match request {
        Request::BlocksByRange(range) => range.start_slot < anchor,
        Request::BlocksByRoot(request) => request.roots.0.iter().any(is_old),
        Request::Status(_) => false,
    };
    let asked = world.sent.iter().filter(|(_, request)| is_history(request));
    asked.map(|(peer, request)| (peer.to_string(), request.clone())).collect()
}

fn has_all(store: &Store, chain: &Chain) {
    for link in &chain.links {
        let stored = store.signed_block(&link.root).expect("reads");
        assert_eq!(stored.as_ref(), Some(&link.block), "slot {}", link.block.block.slot);
        let is_older = link.block.block.slot < ANCHOR;
        assert_eq!(store.state(&link.root).expect("reads").is_none(), is_older);
    }
}

fn range(world: &mut SyncWorld, start_slot: u64, count: u64) -> Answer {
    world.ask("p", Request::BlocksByRange(BlocksByRangeRequest { start_slot, count }))
}

#[test]
fn what_is_before_the_anchor_is_fetched_and_served() {
    let chain = chain();
    let store = begun(&chain, ANCHOR, Retention::default());
    let mut world = world(&chain, ANCHOR, TIP, &store);
    assert!(matches!(range_before(&mut world, &chain), Answer::Error(_)));
    world.connect("p", &chain, Behaviour::Honest);
    assert!(world.run_until(20, |world| world.head() == chain.tip()), "{:?}", world.counts());
    assert!(world.run_until(20, is_complete), "{:?}", world.counts());
    has_all(&store, &chain);
    let older = chain.links.iter().filter(|link| link.block.block.slot < ANCHOR).count();
    assert_eq!(world.counts().backfilled, older as u64);
    assert_eq!(world.points_of("p"), 0.0);
    for (start, count) in [(1, 1), (1, 1_024), (60, 100), (190, 30), (199, 1), (201, 10)] {
        let roots: Vec<Root> = chain.range(start, count).iter().map(|link| link.root).collect();
        assert_eq!(range(&mut world, start, count), Answer::Blocks(roots.into()), "{start}");
    }
    // Nothing more is asked for.
    let asked = history_requests(&world, &chain, ANCHOR).len();
    assert!(asked <= 4, "{asked} requests for 200 slots");
    world.run_slots(20);
    assert_eq!(history_requests(&world, &chain, ANCHOR).len(), asked);
}

/// Asks for slots before the anchor when nobody is connected.
fn range_before(world: &mut SyncWorld, chain: &Arc<Chain>) -> Answer {
    world.connect("p", chain, Behaviour::Mute);
    let answer = range(world, 10, 10);
    world.disconnect("p", DisconnectReason::ClosedByPeer);
    answer
}

#[test]
fn the_chain_ahead_comes_before_the_chain_behind() {
    let chain = chain();
    let store = begun(&chain, ANCHOR, Retention::default());
    let mut world = world(&chain, ANCHOR, TIP, &store);
    world.connect("p", &chain, Behaviour::Slow(40));
    while history_requests(&world, &chain, ANCHOR).is_empty() {
        world.run_ms(100);
        assert!(world.now_ms < (1_000 + 4 * (TIP + 60)) * 1_000, "{:?}", world.counts());
    }
    assert_eq!((world.head(), world.state()), (chain.tip(), SyncState::Synced));
}

#[test]
fn whatever_one_peer_does_another_completes_it() {
    let chain = chain();
    for behaviour in Behaviour::ALL {
        let store = begun(&chain, ANCHOR, Retention::default());
        let mut world = world(&chain, ANCHOR, TIP, &store);
        world.connect("a", &chain, behaviour);
        world.connect("b", &chain, Behaviour::Honest);
        assert!(
            world.run_until(400, |world| world.head() == chain.tip() && is_complete(world)),
            "{behaviour:?}: from {}, {:?}",
            stored_from(&mut world),
            world.counts()
        );
        has_all(&store, &chain);
        assert_eq!(world.points_of("b"), 0.0, "{behaviour:?}");
    }
}

#[test]
fn a_proof_that_does_not_verify_is_not_stored() {
    let chain = chain();
    let store = begun(&chain, ANCHOR, Retention::default());
    let mut world = world(&chain, ANCHOR, TIP, &store);
    // It reaches the head by gossip, so that only the history is in question.
    for link in chain.links.iter().filter(|link| link.block.block.slot > ANCHOR) {
        world.gossip(&link.block);
        world.update();
    }
    world.settle();
    assert_eq!(world.head(), chain.tip());
    world.connect("a", &chain, Behaviour::WrongProof);
    world.run_slots(30);
    assert_eq!(stored_from(&mut world), ANCHOR);
    assert!(world.points_of("a") >= 50.0, "{}", world.points_of("a"));
    for link in chain.links.iter().filter(|link| link.block.block.slot < ANCHOR) {
        assert_eq!(store.signed_block(&link.root), Ok(None));
    }
}

#[test]
fn what_no_range_serves_is_asked_for_by_root() {
    let chain = chain();
    let store = begun(&chain, ANCHOR, Retention::default());
    let mut world = world(&chain, ANCHOR, TIP, &store);
    for link in chain.links.iter().filter(|link| link.block.block.slot > ANCHOR) {
        world.gossip(&link.block);
        world.update();
    }
    world.settle();
    world.connect("a", &chain, Behaviour::Unavailable);
    assert!(world.run_until(200, is_complete), "{:?}", world.counts());
    has_all(&store, &chain);
    assert_eq!(world.points_of("a"), 0.0);
}

#[test]
fn when_nobody_has_it_the_node_asks_ever_more_seldom() {
    let chain = chain();
    let store = begun(&chain, ANCHOR, Retention::default());
    let mut world = world(&chain, ANCHOR, TIP, &store);
    world.connect("p", &chain, Behaviour::Honest);
    assert!(world.run_until(20, |world| world.head() == chain.tip()));
    world.disconnect("p", DisconnectReason::ClosedByPeer);
    let stored = stored_from(&mut world);
    world.connect("a", &chain, Behaviour::Empty);
    world.run_slots(200);
    let asked = history_requests(&world, &chain, stored).len();
    assert!((2..=20).contains(&asked), "{asked} requests in 800 s");
    assert_eq!(world.state(), SyncState::Synced, "its duties go on");
    world.connect("b", &chain, Behaviour::Honest);
    assert!(world.run_until(80, is_complete), "{:?}", world.counts());
    has_all(&store, &chain);
}

#[test]
fn a_restarted_node_goes_on_where_it_was() {
    let chain = chain();
    let store = begun(&chain, ANCHOR, Retention::default());
    let mut first = world(&chain, ANCHOR, TIP, &store);
    first.connect("p", &chain, Behaviour::Slow(30));
    assert!(first.run_until(100, |world| stored_from(world) < ANCHOR), "{:?}", first.counts());
    drop(first);
    let reached = store.history().expect("reads").from();
    assert!((2..ANCHOR).contains(&reached), "{reached}");

    let mut second = world(&chain, ANCHOR, TIP, &store);
    assert_eq!(stored_from(&mut second), reached);
    second.connect("p", &chain, Behaviour::Honest);
    assert!(second.run_until(60, |world| world.head() == chain.tip() && is_complete(world)));
    has_all(&store, &chain);
    for (_, request) in history_requests(&second, &chain, ANCHOR) {
        let Request::BlocksByRange(range) = request else { continue };
        assert!(range.start_slot < reached, "{range:?}, and {reached} was stored");
    }
}

#[test]
fn only_what_is_kept_is_fetched() {
    let chain = chain();
    let window = Retention { window_slots: 100, ..Retention::default() };
    for (retention, has_oldest) in [(window, false), (Retention::archive(), true)] {
        let store = begun(&chain, ANCHOR, retention);
        let mut world = world(&chain, ANCHOR, TIP, &store);
        world.connect("p", &chain, Behaviour::Honest);
        assert!(
            world.run_until(100, |world| world.head() == chain.tip() && is_complete(world)),
            "{:?}",
            world.counts()
        );
        assert!(store.signed_block(&chain.at(160).root).expect("reads").is_some());
        let oldest = store.signed_block(&chain.at(60).root).expect("reads");
        assert_eq!(oldest.is_some(), has_oldest);
        let expected = if has_oldest { 1 } else { chain.status().finalized.slot - 100 };
        assert!(stored_from(&mut world) <= expected);
    }
}

#[test]
fn a_chain_shorter_than_a_batch_is_complete_at_once() {
    let chain = Arc::new(Chain::voted(40));
    let store = begun(&chain, 30, Retention::default());
    let mut world = world(&chain, 30, 40, &store);
    world.connect("p", &chain, Behaviour::Honest);
    assert!(world.run_until(2, is_complete), "{:?}", world.counts());
    assert_eq!((stored_from(&mut world), world.counts().backfilled), (1, 29));
    assert_eq!(world.points_of("p"), 0.0);
}

#[test]
fn wrong_proofs_in_one_answer_are_one_fault() {
    let chain = Arc::new(Chain::voted(40));
    let store = begun(&chain, 30, Retention::default());
    let mut world = world(&chain, 30, 40, &store);
    for link in chain.range(31, 10) {
        world.gossip(&link.block);
        world.update();
    }
    world.settle();
    world.connect("a", &chain, Behaviour::WrongProof);
    world.run_ms(1_000);
    assert_eq!((world.points_of("a"), stored_from(&mut world)), (50.0, 30));
}
