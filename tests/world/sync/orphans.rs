//! Blocks that arrive before their parents.

use std::sync::Arc;

use quintet_components::{
    containers::{Block, Root, SignedBlock},
    messages::Verdict,
    network::Request,
    rejection::RejectionReason,
    sync::{Orphans, limits},
};
use tree_hash::TreeHash;

use crate::{
    support::chain::signed,
    sync::{
        ledger::Chain,
        peers::{Behaviour, unproven},
        world::SyncWorld,
    },
};

fn asked_by_root(world: &SyncWorld) -> usize {
    world.sent.iter().filter(|(_, request)| matches!(request, Request::BlocksByRoot(_))).count()
}

fn orphans(world: &mut SyncWorld) -> usize {
    world.node.world().resource::<Orphans>().len()
}

/// A block on a parent that nobody knows.
fn orphan(slot: u64, salt: u8) -> Arc<SignedBlock> {
    let parent_root = Root::repeat_byte(salt);
    Arc::new(signed(Block { slot, proposer_index: slot % 4, parent_root, ..Block::default() }))
}

#[test]
fn a_chain_that_arrives_in_reverse_is_imported_without_a_request() {
    let chain = Arc::new(Chain::voted(30));
    let mut world = SyncWorld::at_slot(&chain, 30);
    let ids: Vec<_> = chain.links.iter().rev().map(|link| world.gossip(&link.block)).collect();
    world.settle();
    world.settle();
    assert_eq!(world.head(), chain.tip());
    for id in ids {
        assert_eq!(world.node.verdict(id), Verdict::Accepted);
    }
    assert_eq!(asked_by_root(&world), 0);
    let counts = world.counts();
    assert_eq!((counts.orphans_held, counts.orphans_released, counts.orphans_dropped), (29, 29, 0));
}

#[test]
fn missing_parents_are_asked_for_by_root_one_by_one() {
    let chain = Arc::new(Chain::voted(12));
    let mut world = SyncWorld::at_slot(&chain, 12);
    for link in &chain.links[..9] {
        world.gossip(&link.block);
    }
    world.settle();
    // They say nothing of what the node lacks, so that no range is asked for.
    let known = chain.up_to(9).status();
    world.connect_with("a", &chain, Behaviour::Honest, known);
    world.connect_with("b", &chain, Behaviour::Honest, known);
    let id = world.gossip(&chain.at(12).block);
    world.settle();
    assert_eq!(world.head(), chain.tip());
    assert_eq!(world.node.verdict(id), Verdict::Accepted, "its verdict comes with its parent");
    assert_eq!(asked_by_root(&world), 2, "10 and 11");
    assert!(world.roots_asked.values().all(|count| *count == 1));
}

#[test]
fn a_parent_that_waits_for_its_slot_is_not_asked_for() {
    let chain = Arc::new(Chain::voted(13));
    let mut world = SyncWorld::at_slot(&chain, 12);
    for link in &chain.links[..11] {
        world.gossip(&link.block);
    }
    world.settle();
    world.connect_with("a", &chain, Behaviour::Honest, chain.up_to(11).status());
    let early = chain.at(13);
    world.gossip_from("a", &early.block);
    // A child that claims an earlier slot is not early itself.
    let child = Block { slot: 12, parent_root: early.root, ..Block::default() };
    world.gossip_from("a", &Arc::new(signed(child)));
    world.run_ms(500);
    assert_eq!(orphans(&mut world), 1);
    assert_eq!(world.roots_asked.get(&early.root), None);
}

#[test]
fn a_root_that_nobody_has_is_asked_for_ever_more_seldom_and_then_given_up() {
    let chain = Arc::new(Chain::voted(10));
    let mut world = SyncWorld::at_slot(&chain, 10);
    for name in ["a", "b", "c", "d", "e"] {
        world.connect(name, &chain, Behaviour::Honest);
    }
    assert!(world.run_until(3, |world| world.head() == chain.tip()));
    let orphan = orphan(11, 0xee);
    let id = world.gossip(&orphan);
    world.run_ms(1_000);
    assert_eq!(world.roots_asked[&Root::repeat_byte(0xee)], limits::FETCH_TRIES);
    assert!(world.run_until(60, |world| world.counts().roots_given_up == 1));
    let asked = world.roots_asked[&Root::repeat_byte(0xee)];
    assert_eq!(asked, limits::FETCH_TRIES * 6);
    assert!(matches!(world.node.verdict(id), Verdict::Ignored(_)));
    assert_eq!(orphans(&mut world), 0);
    // Another child of the same parent does not start it anew.
    let other = Arc::new(SignedBlock {
        block: Block { state_root: Root::repeat_byte(3), ..orphan.block.clone() },
        proof: orphan.proof.clone(),
    });
    world.gossip(&other);
    world.run_slots(2);
    assert_eq!(world.roots_asked[&Root::repeat_byte(0xee)], asked);
}

