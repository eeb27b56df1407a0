//! An aggregator whose prover works in virtual time.

use std::{collections::HashSet, sync::Arc};

use bevy_ecs::{message::Messages, prelude::*};
use quintet_components::{
    aggregation::{AggregationConfig, AggregationCounts, AggregationHistory, AggregationSession},
    attestations::{Known, New, Own, Payload, PayloadOf, Phase, PooledAttestation, Signed},
    clock::{SlotClock, UnixTime, first_interval},
    containers::{AttestationData, SignedAggregatedAttestation, SignedBlock, Slot, ValidatorIndex},
    messages::AggregateProduced,
    prover::{ProverJob, ProverKind, ProverLimits, ProverStatus, ProverTimes},
};
use quintet_plugins::{MetricsPlugin, ReaggregationPlugin};
use quintet_systems::{pool, production::produce_attestation_data};

use crate::support::{
    chain,
    node::{Setup, TestNode},
    prover::VirtualProver,
};

/// The options of a test's aggregator.
pub struct Options {
    pub validators: u64,
    pub permits: usize,
    pub memory_bytes: usize,
    pub queue: usize,
    pub early_start: bool,
    pub committees: u64,
    pub reaggregation: bool,
}

impl Default for Options {
    /// Nine validators, one permit, no early start, no re-aggregation.
    fn default() -> Self {
        Self {
            validators: 9,
            permits: 1,
            memory_bytes: 256 << 20,
            queue: 256,
            early_start: false,
            committees: 1,
            reaggregation: false,
        }
    }
}

/// The aggregator.
pub struct Aggregator {
    pub node: TestNode,
    pub prover: VirtualProver,
    produced: Vec<(u64, Arc<SignedAggregatedAttestation>)>,
    /// The events, in order.
    pub log: Vec<Event>,
    own: HashSet<Entity>,
}

/// An event.
#[derive(Clone, Debug)]
pub enum Event {
    /// These validators signed the attestation of a slot.
    Signed(Slot, Vec<ValidatorIndex>),
    /// An aggregate of these validators for the attestation of a slot came in.
    Received(Slot, Vec<ValidatorIndex>),
    /// An update was made.
    Updated {
        /// The intervals, since genesis, before and after.
        intervals: (u64, u64),
        /// Own payloads that are new in the pools: the slot of the attestation, and who is in it.
        own: Vec<(Slot, Vec<ValidatorIndex>)>,
        /// By attestation: its signers, and the participants of its new and of its known payloads.
        pools: [Sets; 3],
    },
}

/// Validators of payloads or signatures, by attestation in pool order.
pub type Sets = Vec<Vec<ValidatorIndex>>;

impl Aggregator {
    /// An aggregator at interval 1 of slot 1.
    pub fn new(options: &Options) -> Self {
        let prover = VirtualProver::default();
        let mut setup = Setup::new(chain::genesis(options.validators))
            .accepting_signatures()
            .with(|app| _ = app.add_plugins(MetricsPlugin::default()))
            .tasks_on(prover.clone());
        setup.proofs = Arc::new(prover.proofs());
        setup.prover = ProverLimits {
            permits: options.permits,
            memory_bytes: options.memory_bytes,
            queue: options.queue,
        };
        setup.aggregation = AggregationConfig {
            early_start: options.early_start,
            committee_count: options.committees,
            ..AggregationConfig::default()
        };
        if options.reaggregation {
            setup = setup.with(|app| _ = app.add_plugins(ReaggregationPlugin));
        }
        let mut this = Self {
            node: TestNode::new(setup),
            prover,
            produced: Vec::new(),
            log: Vec::new(),
            own: HashSet::new(),
        };
        this.node.set_aggregator(true);
        this.at(1, 1, 0);
        this
    }

    /// Turns the clock to so many milliseconds after an interval of a slot began, with an update
    /// whenever a proof ends on the way, as the runner would.
    pub fn at(&mut self, slot: Slot, interval: u64, after_ms: u64) {
        let clock = *self.node.world().resource::<SlotClock>();
        let target = clock.interval_start_ms(first_interval(slot) + interval) + after_ms;
        loop {
            let due = self.prover.next_end_ms().filter(|end| *end <= target);
            let deadline = self.earliest_deadline_ms().filter(|at| *at <= target);
            let now = self.node.world().resource::<UnixTime>().now_ms;
            let boundary = clock.interval_start_ms(clock.total_intervals(now) + 1);
            let next = [due, deadline, Some(boundary), Some(target)].into_iter().flatten();
            let next = next.min().expect("the target is one").max(now);
            self.wake(next);
            if next >= target {
                return;
            }
        }
    }

    /// Turns the clock without waking in between, as a machine that slept would.
    pub fn wake_at(&mut self, slot: Slot, interval: u64) {
        let clock = *self.node.world().resource::<SlotClock>();
        self.wake(clock.interval_start_ms(first_interval(slot) + interval));
    }

    fn wake(&mut self, now_ms: u64) {
        self.node.world().resource_mut::<UnixTime>().now_ms = now_ms;
        // What the first update starts may end at once.
        for _ in 0..2 {
            self.prover.turn_to(now_ms);
            let before = self.node.time();
            self.update();
            let own = self.new_own();
            let pools = [self.signed(), self.new_payloads(), self.known_payloads()];
            let intervals = (before, self.node.time());
            self.log.push(Event::Updated { intervals, own, pools });
        }
    }

