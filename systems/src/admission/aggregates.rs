//! Aggregates: cheap checks at once, proofs in tasks, commits in the order of the checks.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use bevy_ecs::{prelude::*, system::SystemParam};
use quintet_components::{
    attestations::Phase,
    chain::Registry,
    containers::{AggregationBits, AttestationData, SignedAggregatedAttestation},
    coverage::Coverage,
    messages::{AggregateReceived, IgnoreReason, InputId, InputJudged, Verdict},
    metrics::Metrics,
    rejection::{Rejection, RejectionReason},
    sync::{Held, WaitingAttestations},
    task::{TaskKind, Tasks, Work},
};

use super::{
    LocalTime, SourceQueue,
    attestations::{Arrived, MAX_TASKS_UNDER_WAY, refused},
    panicked,
    validation::{Ground, check_alone, is_for_finality, is_for_unknown_block},
};
use crate::{
    pool::{AttestationPool, Attestations},
    verification::{Proofs, verify_aggregate},
};

/// The largest number of aggregates that may wait for their proof check.
pub const MAX_PENDING_AGGREGATES: usize = 512;
/// The largest number of them from one peer.
pub const MAX_PENDING_AGGREGATES_PER_PEER: usize = 64;

type Check = Work<Result<(), Rejection>>;
type Aggregate = Arrived<SignedAggregatedAttestation>;

/// Aggregates whose proofs are being checked.
#[derive(Resource)]
pub struct AggregateChecks {
    waiting: SourceQueue<Aggregate>,
    under_way: VecDeque<(Aggregate, Check)>,
}

impl Default for AggregateChecks {
    fn default() -> Self {
        let per_peer = MAX_PENDING_AGGREGATES_PER_PEER;
        let waiting = SourceQueue::new(MAX_PENDING_AGGREGATES, per_peer);
        Self { waiting, under_way: VecDeque::new() }
    }
}

impl AggregateChecks {
    /// The number of aggregates that are waiting or being checked.
    pub fn len(&self) -> usize {
        self.waiting.len() + self.under_way.len()
    }

    /// Returns true if there are none.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.under_way.is_empty()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Aggregate> {
        let under_way = self.under_way.iter_mut().map(|(aggregate, _)| aggregate);
        self.waiting.iter_mut().chain(under_way)
    }

    fn is_under_way(&self, data: &AttestationData) -> bool {
        self.under_way.iter().any(|(aggregate, _)| aggregate.item.data == *data)
    }

    /// Takes the aggregate whose check began first, if the check has ended.
    fn take_ended(&mut self) -> Option<(Aggregate, Option<Result<(), Rejection>>)> {
        let (_, work) = self.under_way.front_mut()?;
        let outcome = panicked(work.take()?, "a proof check");
        let (aggregate, _) = self.under_way.pop_front()?;
        Some((aggregate, outcome))
    }
}

/// The resources that admit an aggregate to its proof check.
#[derive(SystemParam)]
pub struct AggregateRoad<'w> {
    time: LocalTime<'w>,
    registry: Res<'w, Registry>,
    known: KnownVoters<'w>,
    ground: Ground<'w>,
    metrics: Option<Res<'w, Metrics>>,
}

/// The validators that are known to support an attestation.
#[derive(SystemParam)]
pub struct KnownVoters<'w> {
    pool: Attestations<'w>,
    waiting: Option<Res<'w, WaitingAttestations>>,
}

impl KnownVoters<'_> {
    /// Returns the reason an aggregate adds no voter; `None` if it adds one.
    fn objection(&self, aggregate: &SignedAggregatedAttestation) -> Option<IgnoreReason> {
        let (data, participants) = (&aggregate.data, &aggregate.proof.participants);
        let of_pool =
            objection(participants, &self.pool.covered(data), || self.pool.equivocators(data));
        // Items that wait for their block have one place per validator and slot.
        let waits = self.pool.find(data).is_none().then_some(self.waiting.as_ref()).flatten();
        let covered = waits.filter(|waiting| !waiting.is_empty()).map(|it| it.covered(data.slot));
        let is_held = covered.is_some_and(|covered| {
            !covered.is_empty() && Coverage::of(participants).count_beyond(&covered) == 0
        });
        of_pool.or(is_held.then_some(IgnoreReason::AddsNoVoter))
    }
}

