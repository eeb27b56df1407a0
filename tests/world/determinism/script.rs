//! Sixty slots: forks, late blocks, two blocks and two attestations for one slot, repeats,
//! refusals, a node that aggregates most of the time, and finality.

use std::sync::Arc;

use bevy_app::{App, Update};
use bevy_ecs::prelude::*;
use quintet_components::{
    chain::{Finalized, Head, States},
    clock::first_interval,
    containers::{
        AttestationData, Block, Checkpoint, Root, SignedAggregatedAttestation, SignedBlock, Slot,
        State,
    },
    messages::{AggregateProduced, HeadChanged, InputId, Verdict},
    tree::BlockTree,
};
use quintet_prover::CancelToken;
use quintet_systems::{
    digest::world_digest,
    production::{BlockInputs, build_block, produce_attestation_data},
    transition::proposer_for_slot,
};
use tree_hash::TreeHash;

use crate::support::{
    chain::{aggregate, aggregated, attested_by, build_on, signed},
    mocked::MockedProofs,
    node::{Setup, TestNode},
};

pub const VALIDATORS: u64 = 8;
const SLOTS: Slot = 60;

/// The world's digest after every slot.
pub fn play(node: &mut TestNode) -> Vec<Root> {
    run(node).digests
}

fn run(node: &mut TestNode) -> Script<'_> {
    let mut script = Script { node, digests: Vec::new(), late: None, favoured: None, refused: 0 };
    for slot in 1..=SLOTS {
        script.slot(slot);
    }
    script
}

pub fn digest_of(digests: &[Root]) -> Root {
    let bytes: Vec<u8> = digests.iter().flat_map(|digest| digest.0).collect();
    tree_hash::merkle_root(&bytes, 0)
}

/// A chain that is about to finalize slot 1, and then, in one update, the block that does so, an
/// attestation and an aggregate for slot 1.
pub fn stale_beside_its_block(node: &mut TestNode) -> Root {
    node.set_aggregator(true);
    node.tick_to(first_interval(5), false);
    let world = node.world();
    let zero = world.resource::<Head>().0;
    let mut parent = State::clone(world.resource::<States>().get(&zero.root).expect("genesis"));
    let mut chain = vec![zero];
    let mut blocks = Vec::new();
    for slot in 1..=3 {
        let (head, source) = (chain[chain.len() - 1], chain[chain.len().saturating_sub(2)]);
        let data = AttestationData { slot, head, target: head, source };
        let votes = if slot == 1 { vec![] } else { vec![aggregated(data, &[0, 1, 2, 3, 4, 5])] };
        let (block, state) = build_on(&parent, slot, votes).expect("a valid block");
        chain.push(Checkpoint { root: block.tree_hash_root(), slot });
        parent = state;
        blocks.push(signed(block));
    }
    let last = blocks.pop().expect("three blocks");
    for block in blocks {
        assert_eq!(node.block(block), Verdict::Accepted);
    }
    let stale = AttestationData { slot: 4, head: chain[1], target: chain[1], source: zero };
    let block = node.offer_block(last);
    let others = [
        node.offer_aggregate(aggregate(stale, &[0, 1])),
        node.offer_attestation(attested_by(stale, 2)),
    ];
    for id in others.into_iter().chain([block]) {
        assert_eq!(node.verdict(id), Verdict::Accepted);
    }
    assert_eq!(node.world().resource::<Finalized>().0, chain[1]);
    world_digest(node.world())
}

/// The events of a replay.
#[derive(Debug, Default)]
pub struct Seen {
    pub finalized_slot: Slot,
    pub blocks: usize,
    pub forks: usize,
    pub reorganisations: usize,
    pub aggregates_made: usize,
    pub refused: usize,
}

#[derive(Resource, Default)]
struct Counts {
    reorganisations: usize,
    aggregates_made: usize,
}

fn count(
    mut heads: MessageReader<HeadChanged>,
    mut aggregates: MessageReader<AggregateProduced>,
    mut counts: ResMut<Counts>,
) {
    counts.reorganisations += heads.read().filter(|head| head.reorg_depth > 0).count();
    counts.aggregates_made += aggregates.read().count();
}

pub fn observe(setup: Setup) -> Seen {
    let count_all = |app: &mut App| {
        let count = count.after(quintet_components::schedule::NodeSystems::Import);
        app.init_resource::<Counts>().add_systems(Update, count);
    };
    let mut node = TestNode::new(setup.with(count_all));
    let refused = run(&mut node).refused;
    let world = node.world();
    let counts = world.resource::<Counts>();
    let tree = world.resource::<BlockTree>();
    Seen {
        finalized_slot: world.resource::<Finalized>().0.slot,
        blocks: tree.len(),
        forks: tree.iter().filter(|(id, _)| tree.children(*id).count() > 1).count(),
        reorganisations: counts.reorganisations,
        aggregates_made: counts.aggregates_made,
        refused,
    }
}

struct Script<'a> {
    node: &'a mut TestNode,
    digests: Vec<Root>,
    /// A block that its proposer sent too late.
    late: Option<SignedBlock>,
    /// A block beside the head that this slot's validators prefer.
    favoured: Option<Checkpoint>,
    refused: usize,
}

