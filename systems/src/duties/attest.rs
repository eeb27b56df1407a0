//! Attesting.

use std::{sync::Arc, time::Instant};

use bevy_ecs::prelude::*;
use quintet_components::{
    chain::IsAggregator,
    clock::CurrentInterval,
    containers::{SignedAttestation, Slot, ValidatorIndex},
    duties::{AttestationProduced, Duty, MissReason, Role, SignError, SignRequest, Signing},
    messages::AttestationAccepted,
    metrics::Metrics,
    task::{TaskKind, Tasks, Work},
};
use tree_hash::TreeHash;

use super::record::DutyLog;
use crate::{pool::AttestationPool, production::Sight};

/// The attestations of a slot that are being signed.
#[derive(Resource, Debug, Default)]
pub struct AttestationTask(Option<Attesting>);

type Outcome = Result<SignedAttestation, (ValidatorIndex, SignError)>;

#[derive(Debug)]
struct Attesting {
    slot: Slot,
    validators: Vec<ValidatorIndex>,
    work: Work<Vec<Outcome>>,
}

/// Interval 1: all own validators attest to the chain that the node sees.
pub fn start_attestations(
    (now, tasks): (Res<CurrentInterval>, Res<Tasks>),
    signing: Res<Signing>,
    sight: Sight,
    mut task: ResMut<AttestationTask>,
    metrics: Option<Res<Metrics>>,
    mut log: DutyLog,
) {
    let slot = now.slot();
    signing.0.begin_slot(slot);
    let validators = signing.0.validators();
    if validators.is_empty() {
        return;
    }
    let began = Instant::now();
    let Some(data) = sight.attestation_data(slot) else {
        let why = "no block of the head's chain since the finalized one is as old as the slot";
        log.missed((slot, Duty::Attest), &validators, MissReason::NotAllowed, why);
        return;
    };
    let chosen = began.elapsed();
    let (metrics, signing) = (Metrics::or_unread(metrics.as_deref()), signing.clone());
    let whose = validators.clone();
    let work = tasks.spawn_kind(TaskKind::Sign, move |_| {
        let message = data.tree_hash_root();
        let requests: Vec<_> = whose
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
    if let Some(last) = task.0.replace(Attesting { slot, validators, work }) {
        let why = "they were still being signed when the next slot's were due";
        let duty = (last.slot, Duty::Attest);
        log.missed(duty, &last.validators, MissReason::NotReady, why);
    }
}

/// Returns true if attestations are being signed.
pub fn is_attesting(task: Res<AttestationTask>) -> bool {
    task.0.is_some()
}

/// Publishes signed attestations. An aggregator adds them to its pool, like accepted attestations
/// of others.
pub fn collect_attestations(
    mut task: ResMut<AttestationTask>,
    role: Res<IsAggregator>,
    mut pool: AttestationPool,
    mut accepted: MessageWriter<AttestationAccepted>,
    mut produced: MessageWriter<AttestationProduced>,
    mut log: DutyLog,
) {
    let Some(attesting) = &mut task.0 else { return };
    let Some(outcome) = attesting.work.take() else { return };
    let Some(Attesting { slot, validators, .. }) = task.0.take() else { return };
    let duty = (slot, Duty::Attest);
    let signed = match outcome {
        Ok(signed) => signed,
        Err(panic) => {
            log.missed(duty, &validators, MissReason::Panicked, panic);
            return;
        }
    };
    for signed in signed {
        match signed {
            Err((validator, error)) => {
                log.missed(duty, &[validator], MissReason::NotSigned, error);
            }
            Ok(attestation) => {
                let (data, validator) = (attestation.data, attestation.validator_index);
                let pooled =
                    role.0 && pool.add_signature(&data, validator, attestation.signature.clone());
                accepted.write(AttestationAccepted { data, validator, pooled });
                log.done(slot, Duty::Attest, validator);
                produced.write(AttestationProduced(Arc::new(attestation)));
            }
        }
    }
}
