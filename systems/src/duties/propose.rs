//! Proposing.
//!
//! A block is built at interval 4 of the slot before its own, off the loop: votes chosen and their
//! proofs joined, state root computed. At the boundary it is looked at again. When the head has not
//! moved it is signed, its proof is merged, and it goes out. When the head has moved, or there is no
//! block, one is built of what is ready then: no proofs are joined for it. A proposer's key signs one
//! message a slot, so that nothing is signed before the boundary, and nothing built after that.

use std::{mem, sync::Arc, time::Instant};

use bevy_ecs::prelude::*;
use quintet_components::{
    chain::{Head, LandedProposal, Registry},
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
    gate::why_held,
    proposal::{Built, Failure, Signed, build, sign, summarize_built, summarize_signed},
    record::{note_done, note_missed},
};
use crate::{
    fork_choice::import::commit_block,
    production::{BlockInputs, BuiltBlock, LeftOut},
    proving::submit,
    transition::proposer_for_slot,
    verification::Proofs,
};

/// Own proposals under way, by slot: this slot's, and from interval 4 on the next one's.
#[derive(Resource, Debug, Default)]
pub struct Proposals(Vec<Proposal>);

#[derive(Debug)]
pub(super) struct Proposal {
    slot: Slot,
    proposer: ValidatorIndex,
    /// What the block is built on.
    parent_root: Root,
    /// Whether its slot has begun.
    is_due: bool,
    /// Whether it was built at the boundary or later: it is not built once more.
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
    /// Sync holds it up, and why.
    Held(MissReason),
    /// There is no block, and why.
    Failed(Failure),
    Building(Work<Built>),
    /// It waits for its slot.
    Built(Arc<BuiltBlock>),
    Signing(Arc<BuiltBlock>, Work<Signed>),
}

/// The own validator that proposes in a slot, if any.
pub(super) fn own_proposer(world: &World, slot: Slot) -> Option<ValidatorIndex> {
    let proposer = proposer_for_slot(slot, world.resource::<Registry>().len()).ok()?;
    world.resource::<Signing>().0.validators().contains(&proposer).then_some(proposer)
}

/// Interval 4: when an own validator proposes next, pending votes are to count at the boundary.
pub fn announce_proposal(world: &mut World) {
    let next = world.resource::<CurrentInterval>().slot() + 1;
    let landed = own_proposer(world, next).map(|_| next);
    world.resource_mut::<LandedProposal>().0 = landed;
}

/// Interval 4: starts building the next slot's block on the head.
pub fn prepare_proposal(world: &mut World) {
    let slot = world.resource::<CurrentInterval>().slot() + 1;
    let Some(proposer) = own_proposer(world, slot) else { return };
    let (parent_root, inputs) = inputs_on_head(world, slot, proposer);
    let stage = inputs.and_then(|inputs| start_building(world, inputs));
    let stage = stage.map_or_else(Stage::Failed, Stage::Building);
    if let Stage::Failed(failure) = &stage {
        tracing::warn!(slot, failure.why, "no block can be built ahead");
    }
    let (is_due, is_rebuilt) = (false, false);
    let proposal = Proposal { slot, proposer, parent_root, is_due, is_rebuilt, stage };
    world.resource_mut::<Proposals>().0.push(proposal);
}

/// Interval 0: the slot's block is signed when it stands on the head, and built anew when not.
pub fn start_proposal(world: &mut World) {
    let slot = world.resource::<CurrentInterval>().slot();
    let prepared = discard_proposal(world, slot);
    let Some(proposer) = own_proposer(world, slot) else { return };
    let proposal = prepared.unwrap_or_else(|| Proposal {
        slot,
        proposer,
        parent_root: Root::ZERO,
        is_due: true,
        is_rebuilt: false,
        stage: Stage::Failed(Failure::new(MissReason::NotReady, "nothing was built ahead")),
    });
    let proposal = step(world, Proposal { is_due: true, ..proposal });
    world.resource_mut::<Proposals>().0.extend(proposal);
}

/// Has a proposal wait until sync lets it begin.
pub(super) fn hold(world: &mut World, slot: Slot, proposer: ValidatorIndex, reason: MissReason) {
    tracing::debug!(slot, proposer, reason = reason.name(), "the proposal waits for sync");
    let (parent_root, stage) = (Root::ZERO, Stage::Held(reason));
    let (is_due, is_rebuilt) = (true, false);
    let proposal = Proposal { slot, proposer, parent_root, is_due, is_rebuilt, stage };
    world.resource_mut::<Proposals>().0.push(proposal);
}

