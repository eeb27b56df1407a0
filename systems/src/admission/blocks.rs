//! Blocks: those that may be imported, those that wait for their slot, and those that wait for
//! their parent.

use std::collections::HashSet;

use bevy_ecs::{prelude::*, system::SystemParam};
use quintet_components::{
    chain::Registry,
    constants::HISTORICAL_ROOTS_LIMIT,
    containers::{AttestationData, Block},
    messages::{
        BlockOrphaned, BlockReceived, BlockRefused, IgnoreReason, InputJudged, Source, Verdict,
    },
    planted::{Planted, is_planted},
    rejection::{Rejection, RejectionReason},
    storage::StorageHealth,
    sync::Orphans,
};

use super::clock::{LocalTime, check_block_slot, is_early};
use crate::{
    fork_choice::{
        early::EarlyBlocks,
        import::{ImportQueue, ParentStates, unknown_parent},
    },
    transition::proposer_for_slot,
};

/// The resources that admit a block to its import.
#[derive(SystemParam)]
pub struct BlockRoad<'w> {
    time: LocalTime<'w>,
    registry: Res<'w, Registry>,
    parents: ParentStates<'w>,
    health: Option<Res<'w, StorageHealth>>,
    queue: ResMut<'w, ImportQueue>,
    early: ResMut<'w, EarlyBlocks>,
    orphans: Option<Res<'w, Orphans>>,
    orphaned: MessageWriter<'w, BlockOrphaned>,
    refused: MessageWriter<'w, BlockRefused>,
    judged: MessageWriter<'w, InputJudged>,
}

/// The destination of a block that passed the checks.
enum Place {
    Import,
    /// It waits for its slot.
    Early,
    /// It waits for its parent.
    Orphan,
}

/// Admits blocks: first those that are no longer early, then those that have arrived.
pub fn admit_blocks(mut received: MessageReader<BlockReceived>, mut road: BlockRoad) {
    let now = road.time.intervals();
    for due in road.early.take_due(|slot| !is_early(slot, now)) {
        road.admit(due);
    }
    for block in received.read() {
        road.admit(block.clone());
    }
}

impl BlockRoad<'_> {
    fn admit(&mut self, received: BlockReceived) {
        let id = received.id;
        let outcome = match self.judge(&received) {
            Err(verdict) => Err(verdict),
            Ok(Place::Early) => self.hold_early(received).map_err(Verdict::Ignored),
            Ok(Place::Import) => self.queue.push(received).map_err(Verdict::Ignored),
            Ok(Place::Orphan) => self.hold_orphan(received).map_err(Verdict::Rejected),
        };
        if let Err(verdict) = outcome {
            self.judged.write(InputJudged { id, verdict });
        }
    }

    fn judge(&mut self, received: &BlockReceived) -> Result<Place, Verdict> {
        let block = &received.block.block;
        // Clock horizon.
        let has_horizon = !is_planted(Planted::NoClockHorizon);
        if has_horizon {
            check_block_slot(block.slot, self.time.slot()).map_err(Verdict::Rejected)?;
        }
        let is_early = has_horizon
            && received.source != Source::Local
            && is_early(block.slot, self.time.intervals());
        // Registry.
        check_proposer(block, self.registry.len()).map_err(Verdict::Rejected)?;
        // Novelty.
        let tree = self.parents.tree();
        if tree.contains(&received.root) || self.queue.contains(&received.root) {
            return Err(Verdict::Ignored(IgnoreReason::KnownBlock));
        }
        // Consistency. The block's destination checks the limits.
        if let Err(rejection) = self.check_consistency(block) {
            self.refused.write(BlockRefused { root: received.root, reason: rejection.reason });
            return Err(Verdict::Rejected(rejection));
        }
        let parent = &block.parent_root;
        let has_parent = self.parents.contains(parent) || self.queue.contains(parent);
        if is_early {
            Ok(Place::Early)
        } else if !has_parent {
            Ok(Place::Orphan)
        } else if self.health.as_ref().is_none_or(|health| health.can_import()) {
            Ok(Place::Import)
        } else {
            Err(Verdict::Ignored(IgnoreReason::StorageBehind))
        }
    }

    /// Makes the checks that need no post-state of the parent.
    fn check_consistency(&self, block: &Block) -> Result<(), Rejection> {
        check_distinct(block)?;
        let tree = self.parents.tree();
        let in_tree = tree.find(&block.parent_root).map(|parent| tree.slot(parent));
        match in_tree.or_else(|| self.queue.slot_of(&block.parent_root)) {
            Some(parent_slot) => check_gap(block, parent_slot),
            None => Ok(()),
        }
    }

    fn hold_early(&mut self, received: BlockReceived) -> Result<(), IgnoreReason> {
        let slot = received.block.block.slot;
        tracing::debug!(slot, root = %received.root, "a block arrived early and waits");
        if let Some(displaced) = self.early.hold(received)? {
            let verdict = Verdict::Ignored(IgnoreReason::Early);
            self.judged.write(InputJudged { id: displaced.id, verdict });
        }
        Ok(())
    }

    /// Passes a block without a parent to sync, if the node has sync.
    fn hold_orphan(&mut self, received: BlockReceived) -> Result<(), Rejection> {
        let block = &received.block.block;
        // A parent that is in the tree without its state will not arrive again.
        let may_come = !self.parents.tree().contains(&block.parent_root);
        if self.orphans.is_some() && may_come {
            self.orphaned.write(BlockOrphaned(received));
            Ok(())
        } else {
            Err(unknown_parent(block))
        }
    }
}

/// Checks that the proposer is in the registry.
fn check_proposer(block: &Block, validators: usize) -> Result<(), Rejection> {
    let Block { slot, proposer_index, .. } = block;
    if usize::try_from(*proposer_index).is_ok_and(|index| index < validators) {
        return Ok(());
    }
    proposer_for_slot(*slot, validators)?;
    Err(RejectionReason::ProposerIndexOutOfRange
        .because(format!("validator {proposer_index} of {validators}")))
}

/// Checks that no attestation data is twice in a body.
fn check_distinct(block: &Block) -> Result<(), Rejection> {
    let attestations = &block.body.attestations;
    let distinct: HashSet<&AttestationData> = attestations.iter().map(|each| &each.data).collect();
    if distinct.len() == attestations.len() {
        Ok(())
    } else {
        Err(RejectionReason::DuplicateAttestationData.because(format!(
            "{} attestations over {} distinct data",
            attestations.len(),
            distinct.len()
        )))
    }
}

/// Checks that the gap to the parent fits into a state's history.
fn check_gap(block: &Block, parent_slot: u64) -> Result<(), Rejection> {
    let gap = block.slot.saturating_sub(parent_slot);
    if gap > HISTORICAL_ROOTS_LIMIT as u64 {
        return Err(RejectionReason::BlockSlotGapTooLarge.because(format!(
            "slot {} is {gap} after its parent's, the limit is {HISTORICAL_ROOTS_LIMIT}",
            block.slot
        )));
    }
    Ok(())
}
