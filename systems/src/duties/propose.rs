//! Proposing.

use std::sync::Arc;

use bevy_ecs::prelude::*;
use quintet_components::{
    chain::{LandedProposal, Registry},
    clock::CurrentInterval,
    containers::{MultiMessageAggregate, SignedBlock, Slot, ValidatorIndex},
    duties::{BlockProduced, DutyCounts, Role, Signing},
    prover::{ProverJob, ProverKind, ProverStatus},
    task::Work,
};
use quintet_prover::{CancelToken, ProofSystem, RawSignature};

use crate::{
    aggregation::job::proof_bytes,
    fork_choice::import::commit_block,
    production::{BlockInputs, BuiltBlock, build_block},
    scheduler::submit,
    transition::proposer_for_slot,
    verification::{Proofs, block_statements},
};

type Proposal = Result<(BuiltBlock, SignedBlock), String>;

/// The block of a slot, being built and signed.
#[derive(Resource, Debug, Default)]
pub struct ProposalTask(Option<(Slot, Work<Proposal>)>);

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

/// Interval 0: starts building on the head.
pub fn start_proposal(world: &mut World) {
    let slot = world.resource::<CurrentInterval>().slot();
    let Some(proposer) = own_proposer(world, slot) else { return };
    let inputs = match BlockInputs::on_head(world, slot, proposer) {
        Ok(inputs) => inputs,
        Err(rejection) => {
            tracing::error!(slot, %rejection, "proposal missed");
            world.resource_mut::<DutyCounts>().missed += 1;
            return;
        }
    };
    let (signing, proofs) =
        (world.resource::<Signing>().clone(), world.resource::<Proofs>().clone());
    let (count, bytes) = inputs.size();
    let job = ProverJob {
        kind: ProverKind::Proposal,
        slot,
        inputs: count,
        memory_bytes: proofs.0.working_bytes(bytes),
    };
    let submitted = submit(world, job, summarize, move |cancel| {
        let cancel = CancelToken::from(cancel.flag());
        propose(&inputs, &signing, &*proofs.0, &cancel)
    });
    match submitted {
        Ok((_, work)) => world.resource_mut::<ProposalTask>().0 = Some((slot, work)),
        Err(refused) => {
            tracing::error!(slot, %refused, "proposal missed");
            world.resource_mut::<DutyCounts>().missed += 1;
        }
    }
}

fn summarize(proposal: &Proposal) -> ProverStatus {
    match proposal {
        Ok((_, signed)) => ProverStatus::Proved { bytes: signed.proof.proof.as_bytes().len() },
        Err(error) => ProverStatus::Failed(error.clone()),
    }
}

/// Builds and signs a block, and merges the body's proofs with the proposer's signature.
fn propose(
    inputs: &BlockInputs,
    signing: &Signing,
    proofs: &dyn ProofSystem,
    cancel: &CancelToken,
) -> Proposal {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let built = build_block(inputs, proofs, cancel).map_err(|error| text(&error))?;
    let signature = signing
        .0
        .sign(inputs.proposer_index, Role::Proposer, inputs.slot, built.root)
        .map_err(|error| text(&error))?;
    let statements = block_statements(&built.block, built.root, &inputs.registry)
        .map_err(|error| text(&error))?;
    let (proposal, attestations) = statements.split_last().expect("the proposal is the last");
    let raw = [RawSignature { signer: 0, signature: signature.as_bytes() }];
    let proposal_proof =
        proofs.aggregate(proposal, &[], &raw, cancel).map_err(|error| text(&error))?;
    let mut parts: Vec<_> = attestations
        .iter()
        .cloned()
        .zip(built.proofs.iter().map(|payload| payload.proof.as_bytes()))
        .collect();
    parts.push((proposal.clone(), &proposal_proof));
    let merged = proofs.merge(&parts, cancel).map_err(|error| text(&error))?;
    let proof = MultiMessageAggregate { proof: proof_bytes(merged).map_err(|error| text(&error))? };
    let signed = SignedBlock { block: built.block.clone(), proof };
    Ok((built, signed))
}

/// Imports and hands out the block, unless its slot is over.
pub fn collect_proposal(world: &mut World) {
    let mut task = world.resource_mut::<ProposalTask>();
    let Some((slot, work)) = &mut task.0 else { return };
    let slot = *slot;
    let Some(outcome) = work.take() else { return };
    task.0 = None;
    let now = world.resource::<CurrentInterval>().slot();
    match outcome.map_err(|panic| panic.to_string()).and_then(|proposal| proposal) {
        Ok((built, signed)) if slot == now => {
            let signed = Arc::new(signed);
            commit_block(world, built.root, Arc::clone(&signed), built.post_state);
            world.resource_mut::<DutyCounts>().proposed += 1;
            world.write_message(BlockProduced(signed));
        }
        Ok(_) => {
            tracing::error!(slot, now, "proposal missed: the block was ready too late");
            world.resource_mut::<DutyCounts>().missed += 1;
        }
        Err(error) => {
            tracing::error!(slot, error, "proposal missed");
            world.resource_mut::<DutyCounts>().missed += 1;
        }
    }
}
