//! The data that a validator attests to.

use bevy_ecs::{prelude::*, system::SystemParam};
use quintet_components::{
    chain::{Finalized, Head, SafeTarget},
    constants::JUSTIFICATION_LOOKBACK_SLOTS,
    containers::{AttestationData, Checkpoint, Root, Slot},
    tree::{BlockTree, NodeId},
};

use crate::transition::is_justifiable_after;

/// The target to attest to: from the head a few steps back towards the safe target, then back to a
/// slot that can be justified, but never behind the finalized block.
pub fn attestation_target(
    tree: &BlockTree,
    head: NodeId,
    safe_target_slot: Slot,
    finalized_slot: Slot,
) -> Checkpoint {
    let lower_bound = safe_target_slot.max(finalized_slot);
    let parent = |id: NodeId| tree.parent(id).filter(|_| tree.slot(id) > finalized_slot);
    let mut target = head;
    for _ in 0..JUSTIFICATION_LOOKBACK_SLOTS {
        match parent(target) {
            Some(above) if tree.slot(target) > lower_bound => target = above,
            _ => break,
        }
    }
    while !is_justifiable_after(tree.slot(target), finalized_slot) {
        match parent(target) {
            Some(above) => target = above,
            None => break,
        }
    }
    Checkpoint { root: tree[target].root, slot: tree.slot(target) }
}

/// The facts of fork choice that an attestation needs.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The blocks.
    pub tree: &'a BlockTree,
    /// The head's root.
    pub head: Root,
    /// The safe target's slot.
    pub safe_target_slot: Slot,
    /// The finalized slot.
    pub finalized_slot: Slot,
}

/// The attestation data for a slot. Every node that knows the same blocks accepts it.
///
/// The attested head is not newer than the slot: while the clock is behind that of the head's
/// author, it is the newest ancestor that is not. The target is not older than the source: if it
/// would be, it is the source, and the attestation only adds weight for the head.
///
/// Returns nothing if no block of the head's chain since the finalized one is as old as the slot.
pub fn attestation_data(facts: &Facts<'_>, slot: Slot) -> Option<AttestationData> {
    let Facts { tree, head, safe_target_slot, finalized_slot } = *facts;
    let mut id = tree.find(&head)?;
    while tree.slot(id) > slot {
        id = tree.parent(id)?;
    }
    if tree.slot(id) < finalized_slot {
        return None;
    }
    let head = Checkpoint { root: tree[id].root, slot: tree.slot(id) };
    // The head's own justified checkpoint and not that of fork choice, which a minority fork may
    // have changed. Before the first block it has no root yet, and the head is genesis.
    let mut source = tree[id].justified;
    if source.root == Root::ZERO {
        source.root = head.root;
    }
    let mut target = attestation_target(tree, id, safe_target_slot, finalized_slot);
    if target.slot < source.slot {
        target = source;
    }
    Some(AttestationData { slot, head, target, source })
}

/// The resources from which the node attests.
#[derive(SystemParam)]
pub struct Sight<'w> {
    tree: Res<'w, BlockTree>,
    head: Res<'w, Head>,
    safe_target: Res<'w, SafeTarget>,
    finalized: Res<'w, Finalized>,
}

impl Sight<'_> {
    /// [`attestation_data`] for the current chain.
    pub fn attestation_data(&self, slot: Slot) -> Option<AttestationData> {
        let facts = Facts {
            tree: &self.tree,
            head: self.head.0.root,
            safe_target_slot: self.safe_target.0.slot,
            finalized_slot: self.finalized.0.slot,
        };
        attestation_data(&facts, slot)
    }
}

/// The attestation data for a slot in this world; for owners of a whole world, such as tests.
///
/// # Panics
/// If there is none, or if the world has no chain.
pub fn produce_attestation_data(world: &World, slot: Slot) -> AttestationData {
    let facts = Facts {
        tree: world.resource::<BlockTree>(),
        head: world.resource::<Head>().0.root,
        safe_target_slot: world.resource::<SafeTarget>().0.slot,
        finalized_slot: world.resource::<Finalized>().0.slot,
    };
    attestation_data(&facts, slot).expect("a block of the head's chain is as old as the slot")
}
