//! Votes and aggregates from the network: cheap checks at once, signatures in tasks, commits in
//! the order of arrival.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use bevy_ecs::prelude::*;
use quintet_components::{
    attestations::Phase,
    chain::{IsAggregator, Registry},
    clock::CurrentInterval,
    containers::{AttestationData, Root, SignedAggregatedAttestation, SignedAttestation},
    messages::{
        AggregateReceived, AttestationReceived, IgnoreReason, InputId, InputJudged, Verdict,
    },
    metrics::Metrics,
    preset::SignaturePreset,
    rejection::{Rejection, RejectionReason},
    sync::WaitingAttestations,
    task::{TaskPanic, Tasks, Work},
    tree::BlockTree,
};
use tree_hash::TreeHash;

use super::validate_attestation;
use crate::{
    aggregation::session::note_attestation,
    pool::{self, seen::SeenAttestations},
    verification::{Proofs, SignatureCheck, Signatures, verify_aggregate},
};

/// Votes that wait for their signature check, at most.
pub const MAX_PENDING_ATTESTATIONS: usize = 8192;
/// Aggregates that wait for their proof check, at most.
pub const MAX_PENDING_AGGREGATES: usize = 512;
/// Signatures checked by one task: enough to fill the packed hashing, short enough that a block
/// behind it waits a few milliseconds.
pub const ATTESTATION_BATCH: usize = 64;
/// Tasks of each kind under way at once, so that a flood of votes leaves the pool to blocks.
pub const MAX_TASKS_UNDER_WAY: usize = 2;

/// A vote that the same validator has given before, with whatever signature.
const KNOWN_ATTESTATION: Verdict = Verdict::Ignored(IgnoreReason::KnownAttestation);

/// What is on its way into a pool.
#[derive(Clone)]
struct Arrived<T> {
    id: InputId,
    item: Arc<T>,
    /// Whether it is kept once it is found valid: not when finality has passed it meanwhile, nor a
    /// vote that came while the node did not aggregate.
    keep: bool,
}

impl<T> Arrived<T> {
    fn new(id: InputId, item: &Arc<T>, keep: bool) -> Self {
        Self { id, item: Arc::clone(item), keep }
    }
}

/// Votes whose signatures are being checked, in order of arrival.
#[derive(Resource, Default)]
pub struct AttestationChecks {
    waiting: VecDeque<Arrived<SignedAttestation>>,
    under_way: VecDeque<(Vec<Arrived<SignedAttestation>>, Work<Vec<bool>>)>,
}

/// Aggregates whose proofs are being checked, in order of arrival.
#[derive(Resource, Default)]
pub struct AggregateChecks {
    waiting: VecDeque<Arrived<SignedAggregatedAttestation>>,
    under_way: VecDeque<(Arrived<SignedAggregatedAttestation>, Work<Result<(), Rejection>>)>,
}

impl AttestationChecks {
    /// How many votes wait or are under way.
    pub fn len(&self) -> usize {
        self.waiting.len() + self.under_way.iter().map(|(batch, _)| batch.len()).sum::<usize>()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.under_way.is_empty()
    }
}

impl AggregateChecks {
    /// How many aggregates wait or are under way.
    pub fn len(&self) -> usize {
        self.waiting.len() + self.under_way.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.under_way.is_empty()
    }
}

/// Whether a vote names a block that may yet come.
fn waits_for_block(rejection: &Rejection) -> bool {
    use RejectionReason::{UnknownHeadBlock, UnknownSourceBlock, UnknownTargetBlock};
    matches!(rejection.reason, UnknownHeadBlock | UnknownSourceBlock | UnknownTargetBlock)
}

/// Queues arrived votes that are worth a signature check. A vote that names an unknown block waits
/// for it where there is a place to wait, and is refused where there is none.
pub fn admit_attestations(
    mut received: MessageReader<AttestationReceived>,
    mut checks: ResMut<AttestationChecks>,
    (mut judged, mut waiting): (MessageWriter<InputJudged>, Option<ResMut<WaitingAttestations>>),
    (tree, registry): (Res<BlockTree>, Res<Registry>),
    (preset, is_aggregator, seen): (Res<SignaturePreset>, Res<IsAggregator>, Res<SeenAttestations>),
    (now, metrics): (Res<CurrentInterval>, Option<Res<Metrics>>),
) {
    let metrics = Metrics::or_unread(metrics.as_deref());
    for message in received.read() {
        let AttestationReceived { id, attestation, .. } = message;
        if seen.contains(attestation, is_aggregator.0) {
            judged.write(InputJudged { id: *id, verdict: KNOWN_ATTESTATION });
            continue;
        }
        let began = Instant::now();
        let mut checked = check_attestation(attestation, &tree, &registry, *preset, now.count);
        let took = began.elapsed();
        if let (Err(rejection), Some(waiting)) = (&checked, &mut waiting)
            && waits_for_block(rejection)
        {
            match waiting.hold_attestation(message.clone(), rejection.clone(), now.count) {
                Ok(()) => continue,
                Err(rejection) => checked = Err(rejection),
            }
        }
        metrics.fork_choice.note_validation(checked.is_ok(), took);
        let verdict = match checked {
            Err(rejection) => Verdict::Rejected(rejection),
            Ok(()) if checks.waiting.len() >= MAX_PENDING_ATTESTATIONS => {
                Verdict::Ignored(IgnoreReason::NoRoom)
            }
            Ok(()) => {
                checks.waiting.push_back(Arrived::new(*id, attestation, is_aggregator.0));
                continue;
            }
        };
        judged.write(InputJudged { id: *id, verdict });
    }
}

