//! The data from which a restarted node continues.

use std::sync::Arc;

use crate::{
    containers::{AggregationBits, AttestationData, Block, Checkpoint, Root, State},
    preset::SignaturePreset,
    tree::BlockNode,
};

/// The chain that a database belongs to.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ChainIdentity {
    /// The network's name, including its fork digest.
    pub network: String,
    /// Unix time of slot 0 in seconds.
    pub genesis_time: u64,
    /// The root of the validator registry, which no state transition changes.
    pub validators_root: Root,
    /// The signature preset.
    #[serde(with = "preset_name")]
    pub preset: SignaturePreset,
}

impl ChainIdentity {
    /// The fields in which a database's chain differs from a node's, each with both values, as part
    /// of a sentence.
    pub fn differences(database: &Self, node: &Self) -> String {
        let fields = [
            ("fork digest", database.network.clone(), node.network.clone()),
            ("genesis time", database.genesis_time.to_string(), node.genesis_time.to_string()),
            (
                "validators' root",
                database.validators_root.to_string(),
                node.validators_root.to_string(),
            ),
            ("preset", database.preset.to_string(), node.preset.to_string()),
        ];
        let differing = fields.into_iter().filter(|(_, database, node)| database != node);
        let told = differing
            .map(|(name, database, node)| format!("its {name} is {database}, this node's {node}"));
        told.collect::<Vec<_>>().join("; ")
    }

    /// The identity of this state's chain.
    pub fn of(state: &State, network: impl Into<String>, preset: SignaturePreset) -> Self {
        Self {
            network: network.into(),
            genesis_time: state.config.genesis_time,
            validators_root: tree_hash::TreeHash::tree_hash_root(&state.validators),
            preset,
        }
    }
}

mod preset_name {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::preset::SignaturePreset;

    pub(super) fn serialize<S: Serializer>(
        preset: &SignaturePreset,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(preset.name())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<SignaturePreset, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// The results of fork choice, besides the tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ForkChoiceFacts {
    /// The head.
    pub head: Checkpoint,
    /// The safe target.
    pub safe_target: Checkpoint,
    /// The justified checkpoint.
    pub justified: Checkpoint,
    /// The finalized checkpoint.
    pub finalized: Checkpoint,
}

/// An attestation that counts, and the validators whose latest vote it is. A record has no proof, so
/// these votes count only for the head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LatestVoteRecord {
    /// The attestation data.
    pub data: AttestationData,
    /// The validators.
    pub participants: AggregationBits,
}

/// The data that a world is rebuilt from. It is consistent.
#[derive(Clone, Debug)]
pub struct ResumeData {
    /// The finalized block.
    pub anchor_block: Block,
    /// The finalized block's post-state.
    pub anchor_state: Arc<State>,
    /// Every block of the tree, by slot and root.
    pub blocks: Vec<BlockNode>,
    /// The post-states of head, safe target, justified and finalized block, and of the newest
    /// blocks before the head.
    pub states: Vec<(Root, Arc<State>)>,
    /// The checkpoints.
    pub facts: ForkChoiceFacts,
    /// The saved latest votes.
    pub votes: Vec<LatestVoteRecord>,
}