impl Script<'_> {
    fn slot(&mut self, slot: Slot) {
        let first = first_interval(slot);
        self.node.set_aggregator(slot % 6 != 1);
        self.node.tick_to(first, slot.is_multiple_of(2));
        self.propose(slot);
        self.node.tick_to(first + 1, false);
        self.attest(slot);
        self.node.tick_to(first + 2, false);
        self.node.tick_to(first + 3, false);
        if let Some(block) = self.late.take() {
            self.blocks(vec![block]);
        }
        if slot % 6 == 1 {
            // While the node does not aggregate, others do.
            let data = produce_attestation_data(self.node.world(), slot);
            self.aggregates(vec![aggregate(data, &[0, 1, 2]), aggregate(data, &[2, 3, 4, 5])]);
        }
        self.node.tick_to(first + 4, false);
        let digest = world_digest(self.node.world());
        self.digests.push(digest);
    }

    /// A block on this parent with what the node would put into it.
    fn build(&mut self, parent: Root, slot: Slot) -> Block {
        let proposer = proposer_for_slot(slot, 8).expect("eight validators");
        let inputs = BlockInputs::on_parent(self.node.world(), parent, slot, proposer);
        let inputs = inputs.expect("the parent is known and the proposer right");
        build_block(&inputs, &MockedProofs, &CancelToken::default()).expect("buildable").block
    }

    /// The head, or its parent when the head is already of this slot.
    fn base(&mut self, slot: Slot) -> Root {
        let head = self.node.world().resource::<Head>().0;
        if head.slot < slot { head.root } else { self.parent_of(head.root).expect("not genesis") }
    }

    fn parent_of(&mut self, root: Root) -> Option<Root> {
        let tree = self.node.world().resource::<BlockTree>();
        Some(tree[tree.parent(tree.find(&root)?)?].root)
    }

    fn propose(&mut self, slot: Slot) {
        let head = self.base(slot);
        let block = self.build(head, slot);
        match slot % 12 {
            3 => {}
            4 => self.late = Some(signed(block)),
            5 | 10 => {
                // The proposer signs a second block for its slot, without attestations.
                let parent = Arc::clone(self.state(head));
                let (other, _) = build_on(&parent, slot, Vec::new()).expect("a valid block");
                self.blocks(vec![signed(block), signed(other)]);
            }
            6 | 9 => {
                // The proposer has not seen the newest block, nor does it know its own place.
                let parent = self.parent_of(head).unwrap_or(head);
                let fork = self.build(parent, slot);
                if slot % 12 == 6 {
                    self.favoured = Some(Checkpoint { root: fork.tree_hash_root(), slot });
                }
                let foreign = Block { proposer_index: (slot + 1) % 8, ..fork.clone() };
                self.blocks(vec![signed(fork), signed(foreign)]);
            }
            8 => {
                // A chain that arrives at once, its first block twice.
                let parent = Arc::clone(self.state(head));
                let (first, state) = build_on(&parent, slot, Vec::new()).expect("a valid block");
                let (second, _) = build_on(&state, slot + 1, Vec::new()).expect("a valid block");
                let orphan = Block { parent_root: Root::repeat_byte(7), ..second.clone() };
                let repeat = signed(first.clone());
                self.blocks(vec![signed(first), repeat, signed(second), signed(orphan)]);
            }
            _ => self.blocks(vec![signed(block)]),
        }
    }

    fn state(&mut self, root: Root) -> &Arc<State> {
        self.node.world().resource::<States>().get(&root).expect("a recent block")
    }

    fn attest(&mut self, slot: Slot) {
        let mut data = produce_attestation_data(self.node.world(), slot);
        if let Some(head) = self.favoured.take()
            && self.node.world().resource::<BlockTree>().is_ancestor(data.target, head)
        {
            data.head = head;
        }
        let mut votes: Vec<_> = (0..6).map(|index| attested_by(data, index)).collect();
        if let Some(other) = self.other_attestation(&data) {
            match slot % 9 {
                // One validator attests twice; the second attestation arrives first.
                2 => votes.insert(0, attested_by(other, 3)),
                // Half of them see another head.
                5 => {
                    votes
                        .splice(0..3, (0..3).map(|index| attested_by(other, index)))
                        .for_each(drop);
                }
                _ => {}
            }
            if slot % 9 == 4 {
                self.aggregates(vec![aggregate(other, &[4, 5, 6]), aggregate(data, &[5, 6, 7])]);
            }
        }
        votes.push(attested_by(data, 99));
        votes.push(attested_by(data, 0));
        let ids: Vec<InputId> =
            votes.into_iter().map(|vote| self.node.offer_attestation(vote)).collect();
        let aggregates =
            vec![aggregate(data, &[6]), aggregate(data, &[6, 7]), aggregate(data, &[])];
        self.aggregates(aggregates);
        self.judge(ids);
    }

    /// The same attestation for the head's parent.
    fn other_attestation(&mut self, data: &AttestationData) -> Option<AttestationData> {
        let tree = self.node.world().resource::<BlockTree>();
        let parent = tree.parent(tree.find(&data.head.root)?)?;
        let head = Checkpoint { root: tree[parent].root, slot: tree.slot(parent) };
        (head.slot >= data.target.slot).then_some(AttestationData { head, ..*data })
    }

    /// All of them arrive before the next update.
    fn blocks(&mut self, blocks: Vec<SignedBlock>) {
        let ids = blocks.into_iter().map(|block| self.node.offer_block(block)).collect();
        self.judge(ids);
    }

    fn aggregates(&mut self, aggregates: Vec<SignedAggregatedAttestation>) {
        let offered = aggregates.into_iter().map(|each| self.node.offer_aggregate(each));
        let ids = offered.collect();
        self.judge(ids);
    }

    fn judge(&mut self, ids: Vec<InputId>) {
        for id in ids {
            if let Verdict::Rejected(_) = self.node.verdict(id) {
                self.refused += 1;
            }
        }
    }
}
