//! What the author of a block step did before the block was imported.
//!
//! The vectors' blocks were built by a proposer that aggregated votes of its own, and its
//! aggregates were then known to the store. A step tells them only in its snapshot: by the root
//! of the vote and the participants. They are an input of the step, not something that a node
//! could compute, so they are put into the known pool before the import. What the node itself
//! makes of its own pools is never put in. With the same pool, the node's own proposer must then
//! build the same body.

use std::{collections::HashMap, sync::Arc};

use bevy_ecs::prelude::*;
use libtest_mimic::Failed;
use quintet_components::{
    containers::{
        AggregationBits, AttestationData, Block, Checkpoint, ProofBytes, Root,
        SingleMessageAggregate,
    },
    tree::BlockTree,
    votes::{Phase, Vote},
};
use quintet_prover::CancelToken;
use quintet_systems::{
    fork_choice::pool,
    production::{BlockInputs, build_block},
};
use tree_hash::TreeHash;

use super::snapshot::{PayloadPoolEntry, Snapshot};
use crate::{support::mocked, vectors::same};

/// Puts the proposer's aggregates into the known pool, and checks the block against one that the
/// node builds from them.
pub fn replay(world: &mut World, block: &Block, expected: &Snapshot) -> Result<(), Failed> {
    if !world.resource::<BlockTree>().contains(&block.parent_root) {
        return Ok(());
    }
    let actual = Snapshot::of(world).known_aggregated_payloads;
    let missing = missing(&actual, &expected.known_aggregated_payloads);
    let mut sources = Sources::new(world, block);
    for (index, (root, participants)) in missing.into_iter().enumerate() {
        let data = sources
            .find(world, root)
            .ok_or_else(|| format!("no vote over known blocks has the root {root}"))?;
        let bytes = mocked::placeholder_of(&format!("{root} {participants:?} {index}"));
        let payload = SingleMessageAggregate {
            participants: AggregationBits::from_indices(participants.iter().copied())?,
            proof: ProofBytes::new(bytes).ok_or("a placeholder is short")?,
        };
        pool::add_payload(world, &data, Arc::new(payload), Phase::Known);
    }
    rebuild(world, block)
}

/// The payloads that the expected pool has and the actual one has not, counted as often as they
/// occur.
fn missing(actual: &[PayloadPoolEntry], expected: &[PayloadPoolEntry]) -> Vec<(Root, Vec<u64>)> {
    let mut have: HashMap<(Root, &Vec<u64>), usize> = HashMap::new();
    for entry in actual {
        for set in &entry.participant_sets {
            *have.entry((entry.data_root, set)).or_default() += 1;
        }
    }
    let mut missing = Vec::new();
    for entry in expected {
        for set in &entry.participant_sets {
            match have.get_mut(&(entry.data_root, set)) {
                Some(count) if *count > 0 => *count -= 1,
                _ => missing.push((entry.data_root, set.clone())),
            }
        }
    }
    missing
}

/// Where the content of a vote can be found by its root.
struct Sources {
    known: HashMap<Root, AttestationData>,
    searched: bool,
}

impl Sources {
    fn new(world: &mut World, block: &Block) -> Self {
        let mut votes = world.query::<&Vote>();
        let pooled = votes.iter(world).map(|vote| (vote.root, vote.data));
        let body = block.body.attestations.iter();
        let body = body.map(|each| (each.data.tree_hash_root(), each.data));
        Self { known: pooled.chain(body).collect(), searched: false }
    }

    fn find(&mut self, world: &World, root: Root) -> Option<AttestationData> {
        if !self.known.contains_key(&root) && !self.searched {
            // A vote that the proposer left out: every possible vote over known blocks.
            self.searched = true;
            self.known.extend(all_votes(world));
        }
        self.known.get(&root).copied()
    }
}

/// Every vote that blocks of the tree allow, by its root.
fn all_votes(world: &World) -> HashMap<Root, AttestationData> {
    let blocks: Vec<Checkpoint> = world
        .resource::<BlockTree>()
        .iter()
        .map(|(_, block)| Checkpoint { root: block.root, slot: block.slot })
        .collect();
    let newest = blocks.iter().map(|block| block.slot).max().unwrap_or(0) + 2;
    let mut votes = HashMap::new();
    for head in &blocks {
        for target in blocks.iter().filter(|target| target.slot <= head.slot) {
            for source in blocks.iter().filter(|source| source.slot <= target.slot) {
                for slot in head.slot..=newest {
                    let data =
                        AttestationData { slot, head: *head, target: *target, source: *source };
                    votes.insert(data.tree_hash_root(), data);
                }
            }
        }
    }
    votes
}

/// The node's own proposer builds the same body; attestations that the author forced past the
/// builder follow it.
fn rebuild(world: &World, block: &Block) -> Result<(), Failed> {
    let inputs =
        BlockInputs::on_parent(world, block.parent_root, block.slot, block.proposer_index)?;
    let built = build_block(&inputs, &mocked::MockedProofs, &CancelToken::default())?;
    let (ours, theirs) = (&built.block.body.attestations, &block.body.attestations);
    if theirs.len() > ours.len() {
        let prefix: Vec<_> = theirs.iter().take(ours.len()).collect();
        return same("the builder's part of the body", &ours.iter().collect(), &prefix);
    }
    same("the body that the node builds", ours, theirs)?;
    same("the state root that the node computes", &built.block.state_root, &block.state_root)
}
