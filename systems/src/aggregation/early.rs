//! The early session. It opens in interval 1 when two thirds of the expected attestations have
//! arrived on every subnet that the node listens to, so that no subnet is left behind, even the
//! smallest.

use std::collections::HashSet;

use bevy_ecs::prelude::*;
use quintet_components::{
    aggregation::AggregationConfig,
    containers::{Slot, ValidatorIndex},
    messages::AttestationAccepted,
    schedule::Interval,
};

use super::{
    open::{Planner, add_jobs},
    plan::snapshot_signatures,
    session::{SessionState, Sessions},
};
use crate::{
    pool::{Attestations, Coverage},
    proving::ProverLine,
};

/// Opens the slot's session before interval 2, when enough attestations have arrived.
///
/// Attestations are counted one by one in the order in which they were accepted, and the session
/// uses those up to the one that opens it. The result therefore does not depend on how many are
/// accepted in one update.
pub fn open_early_session(
    mut accepted: MessageReader<AttestationAccepted>,
    mut attesters: ResMut<EarlyAttesters>,
    pool: Attestations,
    mut sessions: Sessions,
    mut line: ProverLine,
    planner: Planner,
) {
    let accepted: Vec<AttestationAccepted> =
        accepted.read().filter(|each| each.pooled).copied().collect();
    let slot = planner.now.slot();
    let may_open = planner.config.early_start
        && planner.role.0
        && planner.now.interval() == Interval::Attest
        && sessions.open_of(slot).is_none();
    attesters.follow(slot, &planner.config, planner.registry.len() as u64);
    let mut opened_by = None;
    for (place, attestation) in accepted.iter().enumerate() {
        let is_enough = attestation.data.slot == slot && attesters.note(attestation.validator);
        if is_enough && opened_by.is_none() {
            opened_by = Some(place);
        }
    }
    let Some(place) = opened_by.filter(|_| may_open) else { return };
    let later: HashSet<_> =
        accepted[place + 1..].iter().map(|each| (each.data, each.validator)).collect();
    let session = sessions.open(&mut line, slot);
    // Payloads are left out: they arrive by another path, so the result would depend on whether
    // they had already arrived.
    let groups = snapshot_signatures(pool.index(), slot, &later);
    let mut added = add_jobs(&mut sessions, &mut line, &planner, session, slot, &groups);
    added.tally.early = 1;
    let state = SessionState { finalized_slot: planner.finalized_slot(), ..Default::default() };
    sessions.begin(session, slot, state, added.tally);
}

/// The validators that have attested in a slot.
#[derive(Resource, Debug, Default)]
pub struct EarlyAttesters {
    slot: Option<Slot>,
    attesters: Coverage,
    committees: u64,
    /// For each expected subnet: its number, how many have attested, and how many validators it
    /// has.
    subnets: Vec<(u64, u64, u64)>,
}

impl EarlyAttesters {
    /// Starts anew if the slot is a different one.
    fn follow(&mut self, slot: Slot, config: &AggregationConfig, validators: u64) {
        if self.slot == Some(slot) {
            return;
        }
        let committees = config.committee_count.max(1);
        let members =
            |subnet: u64| validators / committees + u64::from(subnet < validators % committees);
        let subnets = config.expected_subnets().into_iter();
        *self = Self {
            slot: Some(slot),
            attesters: Coverage::default(),
            committees,
            subnets: subnets.map(|subnet| (subnet, 0, members(subnet))).collect(),
        };
    }

    /// Notes that a validator has attested. Returns true if two thirds have attested on every
    /// subnet.
    fn note(&mut self, attester: ValidatorIndex) -> bool {
        let subnet = attester % self.committees;
        if !self.attesters.contains(attester)
            && let Some((_, attested, _)) =
                self.subnets.iter_mut().find(|(each, ..)| *each == subnet)
        {
            *attested += 1;
        }
        self.attesters.insert(attester);
        !self.subnets.is_empty()
            && self.subnets.iter().all(|(_, attested, members)| 3 * attested >= 2 * members)
    }
}
