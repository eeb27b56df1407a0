//! Proposing.
//!
//! A task builds the block at interval 4 of the previous slot: it chooses the attestations, joins
//! their proofs and computes the state root. At the start of the slot the node checks the head
//! again. If the head has not changed, the block is signed, its proof is merged, and it is
//! published. If the head has changed, or there is no block, a block is built from what is ready,
//! without joining proofs. A proposer's key signs one message per slot, so nothing is signed before
//! the slot starts, and nothing is built after signing.

use std::{mem, sync::Arc, time::Instant};

use bevy_ecs::{prelude::*, system::SystemParam};
use quintet_components::{
    chain::{LandedProposal, Registry},
    clock::{CurrentInterval, SlotClock, UnixTime},
    containers::{
        AttestationData, Root, SignedBlock, SingleMessageAggregate, Slot, ValidatorIndex,
    },
    duties::{BlockProduced, BlockRoom, Duty, MissReason, Signing},
    metrics::Metrics,
    prover::{ProverJob, ProverKind},
    task::Work,
};
use quintet_prover::CancelToken;

use super::{
    gate::Gate,
    proposal::{Built, Failure, Signed, build, sign, summarize_built, summarize_signed},
    record::{DutyLog, done},
};
use crate::{
    fork_choice::import::commit_block,
    production::{BlockInputs, BlockSources, BuiltBlock, LeftOut},
    proving::ProverLine,
    transition::proposer_for_slot,
    verification::Proofs,
};

/// Own proposals by slot: this slot's, and from interval 4 on the next one's.
#[derive(Resource, Debug, Default)]
pub struct Proposals {
    under_way: Vec<Proposal>,
    /// Signed blocks that have to be committed.
    signed: Vec<(Arc<BuiltBlock>, SignedBlock)>,
}

impl Proposals {
    fn take(&mut self, wanted: impl Fn(&Proposal) -> bool) -> Option<Proposal> {
        let place = self.under_way.iter().position(wanted)?;
        Some(self.under_way.remove(place))
    }
}

#[derive(Debug)]
struct Proposal {
    slot: Slot,
    proposer: ValidatorIndex,
    /// The parent of the block.
    parent_root: Root,
    /// True once its slot has begun.
    is_due: bool,
    /// True if it was built at the start of the slot or later. It is not built again.
    is_rebuilt: bool,
    stage: Stage,
}

impl Proposal {
    const fn is_held(&self) -> bool {
        matches!(self.stage, Stage::Held(_))
    }
}

#[derive(Debug)]
enum Stage {
    /// Sync holds it back, for this reason.
    Held(MissReason),
    /// There is no block, for this reason.
    Failed(Failure),
    Building(Work<Built>),
    /// It waits for its slot.
    Built(Arc<BuiltBlock>),
    Signing(Arc<BuiltBlock>, Work<Signed>),
}

/// The proposers of slots.
#[derive(SystemParam)]
pub struct Proposers<'w> {
    signing: Res<'w, Signing>,
    registry: Res<'w, Registry>,
    now: Res<'w, CurrentInterval>,
}

impl Proposers<'_> {
    /// This node's validator that proposes in a slot, if any.
    fn own(&self, slot: Slot) -> Option<ValidatorIndex> {
        let proposer = proposer_for_slot(slot, self.registry.len()).ok()?;
        self.signing.0.validators().contains(&proposer).then_some(proposer)
    }
}

/// The resources of proposals.
#[derive(SystemParam)]
pub struct Proposing<'w, 's> {
    proposals: ResMut<'w, Proposals>,
    proposers: Proposers<'w>,
    sources: BlockSources<'w>,
    gate: Gate<'w>,
    time: Res<'w, UnixTime>,
    clock: Res<'w, SlotClock>,
    proofs: Res<'w, Proofs>,
    line: ProverLine<'w, 's>,
    metrics: Option<Res<'w, Metrics>>,
    log: DutyLog<'w>,
}

/// Interval 4: if an own validator proposes in the next slot, pending attestations are to count at
/// its start.
pub fn announce_proposal(proposers: Proposers, mut landed: ResMut<LandedProposal>) {
    let next = proposers.now.slot() + 1;
    landed.0 = proposers.own(next).map(|_| next);
}

