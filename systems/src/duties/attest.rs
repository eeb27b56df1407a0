//! Voting.

use std::sync::Arc;

use bevy_ecs::prelude::*;
use quintet_components::{
    chain::IsAggregator,
    clock::CurrentInterval,
    containers::{SignedAttestation, Slot},
    duties::{AttestationProduced, DutyCounts, Role, SignError, SignRequest, Signing},
    task::{Tasks, Work},
};
use tree_hash::TreeHash;

use crate::{
    aggregation::session::note_vote, fork_choice::pool, production::produce_attestation_data,
};

/// The votes of a slot, being signed.
#[derive(Resource, Debug, Default)]
pub struct AttestationTask(Option<(Slot, Work<Vec<Result<SignedAttestation, SignError>>>)>);

/// Interval 1: every own validator votes for what the node sees.
pub fn start_attestations(world: &mut World) {
    let slot = world.resource::<CurrentInterval>().slot();
    let signing = world.resource::<Signing>().clone();
    signing.0.begin_slot(slot);
    let validators = signing.0.validators();
    if validators.is_empty() {
        return;
    }
    let data = produce_attestation_data(world, slot);
    let work = world.resource::<Tasks>().spawn(move |_| {
        let message = data.tree_hash_root();
        let requests: Vec<_> = validators
            .into_iter()
            .map(|index| SignRequest { index, role: Role::Attester, slot, message })
            .collect();
        let signatures = signing.0.sign_all(&requests);
        let sign = |(request, signature): (SignRequest, Result<_, _>)| {
            Ok(SignedAttestation { validator_index: request.index, data, signature: signature? })
        };
        requests.into_iter().zip(signatures).map(sign).collect()
    });
    if world.resource_mut::<AttestationTask>().0.replace((slot, work)).is_some() {
        tracing::warn!(slot, "the last slot's votes were still being signed");
        world.resource_mut::<DutyCounts>().missed += 1;
    }
}

/// Hands out signed votes; an aggregator keeps its own signatures too.
pub fn collect_attestations(world: &mut World) {
    let mut task = world.resource_mut::<AttestationTask>();
    let Some((slot, work)) = &mut task.0 else { return };
    let slot = *slot;
    let Some(outcome) = work.take() else { return };
    task.0 = None;
    let keep = world.resource::<IsAggregator>().0;
    for signed in outcome.unwrap_or_else(|panic| vec![Err(SignError::Key(panic.to_string()))]) {
        match signed {
            Err(error) => {
                tracing::error!(slot, %error, "vote missed");
                world.resource_mut::<DutyCounts>().missed += 1;
            }
            Ok(attestation) => {
                if keep {
                    pool::add_signature(
                        world,
                        &attestation.data,
                        attestation.validator_index,
                        attestation.signature.clone(),
                    );
                    note_vote(world, attestation.data.slot, attestation.validator_index);
                }
                world.resource_mut::<DutyCounts>().attested += 1;
                world.write_message(AttestationProduced(Arc::new(attestation)));
            }
        }
    }
}
