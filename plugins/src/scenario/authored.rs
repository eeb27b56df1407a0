//! The payloads that the author of a block step had before the block was imported.
//!
//! The vectors' blocks were built by a proposer that aggregated attestations of its own, and the
//! store then knew its payloads. A step shows them only in its snapshot: by the root of the
//! attestation data, and the participants. They are an input of the step, because a node cannot
//! compute them, so they are put into the known pool before the import. Payloads that the node
//! makes from its own pools are never added.

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

/// The aggregates for one attestation, as in a vector's snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PayloadPoolEntry {
    /// The root of the attestation data.
    pub data_root: Root,
    /// The participants of each aggregate, ascending.
    pub participant_sets: Vec<Vec<u64>>,
}

/// The content of a pool, by the root of the attestation data.
pub fn payload_pool<P: Pool>(world: &World, phase: Phase) -> Vec<PayloadPoolEntry> {
    let mut entries: Vec<_> = pool::members::<P>(world)
        .into_iter()
        .filter_map(|attestation| {
            Some((attestation, world.get::<PooledAttestation>(attestation)?.root))
        })
        .map(|(attestation, data_root)| {
            let mut participant_sets: Vec<Vec<u64>> = pool::payloads(world, attestation, phase)
                .map(|(_, payload)| payload.participants.indices().collect())
                .collect();
            participant_sets.sort_unstable();
            PayloadPoolEntry { data_root, participant_sets }
        })
        .collect();
    entries.sort_by_key(|entry| entry.data_root);
    entries
}

/// Adds those aggregates of a block's author to the known pool that are not in it.
///
/// # Errors
/// One is for an attestation that neither the block nor the world's blocks allow, or has
/// participants that no registry has.
pub(super) fn add_aggregates(
    world: &mut World,
    block: &Block,
    expected: &[PayloadPoolEntry],
) -> Result<(), ReadError> {
    let actual = payload_pool::<Known>(world, Phase::Known);
    let validators = world.resource::<Registry>().len() as u64;
    let mut sources = Sources::new(world, block);
    for (index, (root, participants)) in missing(&actual, expected).into_iter().enumerate() {
        let data = sources.find(world, root).ok_or_else(|| {
            ReadError(format!("no attestation over known blocks has the root {root}"))
        })?;
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

/// The payloads that the expected pool has and the actual one lacks, as often as they are missing.
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

/// The places in which attestation data can be found by its root.
struct Sources {
    known: HashMap<Root, AttestationData>,
    searched: bool,
}

impl Sources {
    fn new(world: &mut World, block: &Block) -> Self {
        let mut attestations = world.query::<&PooledAttestation>();
        let pooled =
            attestations.iter(world).map(|attestation| (attestation.root, attestation.data));
        let body = block.body.attestations.iter();
        let body = body.map(|each| (each.data.tree_hash_root(), each.data));
        Self { known: pooled.chain(body).collect(), searched: false }
    }

    fn find(&mut self, world: &World, root: Root) -> Option<AttestationData> {
        if !self.known.contains_key(&root) && !self.searched {
            // An attestation that the proposer left out: searches all possible attestations over
            // known blocks.
            self.searched = true;
            self.known.extend(all_attestations(world));
        }
        self.known.get(&root).copied()
    }
}

/// The largest number of attestations that [`all_attestations`] makes: their number is cubic in
/// that of the blocks.
const MAX_SEARCHED_ATTESTATIONS: usize = 1 << 18;

/// Every attestation that blocks of the tree allow, by its root.
fn all_attestations(world: &World) -> HashMap<Root, AttestationData> {
    let blocks: Vec<Checkpoint> = world
        .resource::<BlockTree>()
        .iter()
        .map(|(_, block)| Checkpoint { root: block.root, slot: block.slot })
        .collect();
    let newest = blocks.iter().map(|block| block.slot).max().unwrap_or(0) + 2;
    let mut attestations = HashMap::new();
    for head in &blocks {
        for target in blocks.iter().filter(|target| target.slot <= head.slot) {
            for source in blocks.iter().filter(|source| source.slot <= target.slot) {
                for slot in head.slot..=newest {
                    if attestations.len() == MAX_SEARCHED_ATTESTATIONS {
                        return attestations;
                    }
                    let data =
                        AttestationData { slot, head: *head, target: *target, source: *source };
                    attestations.insert(data.tree_hash_root(), data);
                }
            }
        }
    }
    attestations
}
