//! The prover's line, permits, memory and timeline.

use bevy_ecs::{message::Messages, prelude::*, system::RunSystemOnce};
use quintet_components::{
    aggregation::SkipReason,
    clock::{CurrentInterval, UnixTime, first_interval},
    containers::Slot,
    prover::{
        ProofAbandoned, ProverJob, ProverKind, ProverLimits, ProverStatus, ProverTimes,
        TIMELINE_SLOTS,
    },
    task::{Tasks, Work},
    waker::NodeWaker,
};
use quintet_systems::proving::{
    MAX_RUN_MS, ProverLine, ProverScheduler, Refused, STRAGGLER_MS, prune_timeline, run_prover,
};

use crate::{
    aggregation::aggregator::{Aggregator, Options},
    support::prover::VirtualProver,
};

const KIB: usize = 1024;

/// A world with a scheduler only, and its prover.
fn scheduler(limits: ProverLimits) -> (World, VirtualProver) {
    let prover = VirtualProver::default();
    let (waker, _) = NodeWaker::new();
    let mut world = World::new();
    world.insert_resource(Tasks::new(prover.clone(), waker));
    world.insert_resource(limits);
    world.init_resource::<ProverScheduler>();
    world.init_resource::<Messages<ProofAbandoned>>();
    world.init_resource::<UnixTime>();
    world.init_resource::<CurrentInterval>();
    (world, prover)
}

fn ask(
    world: &mut World,
    kind: ProverKind,
    memory_bytes: usize,
) -> Result<(Entity, Work<u8>), Refused> {
    ask_in(world, 1, kind, memory_bytes)
}

fn ask_in(
    world: &mut World,
    slot: Slot,
    kind: ProverKind,
    memory_bytes: usize,
) -> Result<(Entity, Work<u8>), Refused> {
    let job = ProverJob { kind, slot, children: 1, signatures: 0, subnet: None, memory_bytes };
    let ask =
        move |mut line: ProverLine| line.submit(job, |_| ProverStatus::Proved { bytes: 1 }, |_| 7);
    world.run_system_once(ask).expect("its resources are there")
}

fn turn_to(world: &mut World, prover: &VirtualProver, now_ms: u64) {
    prover.turn_to(now_ms);
    world.resource_mut::<UnixTime>().now_ms = now_ms;
    world.run_system_cached(run_prover).expect("its resources are there");
}

#[test]
fn proposals_go_before_aggregation_and_aggregation_before_reaggregation() {
    use ProverKind::{Aggregation, Proposal, Reaggregation};
    let limits = ProverLimits { permits: 1, memory_bytes: KIB, queue: 16 };
    let (mut world, prover) = scheduler(limits);
    prover.costs(&[10]);
    let asked = [Reaggregation, Aggregation, Reaggregation, Proposal, Aggregation, Proposal];
    let jobs: Vec<_> =
        asked.iter().map(|kind| ask(&mut world, *kind, 1).expect("there is room")).collect();
    for time in 1..=6 {
        turn_to(&mut world, &prover, 10 * time);
    }
    let mut started: Vec<(u64, ProverKind)> = jobs
        .iter()
        .map(|(job, _)| {
            let times = world.get::<ProverTimes>(*job).expect("it is on the timeline");
            let kind = world.get::<ProverJob>(*job).expect("it is on the timeline").kind;
            (times.started_ms.expect("all have run"), kind)
        })
        .collect();
    started.sort_unstable();
    let order: Vec<_> = started.into_iter().map(|(_, kind)| kind).collect();
    // The first found the prover idle, and the first proposal runs beside it.
    assert_eq!(order, [Proposal, Reaggregation, Proposal, Aggregation, Aggregation, Reaggregation]);
}

#[test]
fn one_proposal_runs_beside_as_many_jobs_as_there_are_permits() {
    let limits = ProverLimits { permits: 2, memory_bytes: KIB, queue: 16 };
    let (mut world, prover) = scheduler(limits);
    prover.costs(&[10]);
    let ask = |world: &mut World, kind| ask(world, kind, 1).expect("there is room");
    let _jobs: Vec<_> = (0..3).map(|_| ask(&mut world, ProverKind::Aggregation)).collect();
    assert_eq!(prover.running(), 2);
    let _proposals: Vec<_> = (0..2).map(|_| ask(&mut world, ProverKind::Proposal)).collect();
    assert_eq!(prover.running(), 3, "one proposal, and no second one");
    turn_to(&mut world, &prover, 10);
    assert_eq!(prover.running(), 2, "the other proposal and the aggregation that waited");
}

