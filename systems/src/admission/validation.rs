//! What a vote must satisfy before its signature is worth checking.

use quintet_components::{
    constants::{GOSSIP_DISPARITY_INTERVALS, INTERVALS_PER_SLOT},
    containers::{AttestationData, Checkpoint, Slot},
    rejection::{Rejection, RejectionReason},
    tree::BlockTree,
};

/// Checks a vote against the tree and the time, in intervals since genesis: known blocks, ordered
/// slots, one chain, and a slot that has begun.
///
/// # Errors
/// The first of leanSpec's reasons that applies.
pub fn validate_attestation(
    data: &AttestationData,
    tree: &BlockTree,
    now_intervals: u64,
) -> Result<(), Rejection> {
    use RejectionReason as Reason;
    let AttestationData { slot, head, target, source } = *data;

    let slot_of = |checkpoint: Checkpoint, unknown: Reason| -> Result<Slot, Rejection> {
        let id = tree
            .find(&checkpoint.root)
            .ok_or_else(|| unknown.because(checkpoint.root.to_string()))?;
        Ok(tree.slot(id))
    };
    let source_slot = slot_of(source, Reason::UnknownSourceBlock)?;
    let target_slot = slot_of(target, Reason::UnknownTargetBlock)?;
    let head_slot = slot_of(head, Reason::UnknownHeadBlock)?;

    if source.slot > target.slot {
        return Err(Reason::SourceAfterTarget.because(format!("{} > {}", source.slot, target.slot)));
    }
    if head.slot < target.slot {
        return Err(Reason::HeadOlderThanTarget.because(format!("{} < {}", head.slot, target.slot)));
    }
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
    if slot < head.slot {
        return Err(Reason::AttestationSlotBeforeHead.because(format!("{slot} < {}", head.slot)));
    }
    // In slots, not intervals: a slot near 2^64 has no interval.
    let newest_slot = now_intervals.saturating_add(GOSSIP_DISPARITY_INTERVALS) / INTERVALS_PER_SLOT;
    if slot > newest_slot {
        return Err(Reason::AttestationTooFarInFuture
            .because(format!("slot {slot}, the newest admissible is {newest_slot}")));
    }
    Ok(())
}
