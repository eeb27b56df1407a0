//! What the author of a block step did before the block was imported.
//!
//! The vectors' blocks were built by a proposer that aggregated votes of its own, and its
//! aggregates were then known to the store. A step tells them only in its snapshot: by the root
//! of the vote and the participants. They are an input of the step, not something that a node
//! could compute, so they are put into the known pool before the import. What the node itself
//! makes of its own pools is never put in.

use std::{collections::HashMap, sync::Arc};

use bevy_ecs::prelude::*;
use quintet_components::{
    attestations::{Known, Phase, Pool, PooledAttestation},
    chain::Registry,
    containers::{
        AggregationBits, AttestationData, Block, Checkpoint, ProofBytes, Root,
        SingleMessageAggregate,
    },
    tree::BlockTree,
};
use quintet_systems::pool;
use serde::{Deserialize, Serialize};
use tree_hash::TreeHash;

use super::{placeholder::placeholder_of, read::ReadError};

/// The aggregates on one vote, as a vector's snapshot tells them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PayloadPoolEntry {
    /// Root of the vote's content.
    pub data_root: Root,
    /// The participants of each aggregate, ascending.
    pub participant_sets: Vec<Vec<u64>>,
}

/// What a pool holds, by the root of the vote.
pub fn payload_pool<P: Pool>(world: &World, phase: Phase) -> Vec<PayloadPoolEntry> {
    let mut entries: Vec<_> = pool::members::<P>(world)
        .into_iter()
        .filter_map(|vote| Some((vote, world.get::<PooledAttestation>(vote)?.root)))
        .map(|(vote, data_root)| {
            let mut participant_sets: Vec<Vec<u64>> = pool::payloads(world, vote, phase)
                .map(|(_, payload)| payload.participants.indices().collect())
                .collect();
            participant_sets.sort_unstable();
            PayloadPoolEntry { data_root, participant_sets }
        })
        .collect();
    entries.sort_by_key(|entry| entry.data_root);
    entries
}

/// Puts those aggregates of a block's author into the known pool that are not in it.
///
/// # Errors
/// One is on a vote that neither the block nor the world's blocks allow, or has participants that
/// no registry has.
pub(super) fn add_aggregates(
    world: &mut World,
    block: &Block,
    expected: &[PayloadPoolEntry],
) -> Result<(), ReadError> {
    let actual = payload_pool::<Known>(world, Phase::Known);
    let validators = world.resource::<Registry>().len() as u64;
    let mut sources = Sources::new(world, block);
    for (index, (root, participants)) in missing(&actual, expected).into_iter().enumerate() {
        let data = sources
            .find(world, root)
            .ok_or_else(|| ReadError(format!("no vote over known blocks has the root {root}")))?;
        if let Some(stranger) = participants.iter().find(|index| **index >= validators) {
            return Err(ReadError(format!("participant {stranger} of {validators} validators")));
        }
        let bytes = placeholder_of(&format!("{root} {participants:?} {index}"));
        let payload = SingleMessageAggregate {
            participants: AggregationBits::from_indices(participants.iter().copied())
                .map_err(|error| ReadError(format!("participants {participants:?}: {error}")))?,
            proof: ProofBytes::new(bytes).expect("a placeholder is short"),
        };
        pool::add_payload(world, &data, Arc::new(payload), Phase::Known);
    }
    Ok(())
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
        let mut votes = world.query::<&PooledAttestation>();
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

/// Votes that [`all_votes`] makes at most: their number is cubic in the blocks'.
const MAX_SEARCHED_VOTES: usize = 1 << 18;

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
                    if votes.len() == MAX_SEARCHED_VOTES {
                        return votes;
                    }
                    let data =
                        AttestationData { slot, head: *head, target: *target, source: *source };
                    votes.insert(data.tree_hash_root(), data);
                }
            }
        }
    }
    votes
}
