//! The store snapshot of a vector, and the same of a world.

use bevy_ecs::prelude::*;
use libtest_mimic::Failed;
use quintet_components::{
    attestations::{Known, New, Phase, Pool, PooledAttestation, Signed},
    chain::{Finalized, Head, Justified, SafeTarget},
    clock::CurrentInterval,
    containers::{Checkpoint, Root},
    tree::BlockTree,
};
use quintet_plugins::scenario::{PayloadPoolEntry, payload_pool};
use quintet_systems::{fork_choice::block_weights, pool};
use serde::{Deserialize, Serialize};

use crate::vectors::same;

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Snapshot {
    pub time: u64,
    pub head_root: Root,
    pub safe_target_root: Root,
    pub latest_justified: Checkpoint,
    pub latest_finalized: Checkpoint,
    pub block_roots: Vec<Root>,
    pub block_weights: Vec<BlockWeight>,
    pub attestation_signatures: Vec<SignaturePoolEntry>,
    pub new_aggregated_payloads: Vec<PayloadPoolEntry>,
    pub known_aggregated_payloads: Vec<PayloadPoolEntry>,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BlockWeight {
    pub root: Root,
    pub weight: u32,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignaturePoolEntry {
    pub data_root: Root,
    pub validator_indices: Vec<u64>,
}

impl Snapshot {
    pub fn of(world: &mut World) -> Self {
        let block_weights = block_weights(world)
            .into_iter()
            .map(|(root, weight)| BlockWeight { root, weight })
            .collect();
        let mut block_roots: Vec<Root> =
            world.resource::<BlockTree>().iter().map(|(_, block)| block.root).collect();
        block_roots.sort_unstable();
        let mut attestation_signatures: Vec<_> = votes::<Signed>(world)
            .map(|(vote, data_root)| {
                let mut validator_indices: Vec<u64> =
                    pool::signatures(world, vote).map(|(_, each)| each.validator_index).collect();
                validator_indices.sort_unstable();
                SignaturePoolEntry { data_root, validator_indices }
            })
            .collect();
        attestation_signatures.sort_by_key(|entry| entry.data_root);
        Self {
            time: world.resource::<CurrentInterval>().count,
            head_root: world.resource::<Head>().0.root,
            safe_target_root: world.resource::<SafeTarget>().0.root,
            latest_justified: world.resource::<Justified>().0,
            latest_finalized: world.resource::<Finalized>().0,
            block_roots,
            block_weights,
            attestation_signatures,
            new_aggregated_payloads: payload_pool::<New>(world, Phase::New),
            known_aggregated_payloads: payload_pool::<Known>(world, Phase::Known),
        }
    }

    /// Field by field, so that a failure names the first that differs.
    pub fn compare(&self, actual: &Self) -> Result<(), Failed> {
        same("time", &actual.time, &self.time)?;
        same("blocks", &actual.block_roots, &self.block_roots)?;
        same("new payloads", &actual.new_aggregated_payloads, &self.new_aggregated_payloads)?;
        same("known payloads", &actual.known_aggregated_payloads, &self.known_aggregated_payloads)?;
        same("signatures", &actual.attestation_signatures, &self.attestation_signatures)?;
        same("justified", &actual.latest_justified, &self.latest_justified)?;
        same("weights", &actual.block_weights, &self.block_weights)?;
        same("head", &actual.head_root, &self.head_root)?;
        same("finalized", &actual.latest_finalized, &self.latest_finalized)?;
        same("safe target", &actual.safe_target_root, &self.safe_target_root)?;
        same("snapshot", actual, self)
    }
}

fn votes<P: Pool>(world: &World) -> impl Iterator<Item = (Entity, Root)> {
    pool::members::<P>(world)
        .into_iter()
        .filter_map(|vote| Some((vote, world.get::<PooledAttestation>(vote)?.root)))
}
