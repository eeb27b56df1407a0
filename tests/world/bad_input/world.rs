//! A node with a small history, and what of it must not move.

use bevy_ecs::world::World;
use quintet_components::{
    attestations::AttestationsByData,
    chain::States,
    containers::{AttestationData, Checkpoint, Root, State},
    messages::Verdict,
    rejection::RejectionReason,
    tree::BlockTree,
};
use quintet_systems::{digest::world_digest, pool::pool_sizes, transition::is_slot_justified};
use tree_hash::TreeHash;

use crate::support::{
    chain::{aggregate, aggregated, attested_by, build_on, genesis, signed},
    node::{Setup, TestNode},
};

pub const VALIDATORS: u64 = 4;

/// The slot that the fixture's clock is in.
pub const NOW: u64 = 5;

/// A chain of blocks in slots 1, 2 and 4, of which the first is justified, a fork from slot 1 in
/// slot 3, and attestations in every pool. The node aggregates.
pub struct Fixture {
    pub node: TestNode,
    /// Blocks with their post-states: genesis, slots 1, 2, 4, and the fork's.
    pub blocks: [Checkpoint; 5],
    pub states: [State; 5],
}

impl Fixture {
    pub fn new() -> Self {
        let anchor = genesis(VALIDATORS);
        let zero = Checkpoint { root: anchor.block.tree_hash_root(), slot: 0 };
        let state = State::clone(&anchor.state);
        let mut node = TestNode::new(Setup::new(anchor).accepting_signatures());
        node.set_aggregator(true);
        node.tick_to(NOW * 5, false);
        let mut import = |parent: &State, slot, votes| {
            let (block, state) = build_on(parent, slot, votes).expect("a valid block");
            let checkpoint = Checkpoint { root: block.tree_hash_root(), slot };
            assert_eq!(node.block(signed(block)), Verdict::Accepted);
            (checkpoint, state)
        };
        let (one, state_one) = import(&state, 1, vec![]);
        let justify_one = AttestationData { slot: 1, head: one, target: one, source: zero };
        let justify_one = aggregated(justify_one, &[0, 1, 2]);
        let (two, state_two) = import(&state_one, 2, vec![justify_one]);
        let (four, state_four) = import(&state_two, 4, vec![]);
        let (fork, state_fork) = import(&state_one, 3, vec![]);
        assert_eq!(state_four.latest_justified, one);
        let data = AttestationData { slot: 4, head: four, target: two, source: one };
        assert_eq!(node.aggregate(aggregate(data, &[0, 1])), Verdict::Accepted);
        node.tick_to(NOW * 5 + 4, false);
        let data = AttestationData { slot: NOW, ..data };
        assert_eq!(node.aggregate(aggregate(data, &[2])), Verdict::Accepted);
        assert_eq!(node.attestation(attested_by(data, 3)), Verdict::Accepted);
        let sizes = pool_sizes(node.world());
        assert!(sizes.iter().all(|size| *size > 0), "{sizes:?}");
        let states = [state, state_one, state_two, state_four, state_fork];
        Self { node, blocks: [zero, one, two, four, fork], states }
    }

    /// An attestation that the node would take.
    pub fn valid(&self) -> AttestationData {
        let [_, one, two, four, _] = self.blocks;
        AttestationData { slot: NOW, head: four, target: two, source: one }
    }

    /// Refused, for this reason, and nothing moved.
    pub fn refuses(
        &mut self,
        name: &str,
        reason: RejectionReason,
        offer: impl FnOnce(&mut TestNode) -> Verdict,
    ) {
        let before = Stillness::of(self.node.world());
        match offer(&mut self.node) {
            Verdict::Rejected(rejection) => {
                assert_eq!(rejection.reason, reason, "{name}: {rejection}");
            }
            verdict => panic!("{name}: {verdict:?}, expected {reason}"),
        }
        assert_eq!(Stillness::of(self.node.world()), before, "{name} moved the world");
    }
}

/// The parts of a world that a refusal must not change.
#[derive(Debug, PartialEq)]
pub struct Stillness {
    digest: Root,
    blocks: usize,
    states: usize,
    votes: usize,
    pools: [usize; 3],
    entities: u32,
}

impl Stillness {
    pub fn of(world: &mut World) -> Self {
        Self {
            digest: world_digest(world),
            blocks: world.resource::<BlockTree>().len(),
            states: world.resource::<States>().len(),
            votes: world.resource::<AttestationsByData>().len(),
            pools: pool_sizes(world),
            entities: world.entities().count_spawned(),
        }
    }
}

#[test]
fn the_fixture_takes_what_the_refusals_are_made_from() {
    let mut fixture = Fixture::new();
    let data = fixture.valid();
    let before = Stillness::of(fixture.node.world());
    assert_eq!(fixture.node.attestation(attested_by(data, 0)), Verdict::Accepted);
    assert_ne!(Stillness::of(fixture.node.world()), before);
    let [.., four, _] = &fixture.states;
    let justified = is_slot_justified(&four.justified_slots, four.latest_finalized.slot, 1);
    assert_eq!(justified, Ok(true));
}