/// Returns the reason an aggregate of these participants adds no voter: all are covered, or have
/// used both places for the slot. `None` if it adds one.
fn objection(
    participants: &AggregationBits,
    covered: &Coverage,
    equivocators: impl FnOnce() -> Coverage,
) -> Option<IgnoreReason> {
    let fresh = Coverage::of(participants).beyond(covered);
    if fresh.is_empty() {
        return Some(IgnoreReason::AddsNoVoter);
    }
    fresh.beyond(&equivocators()).is_empty().then_some(IgnoreReason::Equivocation)
}

/// Returns true if aggregates wait for a check, or are being checked.
pub fn has_aggregate_checks(checks: Res<AggregateChecks>) -> bool {
    !checks.is_empty()
}

/// Queues new aggregates that are worth a proof check.
pub fn admit_aggregates(
    mut received: MessageReader<AggregateReceived>,
    road: AggregateRoad,
    mut checks: ResMut<AggregateChecks>,
    mut judged: MessageWriter<InputJudged>,
) {
    for AggregateReceived { id, source, aggregate } in received.read() {
        let queued = road.judge(aggregate).and_then(|()| {
            let arrived = Arrived { id: *id, item: Arc::clone(aggregate), keep: true };
            checks.waiting.push(source, arrived).map_err(Verdict::Ignored)
        });
        judged.write_batch(refused(*id, queued));
    }
}

impl AggregateRoad<'_> {
    fn judge(&self, aggregate: &SignedAggregatedAttestation) -> Result<(), Verdict> {
        let data = &aggregate.data;
        let began = Instant::now();
        // Clock horizon, then registry.
        let known = (self.ground.check_horizon(data, self.time.intervals()))
            .and_then(|()| self.check_registry(&aggregate.proof.participants));
        if known.is_err() {
            self.note(&known, began);
        }
        known.map_err(Verdict::Rejected)?;
        // Novelty and the validators' limits. The queue checks the source's limit.
        if let Some(reason) = self.known.objection(aggregate) {
            return Err(Verdict::Ignored(reason));
        }
        // Consistency. An unknown block may still arrive, if the aggregate can wait for it.
        let mut consistent = self.ground.check(data);
        if self.known.waiting.is_some() && consistent.as_ref().is_err_and(is_for_unknown_block) {
            consistent = check_alone(data);
        }
        self.note(&consistent, began);
        consistent.map_err(Verdict::Rejected)
    }

    fn note(&self, checked: &Result<(), Rejection>, began: Instant) {
        let metrics = Metrics::or_unread(self.metrics.as_deref());
        metrics.fork_choice.note_validation(checked.is_ok(), began.elapsed());
    }

    fn check_registry(&self, participants: &AggregationBits) -> Result<(), Rejection> {
        participants.non_empty_count()?;
        let count = self.registry.len();
        match participants.highest().filter(|highest| *highest >= count as u64) {
            None => Ok(()),
            Some(highest) => Err(RejectionReason::ValidatorNotInState
                .because(format!("validator {highest} of {count}"))),
        }
    }
}

/// The resources that check proofs.
#[derive(SystemParam)]
pub struct ProofChecker<'w> {
    registry: Res<'w, Registry>,
    proofs: Res<'w, Proofs>,
    tasks: Res<'w, Tasks>,
    metrics: Option<Res<'w, Metrics>>,
    judged: MessageWriter<'w, InputJudged>,
}

impl ProofChecker<'_> {
    /// Starts as many checks as may run. An aggregate that no longer adds a voter is ignored. If
    /// another aggregate for the same attestation is being checked, an aggregate waits for its
    /// result.
    fn start(
        &mut self,
        checks: &mut AggregateChecks,
        objection: impl Fn(&SignedAggregatedAttestation) -> Option<IgnoreReason>,
    ) {
        while checks.under_way.len() < MAX_TASKS_UNDER_WAY {
            let Some(next) = checks.waiting.peek() else { return };
            if checks.is_under_way(&next.item.data) {
                return;
            }
            let Some(next) = checks.waiting.pop() else { return };
            if let Some(reason) = objection(&next.item) {
                let verdict = Verdict::Ignored(reason);
                self.judged.write(InputJudged { id: next.id, verdict });
                continue;
            }
            let work = self.check(Arc::clone(&next.item));
            checks.under_way.push_back((next, work));
        }
    }

    fn check(&self, aggregate: Arc<SignedAggregatedAttestation>) -> Check {
        let metrics = Metrics::or_unread(self.metrics.as_deref()).clone();
        let (registry, proofs) = (self.registry.clone(), self.proofs.clone());
        self.tasks.spawn_kind(TaskKind::CheckAggregate, move |_| {
            let SignedAggregatedAttestation { data, proof } = &*aggregate;
            let began = Instant::now();
            let verdict = verify_aggregate(data, proof, &registry, &*proofs.0);
            metrics.signatures.note_aggregate_check(verdict.is_ok(), began.elapsed());
            verdict
        })
    }
}