/// Interval 4: starts to build the next slot's block on the head.
pub fn prepare_proposal(mut proposing: Proposing) {
    let slot = proposing.gate.slot() + 1;
    let Some(proposer) = proposing.proposers.own(slot) else { return };
    let (parent_root, inputs) = proposing.inputs_on_head(slot, proposer);
    let stage = inputs.and_then(|inputs| proposing.start_building(inputs));
    let stage = stage.map_or_else(Stage::Failed, Stage::Building);
    if let Stage::Failed(failure) = &stage {
        tracing::warn!(slot, failure.why, "no block can be built ahead");
    }
    let (is_due, is_rebuilt) = (false, false);
    let proposal = Proposal { slot, proposer, parent_root, is_due, is_rebuilt, stage };
    proposing.proposals.under_way.push(proposal);
}

/// Interval 0: signs the slot's block if its parent is the head, else builds it again.
pub fn start_proposal(mut proposing: Proposing) {
    let slot = proposing.gate.slot();
    let prepared = proposing.proposals.take(|each| each.slot == slot);
    let Some(proposer) = proposing.proposers.own(slot) else { return };
    let proposal = prepared.unwrap_or_else(|| Proposal {
        slot,
        proposer,
        parent_root: Root::ZERO,
        is_due: true,
        is_rebuilt: false,
        stage: Stage::Failed(Failure::new(MissReason::NotReady, "nothing was built ahead")),
    });
    proposing.go_on(Proposal { is_due: true, ..proposal });
}

/// Interval 0: if an own validator proposes in this slot, makes its proposal wait for sync. A
/// proposal whose slot is over is missed.
pub fn hold_proposal(mut proposing: Proposing) {
    let slot = proposing.gate.slot();
    // This also cancels its task.
    drop(proposing.proposals.take(|each| each.slot == slot));
    let (Some(proposer), Some(reason)) = (proposing.proposers.own(slot), proposing.gate.why_not())
    else {
        return;
    };
    if reason == MissReason::Late {
        proposing.log.missed((slot, Duty::Propose), &[proposer], reason, "");
        return;
    }
    tracing::debug!(slot, proposer, reason = reason.name(), "the proposal waits for sync");
    let (parent_root, stage) = (Root::ZERO, Stage::Held(reason));
    let (is_due, is_rebuilt) = (true, false);
    let proposal = Proposal { slot, proposer, parent_root, is_due, is_rebuilt, stage };
    proposing.proposals.under_way.push(proposal);
}

/// After sync: starts the proposal that sync held back.
pub fn begin_held_proposal(mut proposing: Proposing) {
    if let Some(proposal) = proposing.proposals.take(Proposal::is_held) {
        proposing.go_on(proposal);
    }
}

/// Interval 1: attestations are due, so a proposal that sync still holds back is missed.
pub fn give_up_held_proposal(mut proposals: ResMut<Proposals>, mut log: DutyLog) {
    while let Some(Proposal { slot, proposer, stage, .. }) = proposals.take(Proposal::is_held) {
        if let Stage::Held(reason) = stage {
            log.missed((slot, Duty::Propose), &[proposer], reason, "");
        }
    }
}

/// Continues with blocks that were built or signed in the meantime.
pub fn collect_proposals(mut proposing: Proposing) {
    let under_way = mem::take(&mut proposing.proposals.under_way);
    for proposal in under_way {
        proposing.go_on(proposal);
    }
}

/// Interval 0: proposals of earlier slots are missed.
pub fn expire_proposals(mut proposing: Proposing) {
    let now = proposing.gate.slot();
    while let Some(Proposal { slot, proposer, .. }) =
        proposing.proposals.take(|each| each.slot < now)
    {
        proposing.miss(slot, proposer, &too_late());
    }
}

/// Returns true if a proposal is under way.
pub fn has_proposals(proposals: Res<Proposals>) -> bool {
    !proposals.under_way.is_empty()
}

/// Returns true if there is a signed block to commit.
pub fn has_signed(proposals: Res<Proposals>) -> bool {
    !proposals.signed.is_empty()
}

