//! The results of fork choice: one resource each.

use std::{collections::BTreeMap, collections::HashMap, sync::Arc};

use bevy_ecs::prelude::Resource;

use crate::containers::{Checkpoint, GenesisConfig, PublicKey, Root, Slot, State, Validators};

/// The block that fork choice selects.
#[derive(Resource, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head(pub Checkpoint);

/// The block that a validator can safely attest to as its target.
#[derive(Resource, Clone, Copy, Debug, PartialEq, Eq)]
pub struct SafeTarget(pub Checkpoint);

/// The justified checkpoint of the highest slot seen.
#[derive(Resource, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Justified(pub Checkpoint);

/// The finalized checkpoint of the head's chain. It decreases if the head moves to a chain that has
/// finalized less.
#[derive(Resource, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finalized(pub Checkpoint);

/// The chain's genesis configuration.
#[derive(Resource, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Genesis(pub GenesisConfig);

/// True if this node aggregates signatures.
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IsAggregator(pub bool);

/// The slot whose block the node has proposed in the first interval, if any. Pending attestations
/// are then accepted at once.
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LandedProposal(pub Option<Slot>);

/// The keys of the validators. No state transition changes the registry, so the anchor's registry
/// is valid for every block.
#[derive(Resource, Clone, Debug)]
pub struct Registry(Arc<RegistryKeys>);

#[derive(Debug)]
struct RegistryKeys {
    attestation: Vec<PublicKey>,
    proposal: Vec<PublicKey>,
}

impl Registry {
    /// Takes the keys from a registry.
    pub fn new(validators: &Validators) -> Self {
        let keys = |key: fn(&crate::containers::Validator) -> PublicKey| {
            validators.iter().map(key).collect()
        };
        Self(Arc::new(RegistryKeys {
            attestation: keys(|validator| validator.attestation_public_key),
            proposal: keys(|validator| validator.proposal_public_key),
        }))
    }

    /// The number of validators.
    pub fn len(&self) -> usize {
        self.0.attestation.len()
    }

    /// Returns true if there are none.
    pub fn is_empty(&self) -> bool {
        self.0.attestation.is_empty()
    }

    /// The key that verifies this validator's attestations.
    pub fn attestation_key(&self, index: u64) -> Option<&PublicKey> {
        self.0.attestation.get(usize::try_from(index).ok()?)
    }

    /// The key that verifies this validator's blocks.
    pub fn proposal_key(&self, index: u64) -> Option<&PublicKey> {
        self.0.proposal.get(usize::try_from(index).ok()?)
    }
}

/// A bounded cache of post-states. The lowest slots are dropped first, but never those of head,
/// safe target, justified and finalized block.
#[derive(Resource, Debug)]
pub struct States {
    by_root: HashMap<Root, Arc<State>>,
    by_slot: BTreeMap<(Slot, Root), ()>,
    limit: usize,
}

/// The default number of states. Consecutive states share what their blocks did not change.
pub const DEFAULT_STATES: usize = 1024;

impl States {
    /// A cache of at most `limit` states, not counting those that must be kept.
    pub fn new(limit: usize) -> Self {
        Self { by_root: HashMap::new(), by_slot: BTreeMap::new(), limit }
    }

    /// The post-state of a block.
    pub fn get(&self, root: &Root) -> Option<&Arc<State>> {
        self.by_root.get(root)
    }

    /// Adds a block's post-state.
    pub fn insert(&mut self, root: Root, state: Arc<State>) {
        self.by_slot.insert((state.slot, root), ());
        self.by_root.insert(root, state);
    }

    /// The number of states.
    pub fn len(&self) -> usize {
        self.by_root.len()
    }

    /// Returns true if there are none.
    pub fn is_empty(&self) -> bool {
        self.by_root.is_empty()
    }

    /// Drops the lowest slots beyond the limit, except the states in `held`. Returns how many were
    /// dropped.
    pub fn shrink(&mut self, held: &[Root]) -> usize {
        let excess = self.by_root.len().saturating_sub(self.limit + held.len());
        let oldest: Vec<(Slot, Root)> = self
            .by_slot
            .keys()
            .filter(|(_, root)| !held.contains(root))
            .take(excess)
            .copied()
            .collect();
        for key in &oldest {
            self.by_slot.remove(key);
            self.by_root.remove(&key.1);
        }
        oldest.len()
    }
}

impl Default for States {
    fn default() -> Self {
        Self::new(DEFAULT_STATES)
    }
}