/// What can be said of a vote without looking at its signature.
fn check_attestation(
    attestation: &SignedAttestation,
    tree: &BlockTree,
    registry: &Registry,
    preset: SignaturePreset,
    now_intervals: u64,
) -> Result<(), Rejection> {
    if attestation.signature.preset() != preset {
        return Err(RejectionReason::DecodeError.because(format!(
            "a {} signature, the network's are {preset}",
            attestation.signature.preset()
        )));
    }
    validate_attestation(&attestation.data, tree, now_intervals)?;
    match registry.attestation_key(attestation.validator_index) {
        Some(_) => Ok(()),
        None => Err(RejectionReason::ValidatorNotInState.because(format!(
            "validator {} of {}",
            attestation.validator_index,
            registry.len()
        ))),
    }
}

/// Queues arrived aggregates that are worth a proof check. One that names an unknown block waits as
/// a vote does.
pub fn admit_aggregates(
    mut received: MessageReader<AggregateReceived>,
    mut checks: ResMut<AggregateChecks>,
    (mut judged, mut waiting): (MessageWriter<InputJudged>, Option<ResMut<WaitingAttestations>>),
    tree: Res<BlockTree>,
    (now, metrics): (Res<CurrentInterval>, Option<Res<Metrics>>),
) {
    let metrics = Metrics::or_unread(metrics.as_deref());
    for message in received.read() {
        let AggregateReceived { id, aggregate, .. } = message;
        let began = Instant::now();
        let mut checked = validate_attestation(&aggregate.data, &tree, now.count)
            .and_then(|()| aggregate.proof.participants.non_empty_count());
        let took = began.elapsed();
        if let (Err(rejection), Some(waiting)) = (&checked, &mut waiting)
            && waits_for_block(rejection)
        {
            match waiting.hold_aggregate(message.clone(), rejection.clone(), now.count) {
                Ok(()) => continue,
                Err(rejection) => checked = Err(rejection),
            }
        }
        metrics.fork_choice.note_validation(checked.is_ok(), took);
        let verdict = match checked {
            Err(rejection) => Verdict::Rejected(rejection),
            Ok(_) if checks.waiting.len() >= MAX_PENDING_AGGREGATES => {
                Verdict::Ignored(IgnoreReason::NoRoom)
            }
            Ok(_) => {
                checks.waiting.push_back(Arrived::new(*id, aggregate, true));
                continue;
            }
        };
        judged.write(InputJudged { id: *id, verdict });
    }
}

/// Starts checks of votes, as many as may be under way.
pub fn start_attestation_checks(
    mut checks: ResMut<AttestationChecks>,
    registry: Res<Registry>,
    signatures: Res<Signatures>,
    tasks: Res<Tasks>,
    metrics: Option<Res<Metrics>>,
) {
    let metrics = Metrics::or_unread(metrics.as_deref());
    while checks.under_way.len() < MAX_TASKS_UNDER_WAY && !checks.waiting.is_empty() {
        let count = checks.waiting.len().min(ATTESTATION_BATCH);
        let batch: Vec<_> = checks.waiting.drain(..count).collect();
        let (registry, signatures, votes) = (registry.clone(), signatures.clone(), batch.clone());
        let metrics = metrics.clone();
        let work = tasks.spawn(move |_| {
            let roots: Vec<Root> =
                votes.iter().map(|vote| vote.item.data.tree_hash_root()).collect();
            let items: Vec<SignatureCheck<'_>> = votes
                .iter()
                .zip(&roots)
                .map(|(Arrived { item: vote, .. }, root)| SignatureCheck {
                    public_key: registry
                        .attestation_key(vote.validator_index)
                        .expect("admitted votes are in the registry")
                        .as_slice(),
                    slot: vote.data.slot,
                    message: &root.0,
                    signature: vote.signature.as_bytes(),
                })
                .collect();
            let began = Instant::now();
            let verdicts = signatures.0.verify_batch(&items);
            metrics.signatures.note_checks(&verdicts, began.elapsed());
            verdicts
        });
        checks.under_way.push_back((batch, work));
    }
}