/// Commits the signed blocks and publishes them.
///
/// It is exclusive, like every commit of a block. It does not wait for the phase in which others'
/// blocks are committed, because the following duties of the same walk use this block.
pub fn commit_proposals(world: &mut World) {
    let signed = mem::take(&mut world.resource_mut::<Proposals>().signed);
    for (built, signed) in signed {
        let (slot, proposer) = (built.block.slot, built.block.proposer_index);
        let signed = Arc::new(signed);
        commit_block(world, built.root, Arc::clone(&signed), Arc::clone(&built.post_state));
        world.resource_mut::<BlockRoom>().note(built.left_out.useful);
        world.write_message(done(slot, Duty::Propose, Some(proposer)));
        world.write_message(BlockProduced(signed));
    }
}

fn too_late() -> Failure {
    Failure::new(MissReason::NotReady, "the block was not ready when its slot was over")
}

fn poll<T>(work: &mut Work<Result<T, Failure>>) -> Option<Result<T, Failure>> {
    match work.take() {
        Some(outcome) => Some(outcome.map_err(Failure::from).and_then(|outcome| outcome)),
        None if work.is_dropped() => {
            let why = "the job was removed from the prover's queue";
            Some(Err(Failure::new(MissReason::NoProver, why)))
        }
        None => None,
    }
}

impl Proposing<'_, '_> {
    fn miss(&mut self, slot: Slot, proposer: ValidatorIndex, failure: &Failure) {
        Metrics::or_unread(self.metrics.as_deref()).production.note_no_block();
        let Failure { reason, why } = failure;
        self.log.missed((slot, Duty::Propose), &[proposer], *reason, why);
    }

    /// Continues with a proposal, and keeps it while it is not finished.
    fn go_on(&mut self, proposal: Proposal) {
        let proposal = self.step(proposal);
        self.proposals.under_way.extend(proposal);
    }

    /// Advances a proposal as far as its tasks have ended. Returns `None` once it is signed or
    /// missed. The slot is compared with the clock, because a node that wakes collects its tasks
    /// before it walks the intervals that passed while it slept.
    fn step(&mut self, mut proposal: Proposal) -> Option<Proposal> {
        let now_slot = self.clock.current_slot(self.time.now_ms);
        if proposal.is_due && proposal.slot < now_slot {
            self.miss(proposal.slot, proposal.proposer, &too_late());
            return None;
        }
        loop {
            let Proposal { slot, proposer, is_due, is_rebuilt, .. } = proposal;
            let is_outdated = proposal.parent_root != self.sources.parent(slot);
            let may_rebuild = is_due && !is_rebuilt;
            proposal.stage = match proposal.stage {
                Stage::Held(_) if self.gate.why_held().is_none() => {
                    return self.rebuild(proposal, None);
                }
                Stage::Failed(_) if may_rebuild => return self.rebuild(proposal, None),
                Stage::Failed(failure) if is_due => {
                    self.miss(slot, proposer, &failure);
                    return None;
                }
                Stage::Building(_) if may_rebuild && is_outdated => {
                    return self.rebuild(proposal, None);
                }
                Stage::Building(mut work) => match poll(&mut work) {
                    None => return Some(Proposal { stage: Stage::Building(work), ..proposal }),
                    Some(Ok(built)) => Stage::Built(Arc::new(built)),
                    Some(Err(failure)) => Stage::Failed(failure),
                },
                Stage::Built(built) if may_rebuild && is_outdated => {
                    proposal.stage = Stage::Built(Arc::clone(&built));
                    return self.rebuild(proposal, Some(&built));
                }
                Stage::Built(built) if is_due => match self.start_signing(&built) {
                    Ok(work) => Stage::Signing(built, work),
                    Err(failure) => {
                        self.miss(slot, proposer, &failure);
                        return None;
                    }
                },
                Stage::Signing(built, mut work) => match poll(&mut work) {
                    None => {
                        return Some(Proposal { stage: Stage::Signing(built, work), ..proposal });
                    }
                    Some(Ok(signed)) => {
                        self.proposals.signed.push((built, signed));
                        return None;
                    }
                    Some(Err(failure)) => {
                        self.miss(slot, proposer, &failure);
                        return None;
                    }
                },
                waiting @ (Stage::Held(_) | Stage::Failed(_) | Stage::Built(_)) => {
                    return Some(Proposal { stage: waiting, ..proposal });
                }
            };
        }
    }

