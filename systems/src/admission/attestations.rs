//! Attestations: cheap checks at once, signatures in tasks, commits in the order of the checks.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use bevy_ecs::{prelude::*, system::SystemParam};
use quintet_components::{
    chain::{IsAggregator, Registry},
    containers::{Root, SignedAttestation},
    messages::{
        AttestationAccepted, AttestationReceived, IgnoreReason, InputId, InputJudged, Verdict,
    },
    metrics::Metrics,
    preset::SignaturePreset,
    rejection::{Rejection, RejectionReason},
    sync::{Held, WaitingAttestations},
    task::{TaskKind, Tasks, Work},
};
use tree_hash::TreeHash;

use super::{
    LocalTime, SourceQueue, panicked,
    validation::{Ground, check_alone, is_for_finality, is_for_unknown_block},
};
use crate::{
    pool::{AttestationPool, seen::SeenAttestations},
    verification::{SignatureCheck, Signatures},
};

/// The largest number of attestations that may wait for their signature check.
pub const MAX_PENDING_ATTESTATIONS: usize = 8192;
/// The largest number of them from one peer.
pub const MAX_PENDING_ATTESTATIONS_PER_PEER: usize = 2048;
/// The number of signatures that one task checks: enough to fill the packed hashing, but so few
/// that a block behind the task waits only a few milliseconds.
pub const ATTESTATION_BATCH: usize = 64;
/// The largest number of tasks of each kind that may run at once. A flood of attestations then
/// leaves the pool to blocks.
pub const MAX_TASKS_UNDER_WAY: usize = 2;

/// An item on its way into a pool.
#[derive(Clone)]
pub(super) struct Arrived<T> {
    pub(super) id: InputId,
    pub(super) item: Arc<T>,
    /// True if it is kept when it is found valid. It is not kept if finality has passed it in the
    /// meantime, or if it is an attestation that arrived while the node was no aggregator.
    pub(super) keep: bool,
}

/// The verdict on a new item that was refused, or on an older one that made room for it.
pub(super) fn refused<T>(
    id: InputId,
    queued: Result<Option<Arrived<T>>, Verdict>,
) -> Option<InputJudged> {
    match queued {
        Ok(None) => None,
        Ok(Some(Arrived { id, .. })) => {
            Some(InputJudged { id, verdict: Verdict::Ignored(IgnoreReason::NoRoom) })
        }
        Err(verdict) => Some(InputJudged { id, verdict }),
    }
}

/// Attestations whose signatures are being checked.
#[derive(Resource)]
pub struct AttestationChecks {
    waiting: SourceQueue<Arrived<SignedAttestation>>,
    under_way: VecDeque<(Vec<Arrived<SignedAttestation>>, Work<Vec<bool>>)>,
}

impl Default for AttestationChecks {
    fn default() -> Self {
        let per_peer = MAX_PENDING_ATTESTATIONS_PER_PEER;
        let waiting = SourceQueue::new(MAX_PENDING_ATTESTATIONS, per_peer);
        Self { waiting, under_way: VecDeque::new() }
    }
}

impl AttestationChecks {
    /// The number of attestations that are waiting or being checked.
    pub fn len(&self) -> usize {
        self.waiting.len() + self.under_way.iter().map(|(batch, _)| batch.len()).sum::<usize>()
    }

    /// Returns true if there are none.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.under_way.is_empty()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Arrived<SignedAttestation>> {
        let under_way = self.under_way.iter_mut().flat_map(|(batch, _)| batch);
        self.waiting.iter_mut().chain(under_way)
    }

    /// Takes the batch that began first, if it has ended.
    fn take_ended(&mut self) -> Option<(Vec<Arrived<SignedAttestation>>, Option<Vec<bool>>)> {
        let (_, work) = self.under_way.front_mut()?;
        let outcome = panicked(work.take()?, "a signature check");
        let (batch, _) = self.under_way.pop_front()?;
        Some((batch, outcome))
    }
}

/// The resources that admit an attestation to its signature check.
#[derive(SystemParam)]
pub struct AttestationRoad<'w> {
    time: LocalTime<'w>,
    registry: Res<'w, Registry>,
    preset: Res<'w, SignaturePreset>,
    seen: Res<'w, SeenAttestations>,
    waiting: Option<Res<'w, WaitingAttestations>>,
    ground: Ground<'w>,
    is_aggregator: Res<'w, IsAggregator>,
    metrics: Option<Res<'w, Metrics>>,
}