#[test]
fn a_flood_of_orphans_is_bounded_and_what_is_nearest_to_the_head_stays() {
    let chain = Arc::new(Chain::voted(40));
    let mut world = SyncWorld::at_slot(&chain, 2_000);
    for link in &chain.links[..20] {
        world.gossip(&link.block);
    }
    world.settle();
    let near = world.gossip(&chain.at(22).block);
    world.settle();
    let mut ids = Vec::new();
    for slot in 100..1_100 {
        let name = format!("p{:02}", slot % 40);
        ids.push(world.gossip_from(&name, &orphan(slot, (slot % 251) as u8)));
        if ids.len() % 16 == 0 {
            world.update();
        }
    }
    world.settle();
    assert_eq!(orphans(&mut world), limits::MAX_ORPHANS);
    assert_eq!(world.counts().orphans_dropped, 1_001 - limits::MAX_ORPHANS as u64);
    let last = ids.pop().expect("a thousand");
    assert!(matches!(world.node.verdict(last), Verdict::Ignored(_)));
    world.gossip(&chain.at(21).block);
    world.settle();
    assert_eq!(world.node.verdict(near), Verdict::Accepted);
    // From the future, or passed by finality, no block is held at all.
    let before = world.counts().orphans_held;
    for slot in [2_002, u64::MAX, world.finalized().slot] {
        let id = world.gossip(&orphan(slot, 0xdd));
        world.settle();
        assert_ne!(world.node.verdict_now(id), Some(Verdict::Accepted), "slot {slot}");
    }
    assert_eq!(world.counts().orphans_held, before);
}

#[test]
fn large_orphans_are_bounded_in_bytes() {
    use quintet_components::containers::{MultiMessageAggregate, ProofBytes};
    let chain = Arc::new(Chain::voted(2));
    let mut world = SyncWorld::at_slot(&chain, 400);
    let proof = ProofBytes::new(vec![7; 512 * 1024]).expect("at the limit");
    for slot in 100..300_u64 {
        let block = orphan(slot, (slot % 251) as u8).block.clone();
        let proof = MultiMessageAggregate { proof: proof.clone() };
        let name = format!("p{}", slot % 8);
        world.gossip_from(&name, &Arc::new(SignedBlock { block, proof }));
        world.update();
    }
    let pool = world.node.world().resource::<Orphans>();
    assert!(pool.bytes() <= limits::MAX_ORPHAN_BYTES);
    assert!(pool.bytes() > limits::MAX_ORPHAN_BYTES - (1 << 20));
    assert_eq!(pool.len(), 127);
}

#[test]
fn large_orphans_of_one_source_are_bounded_in_bytes() {
    use quintet_components::containers::{MultiMessageAggregate, ProofBytes};
    let chain = Arc::new(Chain::voted(2));
    let mut world = SyncWorld::at_slot(&chain, 400);
    let proof = ProofBytes::new(vec![7; 512 * 1024]).expect("at the limit");
    for slot in 100..160_u64 {
        let block = orphan(slot, (slot % 251) as u8).block.clone();
        let proof = MultiMessageAggregate { proof: proof.clone() };
        world.gossip_from("p", &Arc::new(SignedBlock { block, proof }));
        world.update();
    }
    let pool = world.node.world().resource::<Orphans>();
    assert!(pool.bytes() <= limits::MAX_ORPHAN_BYTES_PER_SOURCE);
    assert_eq!(pool.len(), 47);
}