#[test]
fn the_permit_of_a_proof_that_never_stops_is_lent_anew_after_two_slots() {
    let limits = ProverLimits { permits: 1, memory_bytes: 10 * KIB, queue: 16 };
    let (mut world, prover) = scheduler(limits);
    prover.costs(&[1_000_000, 10]);
    let (_, straggler) = ask(&mut world, ProverKind::Aggregation, 6 * KIB).expect("it runs");
    turn_to(&mut world, &prover, 1_000);
    drop(straggler);
    let (_, mut next) = ask(&mut world, ProverKind::Aggregation, 4 * KIB).expect("it waits");
    let (_, _large) = ask(&mut world, ProverKind::Aggregation, 5 * KIB).expect("it waits");
    turn_to(&mut world, &prover, 1_000 + STRAGGLER_MS - 1);
    assert_eq!(world.resource::<ProverScheduler>().waiting(), 2, "it may still stop");
    turn_to(&mut world, &prover, 1_000 + STRAGGLER_MS);
    assert_eq!(prover.running(), 2);
    let counts = |world: &World| {
        let scheduler = world.resource::<ProverScheduler>();
        (scheduler.written_off(), scheduler.write_offs(), scheduler.waiting())
    };
    assert_eq!(counts(&world), (1, 1, 1));
    turn_to(&mut world, &prover, 1_010 + STRAGGLER_MS);
    assert!(matches!(next.take(), Some(Ok(7))));
    assert_eq!(counts(&world), (1, 1, 1), "its memory is not there for the large one");
    // It ends after all: the large one has its memory, and there is one permit as before.
    turn_to(&mut world, &prover, 1_000_000);
    assert_eq!(counts(&world), (0, 1, 0));
    let (_, _last) = ask(&mut world, ProverKind::Aggregation, KIB).expect("it waits");
    assert_eq!(prover.running(), 1);
}

#[test]
fn no_more_permits_are_written_off_at_a_time_than_there_are() {
    let limits = ProverLimits { permits: 1, memory_bytes: 10 * KIB, queue: 16 };
    let (mut world, prover) = scheduler(limits);
    prover.costs(&[1_000_000]);
    let mut now_ms = 0;
    for running in [1, 2, 2] {
        let (_, straggler) = ask(&mut world, ProverKind::Aggregation, 1).expect("there is room");
        assert_eq!(prover.running(), running);
        drop(straggler);
        // Once to be seen as given up, once to be written off.
        turn_to(&mut world, &prover, now_ms);
        now_ms += STRAGGLER_MS;
        turn_to(&mut world, &prover, now_ms);
    }
    assert_eq!(world.resource::<ProverScheduler>().written_off(), 1);
}

#[test]
fn a_job_that_nobody_gives_up_is_asked_to_stop_after_sixteen_slots() {
    let limits = ProverLimits { permits: 1, memory_bytes: KIB, queue: 16 };
    let (mut world, prover) = scheduler(limits);
    prover.costs(&[10 * MAX_RUN_MS, 10]);
    let (_, _endless) = ask(&mut world, ProverKind::Reaggregation, 1).expect("it runs");
    let (_, _next) = ask(&mut world, ProverKind::Aggregation, 1).expect("it waits");
    turn_to(&mut world, &prover, MAX_RUN_MS);
    assert_eq!(world.resource::<ProverScheduler>().stragglers(), 1);
    turn_to(&mut world, &prover, MAX_RUN_MS + STRAGGLER_MS);
    assert_eq!(prover.running(), 2);
}

#[test]
fn no_more_jobs_run_than_there_are_permits() {
    let limits = ProverLimits { permits: 2, memory_bytes: KIB, queue: 16 };
    let (mut world, prover) = scheduler(limits);
    prover.costs(&[10]);
    let jobs: Vec<_> = (0..5)
        .map(|_| ask(&mut world, ProverKind::Aggregation, 1).expect("there is room"))
        .collect();
    for (time, running) in [(0, 2), (10, 2), (20, 1), (30, 0)] {
        turn_to(&mut world, &prover, time);
        assert_eq!(world.resource::<ProverScheduler>().running(), running, "at {time} ms");
        assert_eq!(prover.running(), running);
    }
    for (_, mut work) in jobs {
        assert!(matches!(work.take(), Some(Ok(7))));
    }
}

