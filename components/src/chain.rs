//! What fork choice holds true: one resource a fact.

use std::{collections::BTreeMap, collections::HashMap, sync::Arc};

use bevy_ecs::prelude::Resource;

use crate::containers::{Checkpoint, GenesisConfig, PublicKey, Root, Slot, State, Validators};

/// The block that fork choice selects.
#[derive(Resource, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head(pub Checkpoint);

/// The block that a validator is safe to vote for.
#[derive(Resource, Clone, Copy, Debug, PartialEq, Eq)]
pub struct SafeTarget(pub Checkpoint);

/// The justified checkpoint of the highest slot seen.
#[derive(Resource, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Justified(pub Checkpoint);

/// The finalized checkpoint as the head's chain sees it. A reorganisation onto a chain that
/// finalized less lowers it.
#[derive(Resource, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finalized(pub Checkpoint);

/// The chain's genesis configuration.
#[derive(Resource, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Genesis(pub GenesisConfig);

/// Whether this node aggregates signatures.
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IsAggregator(pub bool);

/// The slot whose proposal has landed at its first interval, if any: pending votes are then
/// accepted at once.
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LandedProposal(pub Option<Slot>);

/// The validators. No transition of this fork changes a registry, so the anchor's serves every
/// block.
#[derive(Resource, Clone, Debug)]
pub struct Registry(Arc<RegistryKeys>);

#[derive(Debug)]
struct RegistryKeys {
    attestation: Vec<PublicKey>,
    proposal: Vec<PublicKey>,
}

impl Registry {
    /// The keys of these validators.
    pub fn new(validators: &Validators) -> Self {
        let keys = |key: fn(&crate::containers::Validator) -> PublicKey| {
            validators.iter().map(key).collect()
        };
        Self(Arc::new(RegistryKeys {
            attestation: keys(|validator| validator.attestation_public_key),
            proposal: keys(|validator| validator.proposal_public_key),
        }))
    }

    /// How many validators there are.
    pub fn len(&self) -> usize {
        self.0.attestation.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.attestation.is_empty()
    }

    /// The key that verifies this validator's votes.
    pub fn attestation_key(&self, index: u64) -> Option<&PublicKey> {
        self.0.attestation.get(usize::try_from(index).ok()?)
    }

    /// The key that verifies this validator's blocks.
    pub fn proposal_key(&self, index: u64) -> Option<&PublicKey> {
        self.0.proposal.get(usize::try_from(index).ok()?)
    }
}

/// The post-states of recent blocks. Bounded: the oldest slots go first, but never the states
/// that are held.
#[derive(Resource, Debug)]
pub struct States {
    by_root: HashMap<Root, Arc<State>>,
    by_slot: BTreeMap<(Slot, Root), ()>,
    limit: usize,
}

/// States kept by default. Consecutive states share what their blocks did not touch.
pub const DEFAULT_STATES: usize = 1024;

impl States {
    /// A cache of at most `limit` states, those that are held not counted.
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

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_root.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_root.is_empty()
    }

    /// Drops the oldest beyond the limit, except `held`. Returns how many went.
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