/// Returns true if attestations wait for a check, or are being checked.
pub fn has_attestation_checks(checks: Res<AttestationChecks>) -> bool {
    !checks.is_empty()
}

/// Queues new attestations that are worth a signature check.
pub fn admit_attestations(
    mut received: MessageReader<AttestationReceived>,
    road: AttestationRoad,
    mut checks: ResMut<AttestationChecks>,
    mut judged: MessageWriter<InputJudged>,
) {
    for AttestationReceived { id, source, attestation } in received.read() {
        let keep = road.is_aggregator.0;
        let queued = road.judge(attestation, keep).and_then(|()| {
            let arrived = Arrived { id: *id, item: Arc::clone(attestation), keep };
            checks.waiting.push(source, arrived).map_err(Verdict::Ignored)
        });
        judged.write_batch(refused(*id, queued));
    }
}

impl AttestationRoad<'_> {
    fn judge(&self, attestation: &SignedAttestation, keep: bool) -> Result<(), Verdict> {
        let data = &attestation.data;
        let began = Instant::now();
        // Clock horizon, then registry.
        let known = (self.ground.check_horizon(data, self.time.intervals()))
            .and_then(|()| self.check_registry(attestation));
        if known.is_err() {
            self.note(&known, began);
        }
        known.map_err(Verdict::Rejected)?;
        // Novelty and the validator's limit. The queue checks the source's limit.
        if let Some(reason) = self.seen.objection(attestation, keep, self.ground.places()) {
            return Err(Verdict::Ignored(reason));
        }
        // Consistency. An unknown block may still arrive, if the attestation can wait for it.
        let mut consistent = self.ground.check(data);
        if let Some(waiting) = &self.waiting
            && consistent.as_ref().is_err_and(is_for_unknown_block)
        {
            if waiting.has_place(attestation.validator_index, data.slot) {
                return Err(Verdict::Ignored(IgnoreReason::KnownAttestation));
            }
            consistent = check_alone(data);
        }
        self.note(&consistent, began);
        consistent.map_err(Verdict::Rejected)
    }

    fn note(&self, checked: &Result<(), Rejection>, began: Instant) {
        let metrics = Metrics::or_unread(self.metrics.as_deref());
        metrics.fork_choice.note_validation(checked.is_ok(), began.elapsed());
    }

    fn check_registry(&self, attestation: &SignedAttestation) -> Result<(), Rejection> {
        let SignedAttestation { validator_index, signature, .. } = attestation;
        if signature.preset() != *self.preset {
            return Err(RejectionReason::DecodeError.because(format!(
                "a {} signature, the network's are {}",
                signature.preset(),
                *self.preset
            )));
        }
        match self.registry.attestation_key(*validator_index) {
            Some(_) => Ok(()),
            None => Err(RejectionReason::ValidatorNotInState
                .because(format!("validator {validator_index} of {}", self.registry.len()))),
        }
    }
}

/// The resources that check signatures.
#[derive(SystemParam)]
pub struct SignatureChecker<'w> {
    registry: Res<'w, Registry>,
    signatures: Res<'w, Signatures>,
    tasks: Res<'w, Tasks>,
    metrics: Option<Res<'w, Metrics>>,
}

impl SignatureChecker<'_> {
    /// Starts as many batches as may run at once.
    fn start(&self, checks: &mut AttestationChecks) {
        while checks.under_way.len() < MAX_TASKS_UNDER_WAY && !checks.waiting.is_empty() {
            let batch = std::iter::from_fn(|| checks.waiting.pop()).take(ATTESTATION_BATCH);
            let batch: Vec<_> = batch.collect();
            let work = self.check(batch.clone());
            checks.under_way.push_back((batch, work));
        }
    }

    fn check(&self, batch: Vec<Arrived<SignedAttestation>>) -> Work<Vec<bool>> {
        let metrics = Metrics::or_unread(self.metrics.as_deref()).clone();
        let (registry, signatures) = (self.registry.clone(), self.signatures.clone());
        self.tasks.spawn_kind(TaskKind::CheckSignatures, move |_| {
            let roots: Vec<Root> =
                batch.iter().map(|each| each.item.data.tree_hash_root()).collect();
            let items: Vec<SignatureCheck<'_>> = batch
                .iter()
                .zip(&roots)
                .map(|(Arrived { item, .. }, root)| SignatureCheck {
                    public_key: registry
                        .attestation_key(item.validator_index)
                        .expect("admitted attestations are in the registry")
                        .as_slice(),
                    slot: item.data.slot,
                    message: &root.0,
                    signature: item.signature.as_bytes(),
                })
                .collect();
            let began = Instant::now();
            let verdicts = signatures.0.verify_batch(&items);
            metrics.signatures.note_checks(&verdicts, began.elapsed());
            verdicts
        })
    }
}