/// After sync: begins the proposal that it held up.
pub fn begin_held_proposal(world: &mut World) {
    let mut proposals = world.resource_mut::<Proposals>();
    let place = proposals.0.iter().position(Proposal::is_held);
    let Some(proposal) = place.map(|place| proposals.0.remove(place)) else { return };
    let proposal = step(world, proposal);
    world.resource_mut::<Proposals>().0.extend(proposal);
}

/// Interval 1: votes are due, and a proposal that sync still holds up is missed.
pub fn give_up_held_proposal(world: &mut World) {
    let mut proposals = world.resource_mut::<Proposals>();
    let held: Vec<Proposal> = proposals.0.extract_if(.., |each| each.is_held()).collect();
    for Proposal { slot, proposer, stage, .. } in held {
        if let Stage::Held(reason) = stage {
            note_missed(world, slot, Duty::Propose, &[Some(proposer)], reason, "");
        }
    }
}

/// Goes on with what was built or signed meanwhile.
pub fn collect_proposals(world: &mut World) {
    let proposals = mem::take(&mut world.resource_mut::<Proposals>().0);
    for proposal in proposals {
        let proposal = step(world, proposal);
        world.resource_mut::<Proposals>().0.extend(proposal);
    }
}

/// Interval 0: what was to be proposed in slots before this one is missed.
pub fn expire_proposals(world: &mut World) {
    let now = world.resource::<CurrentInterval>().slot();
    let mut proposals = world.resource_mut::<Proposals>();
    let over: Vec<Proposal> = proposals.0.extract_if(.., |each| each.slot < now).collect();
    for Proposal { slot, proposer, .. } in over {
        miss(world, slot, proposer, &too_late());
    }
}

/// Takes the proposal of a slot out, and with it gives its work up if it is dropped.
pub(super) fn discard_proposal(world: &mut World, slot: Slot) -> Option<Proposal> {
    let mut proposals = world.resource_mut::<Proposals>();
    let place = proposals.0.iter().position(|each| each.slot == slot)?;
    Some(proposals.0.remove(place))
}

fn too_late() -> Failure {
    Failure::new(MissReason::NotReady, "the block was not ready when its slot was over")
}

fn miss(world: &mut World, slot: Slot, proposer: ValidatorIndex, failure: &Failure) {
    Metrics::of(world).production.note_no_block();
    note_missed(world, slot, Duty::Propose, &[Some(proposer)], failure.reason, &failure.why);
}

/// Goes as far with a proposal as its work has ended. `None` once it is proposed or missed. By the
/// clock: a node that wakes collects what was under way before it walks the intervals it slept over.
fn step(world: &mut World, mut proposal: Proposal) -> Option<Proposal> {
    let now_ms = world.resource::<UnixTime>().now_ms;
    let now_slot = world.resource::<SlotClock>().current_slot(now_ms);
    if proposal.is_due && proposal.slot < now_slot {
        let Proposal { slot, proposer, .. } = proposal;
        miss(world, slot, proposer, &too_late());
        return None;
    }
    loop {
        let Proposal { slot, proposer, is_due, is_rebuilt, .. } = proposal;
        let is_outdated = proposal.parent_root != world.resource::<Head>().0.root;
        let may_rebuild = is_due && !is_rebuilt;
        proposal.stage = match proposal.stage {
            Stage::Held(_) if why_held(world).is_none() => return rebuild(world, proposal, None),
            Stage::Failed(_) if may_rebuild => return rebuild(world, proposal, None),
            Stage::Failed(failure) if is_due => {
                miss(world, slot, proposer, &failure);
                return None;
            }
            Stage::Building(_) if may_rebuild && is_outdated => {
                return rebuild(world, proposal, None);
            }
            Stage::Building(mut work) => match poll(&mut work) {
                None => return Some(Proposal { stage: Stage::Building(work), ..proposal }),
                Some(Ok(built)) => Stage::Built(Arc::new(built)),
                Some(Err(failure)) => Stage::Failed(failure),
            },
            Stage::Built(built) if may_rebuild && is_outdated => {
                proposal.stage = Stage::Built(Arc::clone(&built));
                return rebuild(world, proposal, Some(&built));
            }
            Stage::Built(built) if is_due => match start_signing(world, &built) {
                Ok(work) => Stage::Signing(built, work),
                Err(failure) => {
                    miss(world, slot, proposer, &failure);
                    return None;
                }
            },
            Stage::Signing(built, mut work) => match poll(&mut work) {
                None => {
                    return Some(Proposal { stage: Stage::Signing(built, work), ..proposal });
                }
                Some(Ok(signed)) => {
                    finish(world, &built, signed);
                    return None;
                }
                Some(Err(failure)) => {
                    miss(world, slot, proposer, &failure);
                    return None;
                }
            },
            waiting @ (Stage::Held(_) | Stage::Failed(_) | Stage::Built(_)) => {
                return Some(Proposal { stage: waiting, ..proposal });
            }
        };
    }
}