/// Starts checks of aggregates, as many as may be under way.
pub fn start_aggregate_checks(
    mut checks: ResMut<AggregateChecks>,
    registry: Res<Registry>,
    proofs: Res<Proofs>,
    tasks: Res<Tasks>,
    metrics: Option<Res<Metrics>>,
) {
    let metrics = Metrics::or_unread(metrics.as_deref());
    while checks.under_way.len() < MAX_TASKS_UNDER_WAY {
        let Some(aggregate) = checks.waiting.pop_front() else { return };
        let (registry, proofs) = (registry.clone(), proofs.clone());
        let (input, metrics) = (Arc::clone(&aggregate.item), metrics.clone());
        let work = tasks.spawn(move |_| {
            let began = Instant::now();
            let verdict = verify_aggregate(&input.data, &input.proof, &registry, &*proofs.0);
            metrics.signatures.note_aggregate_check(verdict.is_ok(), began.elapsed());
            verdict
        });
        checks.under_way.push_back((aggregate, work));
    }
}

/// Commits checked votes in order of arrival: an aggregator keeps their signatures.
pub fn commit_attestations(world: &mut World) {
    loop {
        let mut checks = world.resource_mut::<AttestationChecks>();
        let Some((_, work)) = checks.under_way.front_mut() else { return };
        let Some(outcome) = work.take() else { return };
        let (batch, _) = checks.under_way.pop_front().expect("it had a front");
        let verdicts = panicked(outcome, "a signature check");
        for (index, Arrived { id, item: vote, keep }) in batch.into_iter().enumerate() {
            let verdict = match verdicts.as_ref().map(|verdicts| verdicts[index]) {
                None => Verdict::Ignored(IgnoreReason::InternalError),
                Some(false) => Verdict::Rejected(RejectionReason::InvalidSignature.because(
                    format!("validator {} at slot {}", vote.validator_index, vote.data.slot),
                )),
                Some(true) if !world.resource_mut::<SeenAttestations>().insert(&vote, keep) => {
                    KNOWN_ATTESTATION
                }
                Some(true) => {
                    if keep {
                        let signature = vote.signature.clone();
                        pool::add_signature(world, &vote.data, vote.validator_index, signature);
                        note_attestation(world, vote.data.slot, vote.validator_index);
                    }
                    Verdict::Accepted
                }
            };
            world.write_message(InputJudged { id, verdict });
        }
        world.run_system_cached(start_attestation_checks).expect("its resources are installed");
    }
}

/// Commits checked aggregates in order of arrival: they count at the next acceptance.
pub fn commit_aggregates(world: &mut World) {
    loop {
        let mut checks = world.resource_mut::<AggregateChecks>();
        let Some((_, work)) = checks.under_way.front_mut() else { return };
        let Some(outcome) = work.take() else { return };
        let (aggregate, _) = checks.under_way.pop_front().expect("it had a front");
        let Arrived { id, item: aggregate, keep } = aggregate;
        let verdict = match panicked(outcome, "a proof check") {
            None => Verdict::Ignored(IgnoreReason::InternalError),
            Some(Err(rejection)) => Verdict::Rejected(rejection),
            Some(Ok(())) => {
                if keep {
                    let payload = Arc::new(aggregate.proof.clone());
                    pool::add_payload(world, &aggregate.data, payload, Phase::New);
                }
                Verdict::Accepted
            }
        };
        world.write_message(InputJudged { id, verdict });
        world.run_system_cached(start_aggregate_checks).expect("its resources are installed");
    }
}

/// Prunes what is on its way as the pools are pruned, so that it does not show whether a check
/// ended before the block that made it stale was in, or after.
pub(crate) fn mark_stale(world: &mut World, is_stale: impl Fn(&AttestationData) -> bool) {
    if let Some(mut checks) = world.get_resource_mut::<AttestationChecks>() {
        let AttestationChecks { waiting, under_way } = &mut *checks;
        let under_way = under_way.iter_mut().flat_map(|(batch, _)| batch);
        for vote in waiting.iter_mut().chain(under_way) {
            vote.keep &= !is_stale(&vote.item.data);
        }
    }
    if let Some(mut checks) = world.get_resource_mut::<AggregateChecks>() {
        let AggregateChecks { waiting, under_way } = &mut *checks;
        let under_way = under_way.iter_mut().map(|(aggregate, _)| aggregate);
        for aggregate in waiting.iter_mut().chain(under_way) {
            aggregate.keep &= !is_stale(&aggregate.item.data);
        }
    }
}

/// A panic is our fault, not the sender's: logged, and nothing said against the input.
fn panicked<T>(outcome: Result<T, TaskPanic>, what: &str) -> Option<T> {
    outcome.inspect_err(|panic| tracing::error!(%panic, "{what} panicked")).ok()
}