#[test]
fn jobs_run_together_only_within_the_memory_budget_and_nothing_overtakes() {
    let limits = ProverLimits { permits: 4, memory_bytes: 10 * KIB, queue: 16 };
    let (mut world, prover) = scheduler(limits);
    prover.costs(&[10]);
    let refused = ask(&mut world, ProverKind::Proposal, 11 * KIB).err();
    assert_eq!(refused, Some(Refused::TooLarge { needs: 11 * KIB, budget: 10 * KIB }));
    let _jobs: Vec<_> = [6, 6, 1]
        .map(|kib| ask(&mut world, ProverKind::Aggregation, kib * KIB).expect("there is room"))
        .into();
    assert_eq!(prover.running(), 1, "the small one waits behind the second large one");
    turn_to(&mut world, &prover, 10);
    assert_eq!(prover.running(), 2);
}

#[test]
fn a_full_line_refuses_unless_the_job_goes_before_the_last_in_it() {
    let limits = ProverLimits { permits: 1, memory_bytes: KIB, queue: 2 };
    let (mut world, prover) = scheduler(limits);
    prover.costs(&[10]);
    let _running = ask(&mut world, ProverKind::Aggregation, 1).expect("it runs");
    let _first = ask(&mut world, ProverKind::Aggregation, 1).expect("it waits");
    let (last, work) = ask(&mut world, ProverKind::Reaggregation, 1).expect("it waits");
    assert_eq!(ask(&mut world, ProverKind::Reaggregation, 1).err(), Some(Refused::QueueFull(2)));
    assert!(!work.is_dropped());
    let _proposal = ask(&mut world, ProverKind::Proposal, 1).expect("it makes room for itself");
    assert_eq!(world.get::<ProverStatus>(last), Some(&ProverStatus::Cancelled));
    assert!(work.is_dropped(), "its owner can tell");
    assert_eq!(world.resource::<ProverScheduler>().waiting(), 1, "the proposal runs");
}

#[test]
fn a_job_given_up_while_it_waits_never_runs() {
    let limits = ProverLimits { permits: 1, memory_bytes: KIB, queue: 8 };
    let (mut world, prover) = scheduler(limits);
    prover.costs(&[10]);
    let _running = ask(&mut world, ProverKind::Aggregation, 1).expect("it runs");
    let (job, work) = ask(&mut world, ProverKind::Aggregation, 1).expect("it waits");
    drop(work);
    turn_to(&mut world, &prover, 10);
    assert_eq!(prover.running(), 0);
    assert_eq!(world.get::<ProverStatus>(job), Some(&ProverStatus::Cancelled));
    assert_eq!(world.get::<ProverTimes>(job).and_then(|times| times.started_ms), None);
}

#[test]
fn the_timeline_keeps_64_slots() {
    let (mut world, prover) = scheduler(ProverLimits { permits: 8, memory_bytes: KIB, queue: 8 });
    for slot in 1..=3 {
        drop(ask_in(&mut world, slot, ProverKind::Aggregation, 1));
    }
    turn_to(&mut world, &prover, 1);
    for (slot, kept) in [(TIMELINE_SLOTS + 1, 3), (TIMELINE_SLOTS + 2, 2), (TIMELINE_SLOTS + 4, 0)]
    {
        world.resource_mut::<CurrentInterval>().count = first_interval(slot);
        world.run_system_cached(prune_timeline).expect("its resources are there");
        assert_eq!(world.query::<&ProverJob>().iter(&world).count(), kept, "in slot {slot}");
    }
}

#[test]
fn attestations_that_find_the_line_full_are_counted_and_keep_their_signatures() {
    let mut aggregator = Aggregator::new(&Options { queue: 1, ..Options::default() });
    aggregator.node.set_aggregator(false);
    aggregator.at(4, 1, 0);
    aggregator.node.set_aggregator(true);
    for slot in 1..=4 {
        let data = aggregator.data(slot);
        aggregator.sign(data, &[0, 1]);
    }
    aggregator.prover.costs(&[10]);
    aggregator.at(4, 2, 100);
    let counts = aggregator.counts(4);
    assert_eq!((counts.groups, counts.prepared, counts.proved), (4, 2, 2), "{counts:?}");
    assert_eq!(counts.skipped[&SkipReason::QueueFull], 2);
    assert_eq!(aggregator.signed().len(), 2);
}