fn poll<T>(work: &mut Work<Result<T, Failure>>) -> Option<Result<T, Failure>> {
    match work.take() {
        Some(outcome) => Some(outcome.map_err(Failure::from).and_then(|outcome| outcome)),
        None if work.is_dropped() => {
            let why = "the work was taken out of the prover's line";
            Some(Err(Failure::new(MissReason::NoProver, why)))
        }
        None => None,
    }
}

/// Builds the block anew on the head, of what needs no proof to be made. What was joined for a block
/// that came to nothing serves again.
fn rebuild(world: &mut World, proposal: Proposal, built: Option<&BuiltBlock>) -> Option<Proposal> {
    let Proposal { slot, proposer, .. } = proposal;
    // Its work is given up first, and with it its permit.
    drop(proposal);
    let made: Vec<(AttestationData, Arc<SingleMessageAggregate>)> = built
        .into_iter()
        .flat_map(|built| built.block.body.attestations.iter().zip(&built.proofs))
        .map(|(attestation, proof)| (attestation.data, Arc::clone(proof)))
        .collect();
    let (parent_root, inputs) = inputs_on_head(world, slot, proposer);
    let work = inputs.and_then(|inputs| start_building(world, inputs.only_ready(&made)));
    match work {
        Ok(work) => {
            tracing::debug!(slot, %parent_root, "a block is built anew");
            let (is_due, is_rebuilt, stage) = (true, true, Stage::Building(work));
            step(world, Proposal { slot, proposer, parent_root, is_due, is_rebuilt, stage })
        }
        Err(failure) => {
            miss(world, slot, proposer, &failure);
            None
        }
    }
}

fn inputs_on_head(
    world: &World,
    slot: Slot,
    proposer: ValidatorIndex,
) -> (Root, Result<BlockInputs, Failure>) {
    let inputs = BlockInputs::on_head(world, slot, proposer);
    let inputs = inputs.map_err(|rejection| Failure::new(MissReason::NotAllowed, rejection));
    (world.resource::<Head>().0.root, inputs)
}

fn start_building(world: &mut World, inputs: BlockInputs) -> Result<Work<Built>, Failure> {
    let proofs = world.resource::<Proofs>().clone();
    let (count, bytes) = inputs.size(&*proofs.0);
    let job = ProverJob {
        kind: ProverKind::Proposal,
        slot: inputs.slot,
        children: count,
        signatures: 0,
        subnet: None,
        memory_bytes: proofs.0.working_bytes(bytes),
    };
    let submitted = submit(world, job, summarize_built, move |cancel| {
        build(&inputs, &*proofs.0, &CancelToken::from(cancel.flag()))
    });
    submitted.map(|(_, work)| work).map_err(|refused| Failure::new(MissReason::NoProver, refused))
}

fn start_signing(world: &mut World, built: &Arc<BuiltBlock>) -> Result<Work<Signed>, Failure> {
    let proofs = world.resource::<Proofs>().clone();
    let (registry, signing) =
        (world.resource::<Registry>().clone(), world.resource::<Signing>().clone());
    let bytes: usize = built.proofs.iter().map(|each| each.proof.as_bytes().len()).sum();
    let job = ProverJob {
        kind: ProverKind::Proposal,
        slot: built.block.slot,
        children: u32::try_from(built.proofs.len()).expect("at most eight votes"),
        signatures: 1,
        subnet: None,
        memory_bytes: proofs.0.working_bytes(bytes),
    };
    let (built, metrics) = (Arc::clone(built), Metrics::of(world));
    let submitted = submit(world, job, summarize_signed, move |cancel| {
        let (cancel, began) = (CancelToken::from(cancel.flag()), Instant::now());
        let signed = sign(&built, &registry, &signing, &*proofs.0, &cancel)?;
        let LeftOut { useful, idle } = built.left_out;
        metrics.production.note_payloads(built.proofs.len(), built.choosing_took);
        metrics.production.note_left_out(useful, idle);
        metrics.production.note_block(built.took + began.elapsed());
        Ok(signed)
    });
    submitted.map(|(_, work)| work).map_err(|refused| Failure::new(MissReason::NoProver, refused))
}

/// Imports and hands out the block.
fn finish(world: &mut World, built: &BuiltBlock, signed: SignedBlock) {
    let (slot, proposer) = (built.block.slot, built.block.proposer_index);
    let signed = Arc::new(signed);
    commit_block(world, built.root, Arc::clone(&signed), Arc::clone(&built.post_state));
    world.resource_mut::<BlockRoom>().note(built.left_out.useful);
    note_done(world, slot, Duty::Propose, Some(proposer));
    world.write_message(BlockProduced(signed));
}
