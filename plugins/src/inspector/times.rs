//! The time that each system and each update takes.

use std::{
    collections::HashMap,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bevy_app::{App, MainScheduleOrder};
use bevy_ecs::{
    prelude::*,
    schedule::{ApplyDeferred, InternedScheduleLabel, SystemKey, SystemWithAccess},
    system::{Adapt, AdapterSystem, RunSystemError, System, SystemIn},
};
use serde::Serialize;

/// One of this many updates has the times of all its systems. Reading the clock twice for every system
/// of every update would take longer than many of the systems.
const SAMPLED: u64 = 32;
/// Four for each power of two of nanoseconds: a percentile is at most a quarter too long.
const BUCKETS: usize = 256;

/// Measured times of one thing since the node began.
#[derive(Clone, Debug)]
pub(super) struct Times {
    count: u64,
    total: Duration,
    max: Duration,
    last: Duration,
    buckets: Box<[u32; BUCKETS]>,
}

impl Default for Times {
    fn default() -> Self {
        let (total, max, last) = Default::default();
        Self { count: 0, total, max, last, buckets: Box::new([0; BUCKETS]) }
    }
}

/// The bucket of a time.
fn bucket(took: Duration) -> usize {
    let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).max(4);
    let power = nanos.ilog2();
    let quarter = nanos >> (power - 2) & 3;
    usize::try_from(u64::from(power) * 4 + quarter).map_or(BUCKETS - 1, |at| at.min(BUCKETS - 1))
}

/// The longest time of a bucket.
fn bucket_end(at: usize) -> Duration {
    let (power, quarter) = (at as u64 / 4, at as u64 % 4);
    Duration::from_nanos(((5 + u128::from(quarter)) << power >> 2).try_into().unwrap_or(u64::MAX))
}

impl Times {
    pub(super) fn note(&mut self, took: Duration) {
        self.count += 1;
        self.total += took;
        self.max = self.max.max(took);
        self.last = took;
        let count = &mut self.buckets[bucket(took)];
        *count = count.saturating_add(1);
    }

    /// The time that so many percent of all are not above.
    fn percentile(&self, percent: u64) -> Duration {
        let wanted = (self.count * percent).div_ceil(100);
        let mut seen = 0;
        let at = self.buckets.iter().position(|count| {
            seen += u64::from(*count);
            seen >= wanted
        });
        at.map_or(self.max, bucket_end).min(self.max)
    }

    /// The times in microseconds, for this many runs; `None` while none was measured.
    fn body(&self, runs: u64) -> Option<TimesBody> {
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        let mean_us = micros(self.total) / self.count as f64;
        (self.count > 0).then(|| TimesBody {
            runs,
            total_us: mean_us * runs as f64,
            mean_us,
            p99_us: micros(self.percentile(99)),
            max_us: micros(self.max),
            last_us: micros(self.last),
        })
    }
}

/// Times as they are told.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct TimesBody {
    /// The number of runs.
    runs: u64,
    /// The mean times the number of runs.
    total_us: f64,
    mean_us: f64,
    /// 99 of 100 runs took at most so long.
    p99_us: f64,
    max_us: f64,
    last_us: f64,
}

/// The runs of a system.
#[derive(Debug, Default)]
struct Runs {
    count: AtomicU64,
    /// True if every run is measured.
    is_always_timed: AtomicBool,
    times: Mutex<Times>,
}

