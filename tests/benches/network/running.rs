//! The node that is measured: its real runner, on a thread of its own, with signature checks that cost
//! what real ones cost.

use std::{
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bevy_app::AppExit;
use bevy_ecs::prelude::*;
use quintet::{
    app,
    components::{
        clock::{CurrentInterval, SlotClock},
        lane::Lane,
        messages::AttestationReceived,
        preset::SignaturePreset,
        schedule::{First, Interval, IntervalSystems, OnInterval},
        task::Tasks,
        waker::NodeWaker,
    },
    plugins::{
        AggregationPlugin, Anchor, ClockPlugin, ForkChoicePlugin, InboundPlugin, NetworkPlugin,
        OrderPlugin, PoolSpawner, ProverPlugin, RunnerPlugin, SyncPlugin,
        network::{Counters, LocalNode, NetworkCounters},
    },
    systems::{
        transition::{anchor_block, generate_genesis},
        verification::{SignatureCheck, SignatureVerifier},
    },
};

use crate::support::{
    chain,
    mocked::{Twist, Twisted},
    networked::{config, storage},
};

/// The cost of one signature's check where it is not free: as in a batch of production's.
pub const CHECK: Duration = Duration::from_micros(75);

/// The first bytes of a signature's randomness that [`Finds::AllButMarked`] refuses.
pub const MARK: [u8; 4] = *b"mark";

/// The signatures that a [`Costly`] check finds valid.
#[derive(Clone, Copy)]
pub enum Finds {
    AllValid,
    NoneValid,
    /// All but those that an attacker without keys marked.
    AllButMarked,
}

/// Costs what a check costs.
struct Costly(Finds);

fn spin(count: usize) {
    let begin = Instant::now();
    while begin.elapsed() < CHECK * u32::try_from(count).expect("few") {
        std::hint::spin_loop();
    }
}

impl SignatureVerifier for Costly {
    fn verify_batch(&self, checks: &[SignatureCheck<'_>]) -> Vec<bool> {
        spin(checks.len());
        let is_valid = |check: &SignatureCheck<'_>| match self.0 {
            Finds::AllValid => true,
            Finds::NoneValid => false,
            Finds::AllButMarked => check.signature[4..8] != MARK,
        };
        checks.iter().map(is_valid).collect()
    }
}

impl Twist for Costly {
    fn before_check(&self, keys: usize) {
        spin(keys);
    }
}

/// The lateness of intervals in microseconds, and the number of attestations that found the lane
/// full.
#[derive(Resource, Clone, Default)]
pub struct Measured(pub Arc<Mutex<(Vec<u64>, u64)>>);

#[derive(Resource, Clone)]
struct Stop(Arc<AtomicBool>);

/// A node with its real runner on a thread of its own.
pub struct Running {
    pub local: LocalNode,
    pub counters: Arc<Counters>,
    pub measured: Measured,
    stop: Arc<AtomicBool>,
    waker: NodeWaker,
    thread: thread::JoinHandle<AppExit>,
}

impl Running {
    pub fn start(anchor: Anchor, finds: Finds) -> Self {
        let (started, starts) = mpsc::channel();
        let (measured, stop) = (Measured::default(), Arc::new(AtomicBool::new(false)));
        let (shared, stops) = (measured.clone(), Stop(Arc::clone(&stop)));
        let thread = thread::spawn(move || {
            let mut app = app(RunnerPlugin::default());
            let waker = app.world().resource::<NodeWaker>().clone();
            let cores = thread::available_parallelism().map_or(2, usize::from);
            let mut config = config(1, &[]);
            config.subnets = vec![0];
            app.insert_resource(Tasks::new(PoolSpawner::own(cores), waker.clone()))
                .add_plugins((
                    OrderPlugin,
                    ClockPlugin,
                    InboundPlugin,
                    ForkChoicePlugin {
                        anchor: anchor.clone(),
                        preset: SignaturePreset::Production,
                        proofs: Arc::new(Twisted(Costly(Finds::AllValid))),
                        signatures: Some(Arc::new(Costly(finds))),
                    },
                    ProverPlugin::default(),
                    AggregationPlugin::default(),
                    SyncPlugin,
                    storage(&anchor),
                    NetworkPlugin { config },
                ))
                .insert_resource(shared)
                .insert_resource(stops);
            app.add_systems(bevy_app::First, stop_when_told);
            for interval in Interval::ALL {
                let measure = measure.in_set(First(IntervalSystems::Collect)).ambiguous_with_all();
                app.add_systems(OnInterval(interval), measure);
            }
            let local = app.world().resource::<LocalNode>().clone();
            let counters = Arc::clone(&app.world().resource::<NetworkCounters>().0);
            started.send((local, counters, waker)).expect("the bench waits");
            app.run()
        });
        let (local, counters, waker) = starts.recv().expect("the node boots");
        Self { local, counters, measured, stop, waker, thread }
    }

    pub fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.waker.wake();
        self.thread.join().expect("no panic");
    }
}

fn stop_when_told(stop: Res<Stop>, mut exit: MessageWriter<AppExit>) {
    if stop.0.load(Ordering::Relaxed) {
        exit.write(AppExit::Success);
    }
}

/// Notes the lateness of this interval, by the wall clock.
fn measure(world: &mut World) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set");
    let count = world.resource::<CurrentInterval>().count;
    let start_ms = world.resource::<SlotClock>().interval_start_ms(count);
    let late = now.saturating_sub(Duration::from_millis(start_ms));
    let dropped = world.resource::<Lane<AttestationReceived>>().dropped();
    let measured = world.resource::<Measured>().clone();
    let mut measured = measured.0.lock().expect("not poisoned");
    measured.0.push(u64::try_from(late.as_micros()).unwrap_or(u64::MAX));
    measured.1 = dropped;
}

/// Genesis some seconds ago.
pub fn anchor(validators: u64, seconds_ago: u64) -> Anchor {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set").as_secs();
    let state = generate_genesis(now - seconds_ago, chain::validators(validators));
    Anchor { block: anchor_block(&state), state: Arc::new(state) }
}

/// Microseconds late of all intervals in milliseconds: median, 99th percentile, most.
pub fn lateness(mut late: Vec<u64>) -> String {
    late.sort_unstable();
    let at = |percent: usize| {
        let index = (late.len() * percent / 100).min(late.len().saturating_sub(1));
        late.get(index).map_or(0.0, |micros| *micros as f64 / 1000.0)
    };
    let (p50, p99, most) = (at(50), at(99), at(100));
    format!("{} intervals, late p50 {p50:.1} ms, p99 {p99:.1} ms, max {most:.1} ms", late.len())
}

/// Resident memory, from the kernel; 0 where it does not tell.
pub fn resident_mib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)).and_then(|kib| kib.parse().ok());
    kib.map_or(0, |kib: u64| kib / 1024)
}
