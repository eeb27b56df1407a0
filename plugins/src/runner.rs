//! The runner: one update per wake or deadline, and sleep in between.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bevy_app::{App, AppExit, Plugin, PluginsState};
use bevy_ecs::prelude::*;
use quintet_components::{
    clock::{CurrentInterval, Deadline, LastUpdate, SlotClock, UnixTime},
    lane::Lane,
    messages::{AggregateReceived, AttestationReceived, BlockReceived},
    metrics::Metrics,
    network::{PeerEvent, RequestEvent, RequestReceived},
    pulse::Pulse,
    schedule::Shutdown,
    waker::{LULL, NodeWaker, Wakes},
};

use crate::{EndReason, MissingPiece, clock::begin_at_clock};

/// The source of a node's time. Its `Debug` output shows nothing.
#[derive(Clone)]
pub struct WallClock(Arc<dyn Fn() -> u64 + Send + Sync>);

impl WallClock {
    /// A clock that calls this for Unix milliseconds, which may go forwards and backwards.
    pub fn new(now_ms: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(now_ms))
    }

    /// Unix milliseconds.
    pub fn now_ms(&self) -> u64 {
        (self.0)()
    }
}

impl Default for WallClock {
    /// The system's clock.
    fn default() -> Self {
        Self::new(unix_now_ms)
    }
}

impl fmt::Debug for WallClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WallClock")
    }
}

/// Drives the app from the slot clock and the waker instead of a frame loop.
///
/// | inserts | reads | writes |
/// | --- | --- | --- |
/// | [`NodeWaker`], [`Pulse`] | [`SlotClock`], every [`Deadline`], the lanes | [`UnixTime`], [`CurrentInterval`] at the start, [`LastUpdate`] |
#[derive(Debug)]
pub struct RunnerPlugin {
    /// The longest sleep, because the clock may be set in the meantime.
    pub max_idle: Duration,
    /// The source of time.
    pub clock: WallClock,
}

impl Default for RunnerPlugin {
    fn default() -> Self {
        Self { max_idle: Duration::from_secs(1), clock: WallClock::default() }
    }
}

#[derive(Resource)]
struct WakesResource(Wakes);

impl Plugin for RunnerPlugin {
    fn build(&self, app: &mut App) {
        let (waker, wakes) = NodeWaker::new();
        let (max_idle, clock) = (self.max_idle, self.clock.clone());
        app.insert_resource(waker)
            .insert_resource(WakesResource(wakes))
            .init_resource::<Pulse>()
            .set_runner(move |app| run(app, max_idle, &clock));
    }
}

fn run(mut app: App, max_idle: Duration, clock: &WallClock) -> AppExit {
    while app.plugins_state() == PluginsState::Adding {
        bevy_tasks::tick_global_task_pools_on_main_thread();
    }
    app.finish();
    app.cleanup();
    if let Some(missing) = MissingPiece::of(&app) {
        EndReason::end(app.world_mut(), missing.to_string());
        return AppExit::error();
    }
    begin_at_clock(app.world_mut(), clock.now_ms());
    let mut deadlines = app.world_mut().query::<&Deadline>();
    let WakesResource(wakes) = app.world_mut().remove_resource().expect("the plugin put it there");
    loop {
        app.world_mut().resource_mut::<UnixTime>().now_ms = clock.now_ms();
        let began = Instant::now();
        app.update();
        let took = began.elapsed();
        app.insert_resource(LastUpdate(took));
        Metrics::of(app.world()).runtime.note_update(took);
        if let Some(exit) = app.should_exit() {
            // Without a prover there is nothing to wait for.
            let _ = app.world_mut().try_run_schedule(Shutdown);
            return exit;
        }
        if !has_more(app.world()) {
            let now_ms = clock.now_ms();
            let until = until_next_interval(app.world(), now_ms).min(until_deadline(
                &mut deadlines,
                &app,
                now_ms,
            ));
            let at_most = if waits::<AttestationReceived>(app.world()) { LULL } else { max_idle };
            wakes.wait(until.min(at_most), LULL);
        }
    }
}

/// Returns true if items wait in this lane.
pub(crate) fn waits<T: Send + 'static>(world: &World) -> bool {
    world.get_resource::<Lane<T>>().is_some_and(|lane| lane.depth() > 0)
}

/// Returns true if a budget left work for another update at once.
pub(crate) fn has_more(world: &World) -> bool {
    // Fewer attestations than an update takes can wait for others.
    let attestations = world.get_resource::<Lane<AttestationReceived>>();
    attestations.is_some_and(|lane| lane.depth() >= lane.budget())
        || waits::<BlockReceived>(world)
        || waits::<AggregateReceived>(world)
        || waits::<PeerEvent>(world)
        || waits::<RequestEvent>(world)
        || waits::<RequestReceived>(world)
}

fn until_next_interval(world: &World, now_ms: u64) -> Duration {
    let (Some(clock), Some(current)) =
        (world.get_resource::<SlotClock>(), world.get_resource::<CurrentInterval>())
    else {
        return Duration::MAX;
    };
    let start_ms = clock.interval_start_ms(current.count + 1);
    Duration::from_millis(start_ms.saturating_sub(now_ms))
}

/// The time until the earliest [`Deadline`] of any entity.
fn until_deadline(deadlines: &mut QueryState<&Deadline>, app: &App, now_ms: u64) -> Duration {
    let earliest = deadlines.iter(app.world()).min();
    earliest.map_or(Duration::MAX, |deadline| {
        Duration::from_millis(deadline.at_ms.saturating_sub(now_ms))
    })
}

/// The system's clock. Times before 1970 count as 1970.
fn unix_now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).expect("the year is below 500 million")
}