impl Runs {
    /// Counts a run. Only one thread runs a system at a time.
    fn count(&self) {
        self.count.store(self.count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    fn times(&self) -> MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs a system, counts the run, and notes how long some runs take.
struct Timed {
    runs: Arc<Runs>,
    /// True in an update whose systems are all measured.
    is_sampled: Arc<AtomicBool>,
}

impl<S: System<In = (), Out = ()>> Adapt<S> for Timed {
    type In = ();
    type Out = ();

    fn adapt(
        &mut self,
        (): (),
        run_system: impl FnOnce(SystemIn<'_, S>) -> Result<(), RunSystemError>,
    ) -> Result<(), RunSystemError> {
        self.runs.count();
        let is_timed = self.is_sampled.load(Ordering::Relaxed)
            || self.runs.is_always_timed.load(Ordering::Relaxed);
        if !is_timed {
            return run_system(());
        }
        let began = Instant::now();
        let outcome = run_system(());
        self.runs.times().note(began.elapsed());
        outcome
    }
}

/// The times of every system, and of whole updates.
#[derive(Resource, Debug)]
pub(super) struct SystemTimes {
    systems: HashMap<(InternedScheduleLabel, SystemKey), Arc<Runs>>,
    is_sampled: Arc<AtomicBool>,
    updates: Times,
    /// The times at which the first update began, and the newest one.
    began: Option<(Instant, Instant)>,
}

/// Updates as a whole.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct UpdatesBody {
    #[serde(flatten)]
    times: TimesBody,
    /// The part of a core that updates have taken since the first one, from 0 to 1.
    share: f64,
}

impl SystemTimes {
    /// A system's, when it was measured and has run.
    pub(super) fn of(&self, schedule: InternedScheduleLabel, key: SystemKey) -> Option<TimesBody> {
        let runs = self.systems.get(&(schedule, key))?;
        runs.times().body(runs.count.load(Ordering::Relaxed))
    }

    /// The time at which this update began.
    pub(super) fn begin_of_update(&self) -> Option<Instant> {
        self.began.map(|(_, newest)| newest)
    }

    /// Those of updates; none before the first has ended.
    pub(super) fn updates(&self) -> Option<UpdatesBody> {
        let (first, _) = self.began?;
        let times = self.updates.body(self.updates.count)?;
        Some(UpdatesBody { times, share: times.total_us / 1e6 / first.elapsed().as_secs_f64() })
    }
}

/// Wraps every system that is in a schedule now, which no schedule was built of yet. Systems of
/// schedules that do not run in every update, such as those of intervals, are measured at every run.
pub(super) fn time_systems(app: &mut App) {
    let every_update = app.world().resource::<MainScheduleOrder>().labels.clone();
    let is_sampled = Arc::new(AtomicBool::new(false));
    let mut systems = HashMap::new();
    for (_, schedule) in app.world_mut().resource_mut::<Schedules>().iter_mut() {
        let label = schedule.label();
        let is_always_timed = !every_update.contains(&label);
        let graph = schedule.graph_mut();
        let keys: Vec<SystemKey> = graph.systems.iter().map(|(key, ..)| key).collect();
        for key in keys {
            let Some(place) = graph.systems.get_mut(key) else { continue };
            let is_always_timed = AtomicBool::new(is_always_timed);
            let runs = Arc::new(Runs { is_always_timed, ..Runs::default() });
            systems.insert((label, key), Arc::clone(&runs));
            let bare = mem::replace(place, SystemWithAccess::new(Box::new(ApplyDeferred)));
            let name = bare.name();
            let timed = Timed { runs, is_sampled: Arc::clone(&is_sampled) };
            let timed = AdapterSystem::new(timed, bare, name);
            *place = SystemWithAccess::new(Box::new(timed));
        }
    }
    let (updates, began) = (Times::default(), None);
    app.insert_resource(SystemTimes { systems, is_sampled, updates, began });
}

/// Measures exclusive systems at every run: there are few, and they do the heavy work. Called when the
/// schedules are built, because only then is their access known.
pub(super) fn time_exclusive_systems(world: &World) {
    let times = world.resource::<SystemTimes>();
    for (_, schedule) in world.resource::<Schedules>().iter() {
        let systems = schedule.systems_with_access().ok().into_iter().flatten();
        for (key, _) in systems.filter(|(_, system)| system.access().is_exclusive()) {
            if let Some(runs) = times.systems.get(&(schedule.label(), key)) {
                runs.is_always_timed.store(true, Ordering::Relaxed);
            }
        }
    }
}

/// Notes that an update begins, and decides if its systems are measured.
pub(super) fn begin_update(mut times: ResMut<SystemTimes>) {
    let now = Instant::now();
    // Not the first one: the first runs are slow, and would count 32 times.
    let is_sampled = times.updates.count % SAMPLED == SAMPLED - 1;
    times.is_sampled.store(is_sampled, Ordering::Relaxed);
    times.began = Some(times.began.map_or((now, now), |(first, _)| (first, now)));
}

/// Notes how long the update took.
pub(super) fn end_update(mut times: ResMut<SystemTimes>) {
    if let Some((_, began)) = times.began {
        times.updates.note(began.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use bevy_ecs::schedule::ScheduleLabel;

    use super::*;

    #[test]
    fn a_percentile_is_at_most_a_quarter_too_long_and_never_above_the_longest() {
        let mut times = Times::default();
        for micros in 1..=1000 {
            times.note(Duration::from_micros(micros));
        }
        let body = times.body(1000).expect("it has run");
        assert_eq!((body.runs, body.max_us, body.last_us), (1000, 1000.0, 1000.0));
        assert!((body.mean_us - 500.5).abs() < 1e-6, "{body:?}");
        assert!((990.0..=1000.0).contains(&body.p99_us), "{body:?}");
        let half = times.percentile(50);
        assert!((500..=625).contains(&half.as_micros()), "{half:?}");
    }

    #[test]
    fn every_time_is_within_its_bucket() {
        for nanos in [0, 1, 4, 5, 7, 8, 1000, 123_456_789, u64::MAX] {
            let took = Duration::from_nanos(nanos);
            assert!(bucket_end(bucket(took)) >= took, "{nanos}");
        }
    }

    #[test]
    fn a_system_is_measured_and_does_what_it_did() {
        #[derive(Resource, Default)]
        struct Ran(u32);
        let mut app = App::new();
        app.init_resource::<Ran>()
            .add_systems(bevy_app::Update, |mut ran: ResMut<Ran>| ran.0 += 1)
            .add_systems(bevy_app::Last, |world: &mut World| world.resource_mut::<Ran>().0 += 10);
        app.add_systems(bevy_app::First, begin_update).add_systems(bevy_app::Last, end_update);
        time_systems(&mut app);
        app.update();
        time_exclusive_systems(app.world());
        let updates = 2 * SAMPLED;
        for _ in 1..updates {
            app.update();
        }
        assert_eq!(u64::from(app.world().resource::<Ran>().0), 11 * updates);
        let times = app.world().resource::<SystemTimes>();
        let of = |label: InternedScheduleLabel| -> Vec<(u64, u64)> {
            let own = times.systems.iter().filter(|((schedule, _), _)| *schedule == label);
            own.map(|(_, runs)| (runs.count.load(Ordering::Relaxed), runs.times().count)).collect()
        };
        assert_eq!(of(bevy_app::Update.intern()), [(updates, 2)]);
        // The exclusive one is measured at every run but the first, after which it is known to be
        // exclusive. The others are Bevy's and the inspector's.
        let last = of(bevy_app::Last.intern());
        assert!(last.contains(&(updates, updates - 1)), "{last:?}");
        assert_eq!(times.updates.count, updates);
    }
}