/// Starts checks of attestations, as many as may run at once.
pub fn start_attestation_checks(mut checks: ResMut<AttestationChecks>, checker: SignatureChecker) {
    checker.start(&mut checks);
}

/// The destinations of valid attestations.
#[derive(SystemParam)]
pub struct ValidAttestations<'w, 's> {
    pool: AttestationPool<'w, 's>,
    seen: ResMut<'w, SeenAttestations>,
    waiting: Option<ResMut<'w, WaitingAttestations>>,
    ground: Ground<'w>,
    time: LocalTime<'w>,
    accepted: MessageWriter<'w, AttestationAccepted>,
}

/// Commits checked attestations in the order in which their checks began. An aggregator keeps their
/// signatures.
pub fn commit_attestations(
    mut checks: ResMut<AttestationChecks>,
    checker: SignatureChecker,
    mut valid: ValidAttestations,
    mut judged: MessageWriter<InputJudged>,
) {
    while let Some((batch, verdicts)) = checks.take_ended() {
        for (place, arrived) in batch.into_iter().enumerate() {
            let id = arrived.id;
            let verdict = match verdicts.as_ref().map(|verdicts| verdicts[place]) {
                None => Some(Verdict::Ignored(IgnoreReason::InternalError)),
                Some(false) => {
                    Some(Verdict::Rejected(RejectionReason::InvalidSignature.because(format!(
                        "validator {} at slot {}",
                        arrived.item.validator_index, arrived.item.data.slot
                    ))))
                }
                Some(true) => valid.place(arrived),
            };
            judged.write_batch(verdict.map(|verdict| InputJudged { id, verdict }));
        }
        checker.start(&mut checks);
    }
}

impl ValidAttestations<'_, '_> {
    /// Takes the attestations whose blocks are known now. Those that finality has passed are not
    /// kept.
    pub(super) fn release(&mut self) -> Vec<Arrived<SignedAttestation>> {
        let Some(waiting) = self.waiting.as_mut().filter(|waiting| !waiting.is_empty()) else {
            return Vec::new();
        };
        let released = waiting.release_attestations(|root| self.ground.knows(root));
        let ground = &self.ground;
        let arrived = released.into_iter().map(|Held { id, item, keep, .. }| {
            let keep = keep && !ground.is_passed(&item.data);
            Arrived { id, item, keep }
        });
        arrived.collect()
    }

    /// Puts a valid attestation into the pool or the waiting room. Returns no verdict if it waits
    /// for its block.
    pub(super) fn place(&mut self, arrived: Arrived<SignedAttestation>) -> Option<Verdict> {
        let Arrived { id, item, keep } = arrived;
        match self.ground.check(&item.data) {
            Err(rejection) if is_for_unknown_block(&rejection) => {
                let Some(waiting) = &mut self.waiting else {
                    return Some(Verdict::Rejected(rejection));
                };
                let held = Held { id, item, keep, rejection };
                waiting.hold_attestation(held, self.time.intervals()).err()
            }
            Err(rejection) if !is_for_finality(&rejection) => Some(Verdict::Rejected(rejection)),
            // If finality has passed it since it was admitted, it was still valid when it arrived.
            Err(_) | Ok(()) => Some(self.keep(&item, keep)),
        }
    }

    fn keep(&mut self, attestation: &SignedAttestation, keep: bool) -> Verdict {
        let SignedAttestation { validator_index, data, signature } = attestation;
        if let Err(reason) = self.seen.insert(attestation, keep, self.ground.places()) {
            return Verdict::Ignored(reason);
        }
        if keep && self.pool.is_equivocator(data, *validator_index) {
            return Verdict::Ignored(IgnoreReason::Equivocation);
        }
        let pooled = keep && self.pool.add_signature(data, *validator_index, signature.clone());
        let validator = *validator_index;
        self.accepted.write(AttestationAccepted { data: *data, validator, pooled });
        Verdict::Accepted
    }
}