    /// Builds the block again on the head, without making proofs. Proofs that were joined for a
    /// discarded block are used again.
    fn rebuild(&mut self, proposal: Proposal, built: Option<&BuiltBlock>) -> Option<Proposal> {
        let Proposal { slot, proposer, .. } = proposal;
        // Its task is cancelled first, which frees its permit.
        drop(proposal);
        let made: Vec<(AttestationData, Arc<SingleMessageAggregate>)> = built
            .into_iter()
            .flat_map(|built| built.block.body.attestations.iter().zip(&built.proofs))
            .map(|(attestation, proof)| (attestation.data, Arc::clone(proof)))
            .collect();
        let (parent_root, inputs) = self.inputs_on_head(slot, proposer);
        match inputs.and_then(|inputs| self.start_building(inputs.only_ready(&made))) {
            Ok(work) => {
                tracing::debug!(slot, %parent_root, "a block is built again");
                let (is_due, is_rebuilt, stage) = (true, true, Stage::Building(work));
                self.step(Proposal { slot, proposer, parent_root, is_due, is_rebuilt, stage })
            }
            Err(failure) => {
                self.miss(slot, proposer, &failure);
                None
            }
        }
    }

    fn inputs_on_head(
        &self,
        slot: Slot,
        proposer: ValidatorIndex,
    ) -> (Root, Result<BlockInputs, Failure>) {
        let parent = self.sources.parent(slot);
        let inputs = self.sources.inputs(parent, slot, proposer);
        (parent, inputs.map_err(|rejection| Failure::new(MissReason::NotAllowed, rejection)))
    }

    fn start_building(&mut self, inputs: BlockInputs) -> Result<Work<Built>, Failure> {
        let proofs = self.proofs.clone();
        let (count, memory_bytes) = inputs.size(&*proofs.0);
        let job = ProverJob {
            kind: ProverKind::Proposal,
            slot: inputs.slot,
            children: count,
            signatures: 0,
            subnet: None,
            memory_bytes,
        };
        let work = move |cancel: &CancelToken| build(&inputs, &*proofs.0, cancel);
        let submitted = self.line.submit(job, summarize_built, work);
        submitted.map(|(_, work)| work).map_err(no_prover)
    }

    fn start_signing(&mut self, built: &Arc<BuiltBlock>) -> Result<Work<Signed>, Failure> {
        let proofs = self.proofs.clone();
        let Proposers { registry, signing, .. } = &self.proposers;
        let (registry, signing) = (Registry::clone(registry), Signing::clone(signing));
        let bytes: usize = built.proofs.iter().map(|each| each.proof.as_bytes().len()).sum();
        let job = ProverJob {
            kind: ProverKind::Proposal,
            slot: built.block.slot,
            children: u32::try_from(built.proofs.len()).expect("at most eight attestations"),
            signatures: 1,
            subnet: None,
            memory_bytes: proofs.0.working_bytes(bytes),
        };
        let (built, metrics) = (Arc::clone(built), Metrics::or_unread(self.metrics.as_deref()));
        let work = move |cancel: &CancelToken| -> Signed {
            let began = Instant::now();
            let signed = sign(&built, &registry, &signing, &*proofs.0, cancel)?;
            let LeftOut { useful, idle } = built.left_out;
            metrics.production.note_payloads(built.proofs.len(), built.choosing_took);
            metrics.production.note_left_out(useful, idle);
            metrics.production.note_block(built.took + began.elapsed());
            Ok(signed)
        };
        let submitted = self.line.submit(job, summarize_signed, work);
        submitted.map(|(_, work)| work).map_err(no_prover)
    }
}

fn no_prover(refused: impl ToString) -> Failure {
    Failure::new(MissReason::NoProver, refused)
}