    /// Own payloads that have come since it was last asked.
    fn new_own(&mut self) -> Vec<(Slot, Vec<ValidatorIndex>)> {
        let world = self.node.world();
        let mut query = world.query_filtered::<(Entity, &Payload, &PayloadOf), With<Own>>();
        let found: Vec<_> = query
            .iter(world)
            .filter(|(entity, ..)| !self.own.contains(entity))
            .map(|(entity, payload, of)| {
                let vote = world.get::<PooledAttestation>(of.0).expect("it is an attestation");
                (entity, vote.data.slot, payload.0.participants.indices().collect())
            })
            .collect();
        self.own.extend(found.iter().map(|(entity, ..)| *entity));
        found.into_iter().map(|(_, slot, voters)| (slot, voters)).collect()
    }

    fn earliest_deadline_ms(&mut self) -> Option<u64> {
        let now = self.node.world().resource::<UnixTime>().now_ms;
        let world = self.node.world();
        let mut deadlines = world.query::<&quintet_components::clock::Deadline>();
        deadlines.iter(world).map(|deadline| deadline.at_ms).filter(|at| *at > now).min()
    }

    /// One update.
    pub fn update(&mut self) {
        self.node.update();
        let interval = self.node.time();
        let mut produced = self.node.world().resource_mut::<Messages<AggregateProduced>>();
        let produced: Vec<_> = produced.drain().map(|each| (interval, each.0)).collect();
        self.produced.extend(produced);
    }

    /// The attestation to give in this slot.
    pub fn data(&mut self, slot: Slot) -> AttestationData {
        produce_attestation_data(self.node.world(), slot)
    }

    /// These validators sign the attestation.
    pub fn sign(&mut self, data: AttestationData, validators: &[ValidatorIndex]) {
        for validator in validators {
            self.node.offer_attestation(chain::attested_by(data, *validator));
        }
        self.update();
        self.update();
        self.log.push(Event::Signed(data.slot, validators.to_vec()));
    }

    /// An aggregate of these validators arrives.
    pub fn receive(&mut self, data: AttestationData, validators: &[ValidatorIndex]) {
        self.node.offer_aggregate(chain::aggregate(data, validators));
        self.update();
        self.update();
        self.log.push(Event::Received(data.slot, validators.to_vec()));
    }

    /// A block arrives.
    pub fn import(&mut self, block: SignedBlock) {
        self.node.offer_block(block);
        self.update();
        self.update();
    }

    /// The validators of each new payload.
    pub fn new_payloads(&mut self) -> Sets {
        payloads::<New>(self.node.world(), Phase::New)
    }

    /// The validators of each known payload.
    pub fn known_payloads(&mut self) -> Sets {
        payloads::<Known>(self.node.world(), Phase::Known)
    }

    /// The validators with signatures that nothing absorbed, by attestation.
    pub fn signed(&mut self) -> Sets {
        let world = self.node.world();
        let voters = |vote| {
            let mut voters: Vec<_> =
                pool::signatures(world, vote).map(|(_, each)| each.validator_index).collect();
            voters.sort_unstable();
            voters
        };
        pool::members::<Signed>(world).into_iter().map(voters).collect()
    }

    /// The validators of each aggregate published so far, with the interval of its slot.
    pub fn published(&self) -> Vec<(u64, Vec<ValidatorIndex>)> {
        self.produced
            .iter()
            .map(|(interval, signed)| (interval % 5, signed.proof.participants.indices().collect()))
            .collect()
    }

    /// The counts of a slot.
    pub fn counts(&mut self, slot: Slot) -> AggregationCounts {
        let history = self.node.world().resource::<AggregationHistory>();
        history.of(slot).cloned().unwrap_or_default()
    }

    /// The number of sessions.
    pub fn sessions(&mut self) -> usize {
        let world = self.node.world();
        world.query::<&AggregationSession>().iter(world).count()
    }

    /// The timeline: kind, slot, status, and when each job was queued, started and finished, in
    /// milliseconds after the slot's interval 2; in the order in which they were asked for.
    pub fn timeline(&mut self) -> Vec<Job> {
        let clock = *self.node.world().resource::<SlotClock>();
        let world = self.node.world();
        let mut query = world.query::<(&ProverJob, &ProverTimes, &ProverStatus)>();
        let mut jobs: Vec<(u64, Job)> = query
            .iter(world)
            .map(|(job, times, status)| {
                let from = clock.interval_start_ms(first_interval(job.slot) + 2);
                let after =
                    |ms: u64| i64::try_from(ms).unwrap_or(0) - i64::try_from(from).unwrap_or(0);
                let job = Job {
                    kind: job.kind,
                    slot: job.slot,
                    status: status.clone(),
                    queued: after(times.queued_ms),
                    started: times.started_ms.map(after),
                    finished: times.finished_ms.map(after),
                };
                (times.number, job)
            })
            .collect();
        jobs.sort_by_key(|(number, _)| *number);
        jobs.into_iter().map(|(_, job)| job).collect()
    }
}

/// A job on the timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    pub kind: ProverKind,
    pub slot: Slot,
    pub status: ProverStatus,
    pub queued: i64,
    pub started: Option<i64>,
    pub finished: Option<i64>,
}

fn payloads<P: quintet_components::attestations::Pool>(world: &World, phase: Phase) -> Sets {
    pool::members::<P>(world)
        .into_iter()
        .flat_map(|vote| pool::payloads(world, vote, phase))
        .map(|(_, payload)| payload.participants.indices().collect())
        .collect()
}
