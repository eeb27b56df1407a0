//! The checks of an attestation before its signature.

use RejectionReason as Reason;
use bevy_ecs::{prelude::*, system::SystemParam};
use quintet_components::{
    chain::Finalized,
    containers::{AttestationData, Checkpoint, Root, Slot},
    rejection::{Rejection, RejectionReason},
    rules::Rules,
    tree::BlockTree,
};

use super::clock::check_attestation_slot;
use crate::pool::is_passed;

/// Checks an attestation against the tree, the latest finalized block and the time, in intervals
/// since genesis: its blocks are known, its slots are ordered, its checkpoints are on one chain,
/// and its slot has begun.
///
/// # Errors
/// The first of leanSpec's reasons that applies.
pub fn validate_attestation(
    data: &AttestationData,
    tree: &BlockTree,
    finalized: Checkpoint,
    now_intervals: u64,
) -> Result<(), Rejection> {
    check_consistency(data, tree, Some(finalized))?;
    check_attestation_slot(data.slot, now_intervals)
}

/// The data against which attestations are checked.
#[derive(SystemParam)]
pub struct Ground<'w> {
    tree: Res<'w, BlockTree>,
    finalized: Res<'w, Finalized>,
    rules: Res<'w, Rules>,
}

impl Ground<'_> {
    /// Does the checks of [`validate_attestation`] that do not depend on the time.
    pub(super) fn check(&self, data: &AttestationData) -> Result<(), Rejection> {
        let finalized = self.rules.is_head_bound.then_some(self.finalized.0);
        check_consistency(data, &self.tree, finalized)
    }

    /// Checks the slot against the time in intervals since genesis. If an attestation is too early,
    /// its other faults are reported first, as in leanSpec.
    pub(super) fn check_horizon(&self, data: &AttestationData, now: u64) -> Result<(), Rejection> {
        let is_timely = check_attestation_slot(data.slot, now);
        is_timely.map_err(|early| self.check(data).err().unwrap_or(early))
    }

    /// Returns true if the block is in the tree.
    pub(super) fn knows(&self, root: &Root) -> bool {
        self.tree.contains(root)
    }

    /// Returns true if finality has passed the attestation.
    pub(super) fn is_passed(&self, data: &AttestationData) -> bool {
        is_passed(&self.tree, self.finalized.0, data)
    }

    /// The number of different attestations of one validator that are kept per slot.
    pub(super) fn places(&self) -> usize {
        self.rules.places
    }
}

/// The checks of [`validate_attestation`] that do not depend on the time.
fn check_consistency(
    data: &AttestationData,
    tree: &BlockTree,
    finalized: Option<Checkpoint>,
) -> Result<(), Rejection> {
    let AttestationData { head, target, source, .. } = *data;
    let slot_of = |checkpoint: Checkpoint, unknown: Reason| -> Result<Slot, Rejection> {
        let id = tree
            .find(&checkpoint.root)
            .ok_or_else(|| unknown.because(checkpoint.root.to_string()))?;
        Ok(tree.slot(id))
    };
    let source_slot = slot_of(source, Reason::UnknownSourceBlock)?;
    let target_slot = slot_of(target, Reason::UnknownTargetBlock)?;
    let head_slot = slot_of(head, Reason::UnknownHeadBlock)?;

    check_order(data)?;
    for (checkpoint, block_slot, reason) in [
        (source, source_slot, Reason::SourceSlotMismatch),
        (target, target_slot, Reason::TargetSlotMismatch),
        (head, head_slot, Reason::HeadSlotMismatch),
    ] {
        if checkpoint.slot != block_slot {
            return Err(reason.because(format!("{}, the block's is {block_slot}", checkpoint.slot)));
        }
    }
    if !tree.is_ancestor(source, target) {
        return Err(Reason::SourceNotAncestorOfTarget
            .because(format!("{} is not on the chain of {}", source.root, target.root)));
    }
    if !tree.is_ancestor(target, head) {
        return Err(Reason::TargetNotAncestorOfHead
            .because(format!("{} is not on the chain of {}", target.root, head.root)));
    }
    if let Some(finalized) = finalized.filter(|finalized| !tree.is_ancestor(*finalized, head)) {
        return Err(Reason::HeadNotDescendantOfFinalized.because(format!(
            "{} does not descend from {} at slot {}",
            head.root, finalized.root, finalized.slot
        )));
    }
    check_not_before_head(data)
}

/// Makes the checks that are possible for an attestation that names an unknown block.
pub(super) fn check_alone(data: &AttestationData) -> Result<(), Rejection> {
    check_order(data)?;
    check_not_before_head(data)
}

/// Returns true if a rejection is for a block that may still arrive.
pub(super) const fn is_for_unknown_block(rejection: &Rejection) -> bool {
    matches!(
        rejection.reason,
        Reason::UnknownHeadBlock | Reason::UnknownSourceBlock | Reason::UnknownTargetBlock
    )
}

/// Returns true if a rejection is for a head that finality has passed.
pub(super) const fn is_for_finality(rejection: &Rejection) -> bool {
    matches!(rejection.reason, Reason::HeadNotDescendantOfFinalized)
}

fn check_order(data: &AttestationData) -> Result<(), Rejection> {
    let AttestationData { head, target, source, .. } = data;
    if source.slot > target.slot {
        return Err(Reason::SourceAfterTarget.because(format!("{} > {}", source.slot, target.slot)));
    }
    if head.slot < target.slot {
        return Err(Reason::HeadOlderThanTarget.because(format!("{} < {}", head.slot, target.slot)));
    }
    Ok(())
}

fn check_not_before_head(data: &AttestationData) -> Result<(), Rejection> {
    if data.slot < data.head.slot {
        let text = format!("{} < {}", data.slot, data.head.slot);
        return Err(Reason::AttestationSlotBeforeHead.because(text));
    }
    Ok(())
}