/// Starts checks of aggregates, as many as may run at once.
pub fn start_aggregate_checks(
    mut checks: ResMut<AggregateChecks>,
    mut checker: ProofChecker,
    known: KnownVoters,
) {
    checker.start(&mut checks, |aggregate| known.objection(aggregate));
}

/// The destinations of valid aggregates.
#[derive(SystemParam)]
pub struct ValidAggregates<'w, 's> {
    pool: AttestationPool<'w, 's>,
    waiting: Option<ResMut<'w, WaitingAttestations>>,
    ground: Ground<'w>,
    time: LocalTime<'w>,
}

/// Commits checked aggregates in the order in which their checks began. They count at the next
/// acceptance.
pub fn commit_aggregates(
    mut checks: ResMut<AggregateChecks>,
    mut checker: ProofChecker,
    mut valid: ValidAggregates,
) {
    while let Some((aggregate, outcome)) = checks.take_ended() {
        let id = aggregate.id;
        let judged = match outcome {
            None => vec![ignored(id, IgnoreReason::InternalError)],
            Some(Err(rejection)) => {
                vec![InputJudged { id, verdict: Verdict::Rejected(rejection) }]
            }
            Some(Ok(())) => valid.place(aggregate),
        };
        checker.judged.write_batch(judged);
        checker.start(&mut checks, |aggregate| valid.objection(aggregate));
    }
}

const fn ignored(id: InputId, reason: IgnoreReason) -> InputJudged {
    InputJudged { id, verdict: Verdict::Ignored(reason) }
}

impl ValidAggregates<'_, '_> {
    fn objection(&self, aggregate: &SignedAggregatedAttestation) -> Option<IgnoreReason> {
        let SignedAggregatedAttestation { data, proof } = aggregate;
        let covered = self.pool.covered(data);
        objection(&proof.participants, &covered, || self.pool.equivocators(data))
    }

    /// Takes the aggregates whose blocks are known now. Those that finality has passed are not
    /// kept.
    pub(super) fn release(&mut self) -> Vec<Aggregate> {
        let Some(waiting) = self.waiting.as_mut().filter(|waiting| !waiting.is_empty()) else {
            return Vec::new();
        };
        let released = waiting.release_aggregates(|root| self.ground.knows(root));
        let ground = &self.ground;
        let arrived = released.into_iter().map(|Held { id, item, keep, .. }| {
            let keep = keep && !ground.is_passed(&item.data);
            Arrived { id, item, keep }
        });
        arrived.collect()
    }

    /// Puts a valid aggregate into the pool or the waiting room. Returns the resulting verdicts:
    /// none for the aggregate itself if it waits for its block.
    pub(super) fn place(&mut self, aggregate: Aggregate) -> Vec<InputJudged> {
        let Arrived { id, item, keep } = aggregate;
        let verdict = match self.ground.check(&item.data) {
            Err(rejection) if is_for_unknown_block(&rejection) => {
                let Some(waiting) = &mut self.waiting else {
                    return vec![InputJudged { id, verdict: Verdict::Rejected(rejection) }];
                };
                let held = Held { id, item, keep, rejection };
                match waiting.hold_aggregate(held, self.time.intervals()) {
                    Ok(covered) => return covered,
                    Err(verdict) => verdict,
                }
            }
            Err(rejection) if !is_for_finality(&rejection) => Verdict::Rejected(rejection),
            // If finality has passed it since it was admitted, it was still valid when it arrived.
            Err(_) | Ok(()) => self.keep(&item, keep),
        };
        vec![InputJudged { id, verdict }]
    }

    fn keep(&mut self, aggregate: &SignedAggregatedAttestation, keep: bool) -> Verdict {
        if let Some(reason) = self.objection(aggregate) {
            return Verdict::Ignored(reason);
        }
        if keep {
            let payload = Arc::new(aggregate.proof.clone());
            self.pool.add_payload(&aggregate.data, payload, Phase::New);
        }
        Verdict::Accepted
    }
}