#[test]
fn a_refused_parent_takes_its_orphaned_descendants_with_it() {
    let chain = Arc::new(Chain::voted(10));
    let mut world = SyncWorld::at_slot(&chain, 12);
    for link in &chain.links {
        world.gossip(&link.block);
    }
    world.settle();
    let wrong = Block { state_root: Root::repeat_byte(9), ..chain_block(&chain, 11) };
    let on = |parent: &Block, slot| Block {
        slot,
        proposer_index: slot % 4,
        parent_root: parent.tree_hash_root(),
        ..Block::default()
    };
    let (child, grandchild) = (on(&wrong, 12), on(&on(&wrong, 12), 13));
    let held = [grandchild, child].map(|block| world.gossip(&Arc::new(signed(block))));
    world.settle();
    assert_eq!(orphans(&mut world), 2);
    let id = world.gossip(&Arc::new(signed(wrong.clone())));
    world.settle();
    assert_eq!(reason(&mut world, id), Some(RejectionReason::StateRootMismatch));
    for id in held {
        assert_eq!(reason(&mut world, id), Some(RejectionReason::UnknownParentBlock));
    }
    assert_eq!(orphans(&mut world), 0);
    // Another one is refused at once.
    let late = Block { state_root: Root::repeat_byte(1), ..on(&wrong, 12) };
    let id = world.gossip(&Arc::new(signed(late)));
    world.settle();
    assert_eq!(reason(&mut world, id), Some(RejectionReason::UnknownParentBlock));
}

/// The block that would be right after this chain, apart from its state root.
fn chain_block(chain: &Chain, slot: u64) -> Block {
    chain.clone().grow([slot], 4).at(slot).block.block.clone()
}

fn reason(
    world: &mut SyncWorld,
    id: quintet_components::messages::InputId,
) -> Option<RejectionReason> {
    match world.node.verdict(id) {
        Verdict::Rejected(rejection) => Some(rejection.reason),
        _ => None,
    }
}

#[test]
fn a_parent_with_a_wrong_proof_does_not_speak_against_the_block() {
    let chain = Arc::new(Chain::voted(12));
    let mut world = SyncWorld::at_slot(&chain, 12);
    for link in &chain.links[..10] {
        world.gossip(&link.block);
    }
    let child = world.gossip(&chain.at(12).block);
    world.settle();
    let id = world.gossip(&unproven(&chain.at(11).block));
    world.settle();
    assert_eq!(reason(&mut world, id), Some(RejectionReason::InvalidBlockProof));
    assert_eq!(orphans(&mut world), 1, "the child waits for the right one");
    // One peer has it with the wrong proof as well, the other has the right one.
    let known = chain.up_to(10).status();
    world.connect_with("a", &chain, Behaviour::WrongProof, known);
    world.connect_with("b", &chain, Behaviour::Honest, known);
    assert!(world.run_until(5, |world| world.head() == chain.tip()), "{:?}", world.counts());
    assert_eq!(world.node.verdict(child), Verdict::Accepted);
}

#[test]
fn a_gap_too_deep_for_requests_by_root_is_left_to_range_sync() {
    // Two chains of the same length that finalize nothing: no head is ahead.
    let common = Chain::voted(10);
    let ours = common.clone().grow(11..=102, 0);
    let theirs = Arc::new(common.grow(12..=102, 0));
    let mut world = SyncWorld::at_slot(&ours, 102);
    for link in &ours.links {
        world.gossip(&link.block);
        world.update();
    }
    world.settle();
    world.connect("a", &theirs, Behaviour::Honest);
    world.gossip(&theirs.at(102).block);
    world.run_ms(1_000);
    assert!(world.knows(&theirs.tip().root), "{:?}", world.counts());
    let asked = asked_by_root(&world);
    assert!(
        (limits::MAX_ORPHAN_DEPTH - 1..=limits::MAX_ORPHAN_DEPTH + 1).contains(&asked),
        "{asked}"
    );
    assert!(world.roots_asked.values().all(|count| *count == 1));
}

#[test]
fn blocks_far_ahead_of_a_late_joiner_are_not_fetched_by_root() {
    let chain = Arc::new(Chain::voted(500));
    let mut world = SyncWorld::at_slot(&chain, 500);
    world.connect("a", &chain, Behaviour::Late(2_000));
    for slot in 490..=500 {
        world.gossip(&chain.at(slot).block);
    }
    world.run_slots(1);
    assert_eq!(asked_by_root(&world), 0);
    assert!(world.run_until(20, |world| world.head() == chain.tip()), "{:?}", world.counts());
}
