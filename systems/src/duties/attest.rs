//! Voting.

use std::{sync::Arc, time::Instant};

use bevy_ecs::prelude::*;
use quintet_components::{
    chain::{Finalized, Head, IsAggregator, SafeTarget},
    clock::CurrentInterval,
    containers::{SignedAttestation, Slot, ValidatorIndex},
    duties::{AttestationProduced, Duty, MissReason, Role, SignError, SignRequest, Signing},
    metrics::Metrics,
    task::{Tasks, Work},
    tree::BlockTree,
};
use tree_hash::TreeHash;

use super::record::{note_done, note_missed};
use crate::{
    aggregation::session::note_attestation,
    pool,
    production::{Facts, attestation_data},
};

/// The votes of a slot, being signed.
#[derive(Resource, Debug, Default)]
pub struct AttestationTask(Option<Votes>);

#[derive(Debug)]
struct Votes {
    slot: Slot,
    validators: Vec<Option<ValidatorIndex>>,
    work: Work<Vec<Result<SignedAttestation, (ValidatorIndex, SignError)>>>,
}

/// Interval 1: every own validator votes for what the node sees.
pub fn start_attestations(world: &mut World) {
    let slot = world.resource::<CurrentInterval>().slot();
    let signing = world.resource::<Signing>().clone();
    signing.0.begin_slot(slot);
    let validators = signing.0.validators();
    if validators.is_empty() {
        return;
    }
    let (metrics, began) = (Metrics::of(world), Instant::now());
    let whose: Vec<_> = validators.iter().copied().map(Some).collect();
    let facts = Facts {
        tree: world.resource::<BlockTree>(),
        head: world.resource::<Head>().0.root,
        safe_target_slot: world.resource::<SafeTarget>().0.slot,
        finalized_slot: world.resource::<Finalized>().0.slot,
    };
    let Some(data) = attestation_data(&facts, slot) else {
        let (reason, why) = (MissReason::NotAllowed, "no finalized block is as old as the slot");
        note_missed(world, slot, Duty::Attest, &whose, reason, why);
        return;
    };
    let chosen = began.elapsed();
    let work = world.resource::<Tasks>().spawn(move |_| {
        let message = data.tree_hash_root();
        let requests: Vec<_> = validators
            .into_iter()
            .map(|index| SignRequest { index, role: Role::Attester, slot, message })
            .collect();
        let began = Instant::now();
        let signatures = signing.0.sign_all(&requests);
        let took = began.elapsed();
        let signed = signatures.iter().filter(|signature| signature.is_ok()).count();
        metrics.signatures.note_signing(requests.len(), signed, took);
        metrics.production.note_attestations(chosen + took);
        let sign = |(request, signature): (SignRequest, Result<_, _>)| {
            let validator_index = request.index;
            match signature {
                Ok(signature) => Ok(SignedAttestation { validator_index, data, signature }),
                Err(error) => Err((validator_index, error)),
            }
        };
        requests.into_iter().zip(signatures).map(sign).collect()
    });
    let votes = Votes { slot, validators: whose, work };
    if let Some(last) = world.resource_mut::<AttestationTask>().0.replace(votes) {
        let why = "they were still being signed when the next slot's were due";
        note_missed(world, last.slot, Duty::Attest, &last.validators, MissReason::NotReady, why);
    }
}

/// Hands out signed votes; an aggregator keeps its own signatures too.
pub fn collect_attestations(world: &mut World) {
    let mut task = world.resource_mut::<AttestationTask>();
    let Some(votes) = &mut task.0 else { return };
    let Some(outcome) = votes.work.take() else { return };
    let Some(Votes { slot, validators, .. }) = task.0.take() else { return };
    let signed = match outcome {
        Ok(signed) => signed,
        Err(panic) => {
            let (duty, reason) = (Duty::Attest, MissReason::Panicked);
            note_missed(world, slot, duty, &validators, reason, &panic.to_string());
            return;
        }
    };
    let keep = world.resource::<IsAggregator>().0;
    for signed in signed {
        match signed {
            Err((validator, error)) => {
                let (whose, reason) = ([Some(validator)], MissReason::NotSigned);
                note_missed(world, slot, Duty::Attest, &whose, reason, &error.to_string());
            }
            Ok(attestation) => {
                let (data, validator) = (&attestation.data, attestation.validator_index);
                if keep {
                    pool::add_signature(world, data, validator, attestation.signature.clone());
                    note_attestation(world, data.slot, validator);
                }
                note_done(world, slot, Duty::Attest, Some(validator));
                world.write_message(AttestationProduced(Arc::new(attestation)));
            }
        }
    }
}
