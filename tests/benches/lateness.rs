//! The lateness of intervals while every permit of the prover is busy with proofs of a second each:
//! proofs as tasks, and beside it the same node with proofs made on the loop.
//!
//! `LATENESS_INTERVALS` sets another number of intervals than 500 for the first of the two; the
//! second runs for a fifth of them.

#![allow(unreachable_pub, reason = "a test binary exports nothing")]

#[path = "../support/mod.rs"]
mod support;

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bevy_app::AppExit;
use bevy_ecs::prelude::*;
use quintet::{
    app,
    components::{
        aggregation::{AggregationConfig, AggregationHistory},
        chain::IsAggregator,
        clock::{CurrentInterval, SlotClock},
        containers::Slot,
        messages::{AttestationReceived, InputId},
        preset::SignaturePreset,
        prover::ProverLimits,
        schedule::{Interval, IntervalSystems, OnInterval},
        task::{InlineSpawner, Job, TaskSpawner, Tasks},
        waker::NodeWaker,
    },
    plugins::{
        AggregationPlugin, Anchor, ClockPlugin, ForkChoicePlugin, InboundLanes, InboundPlugin,
        OrderPlugin, PoolSpawner, ProverPlugin, RunnerPlugin,
    },
    prover::{CancelToken, ProveError},
    systems::{
        production::produce_attestation_data,
        transition::{anchor_block, generate_genesis},
    },
};
use support::{
    chain,
    mocked::{Aggregate, Twist, Twisted},
};

const PROOF: Duration = Duration::from_secs(1);

fn main() {
    // `cargo test --benches` only wants to know that it runs.
    let quick = std::env::args().any(|argument| argument == "--test");
    let intervals: usize = std::env::var("LATENESS_INTERVALS")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(if quick { 10 } else { 500 });
    println!("proofs of {PROOF:?}, one permit a core; lateness of interval starts");
    println!(
        "{:>12} {:>9} {:>8} {:>8} {:>8} {:>8} {:>7} {:>9}",
        "proofs", "intervals", "p50", "p99", "max", "over 50", "proved", "cancelled"
    );
    run("as tasks", true, intervals);
    run("on the loop", false, intervals.div_ceil(5));
}

/// Keeps the core that it runs on busy for a second.
struct Slow;

impl Twist for Slow {
    fn before_aggregate(&self, _: &Aggregate<'_>, _: &CancelToken) -> Result<(), ProveError> {
        let begin = Instant::now();
        let mut state = 1_u64;
        while begin.elapsed() < PROOF {
            for _ in 0..10_000 {
                state = std::hint::black_box(state.wrapping_mul(6_364_136_223_846_793_005) + 1);
            }
        }
        Ok(())
    }
}

/// Proofs on the loop, everything else on the pool.
struct ProofsOnTheLoop(PoolSpawner);

impl TaskSpawner for ProofsOnTheLoop {
    fn spawn(&self, job: Job) {
        self.0.spawn(job);
    }

    fn spawn_proof(&self, job: Job) {
        InlineSpawner.spawn(job);
    }
}

/// Microseconds late, by interval.
#[derive(Resource, Clone, Default)]
struct Measured(Arc<Mutex<Vec<u64>>>);

#[derive(Resource, Clone, Copy)]
struct Until(usize);

#[derive(Resource, Default)]
struct Offered(u64);

fn run(name: &str, as_tasks: bool, intervals: usize) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set").as_secs();
    let state = generate_genesis(now + 1, chain::validators(64));
    let anchor = Anchor { block: anchor_block(&state), state: Arc::new(state) };
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let measured = Measured::default();
    let totals = Totals::default();

    let mut app = app(RunnerPlugin::default());
    let waker = app.world().resource::<NodeWaker>().clone();
    let pool = PoolSpawner::own(cores);
    app.insert_resource(if as_tasks {
        Tasks::new(pool, waker)
    } else {
        Tasks::new(ProofsOnTheLoop(pool), waker)
    });
    app.add_plugins((
        OrderPlugin,
        ClockPlugin,
        InboundPlugin,
        ForkChoicePlugin {
            anchor,
            preset: SignaturePreset::Test,
            proofs: Arc::new(Twisted(Slow)),
            signatures: Some(Arc::new(chain::AcceptAll)),
        },
        ProverPlugin { limits: ProverLimits { permits: cores, ..ProverLimits::default() } },
        AggregationPlugin { config: AggregationConfig::default() },
    ))
    .insert_resource(IsAggregator(true))
    .insert_resource(measured.clone())
    .insert_resource(totals.clone())
    .insert_resource(Until(intervals))
    .init_resource::<Offered>();
    for interval in Interval::ALL {
        app.add_systems(
            OnInterval(interval),
            measure.before(IntervalSystems::Collect).ambiguous_with_all(),
        );
    }
    app.add_systems(
        OnInterval(Interval::Attest),
        offer_attestations.after(IntervalSystems::Duties),
    );
    app.run();
    report(name, &measured, &totals);
}

/// The number of proofs that were made and cancelled, printed when the run ends.
#[derive(Resource, Clone, Default)]
struct Totals(Arc<Mutex<(u64, u64)>>);

/// Notes the lateness of this interval, by the wall clock.
fn measure(world: &mut World) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set");
    let count = world.resource::<CurrentInterval>().count;
    let start_ms = world.resource::<SlotClock>().interval_start_ms(count);
    let late = now.saturating_sub(Duration::from_millis(start_ms));
    let measured = world.resource::<Measured>().clone();
    let mut measured = measured.0.lock().expect("not poisoned");
    measured.push(u64::try_from(late.as_micros()).unwrap_or(u64::MAX));
    if measured.len() >= world.resource::<Until>().0 {
        let history = world.resource::<AggregationHistory>();
        *world.resource::<Totals>().0.lock().expect("not poisoned") =
            (history.total.proved, history.total.cancelled);
        world.write_message(AppExit::Success);
    }
}

/// Attestations of every validator, of this slot and of the two before it: three jobs a slot.
fn offer_attestations(world: &mut World) {
    let slot = world.resource::<CurrentInterval>().slot();
    for voted in slot.saturating_sub(2)..=slot {
        offer(world, slot, voted);
    }
}

fn offer(world: &mut World, slot: Slot, voted: Slot) {
    let data = produce_attestation_data(world, voted);
    let lane = world.resource::<InboundLanes>().attestations.clone();
    // A third attests in time, a third a slot late, a third two.
    let late = slot - voted;
    for validator in (0..64).filter(|validator| validator % 3 == late) {
        world.resource_mut::<Offered>().0 += 1;
        let id = InputId(world.resource::<Offered>().0);
        let attestation = Arc::new(chain::attested_by(data, validator));
        lane.offer(AttestationReceived::new(id, attestation));
    }
}

fn report(name: &str, measured: &Measured, totals: &Totals) {
    let mut late = measured.0.lock().expect("not poisoned").clone();
    late.sort_unstable();
    let millis = |micros: u64| micros as f64 / 1000.0;
    let at = |percent: usize| millis(late[(late.len() * percent / 100).min(late.len() - 1)]);
    let over = late.iter().filter(|micros| **micros > 50_000).count();
    let (proved, cancelled) = *totals.0.lock().expect("not poisoned");
    println!(
        "{name:>12} {:>9} {:>7.1}ms {:>6.1}ms {:>6.1}ms {over:>8} {proved:>7} {cancelled:>9}",
        late.len(),
        at(50),
        at(99),
        millis(*late.last().expect("there are intervals")),
    );
}
