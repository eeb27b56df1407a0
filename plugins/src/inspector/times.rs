//! The time that each system and each update takes.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bevy_app::App;
use bevy_ecs::{
    prelude::*,
    schedule::{ApplyDeferred, InternedScheduleLabel, SystemKey, SystemWithAccess},
    system::{Adapt, AdapterSystem, RunSystemError, System, SystemIn},
};
use serde::Serialize;

/// Four for each power of two of nanoseconds: a percentile is at most a quarter too long.
const BUCKETS: usize = 256;

/// Times of one thing since the node began.
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

    /// In microseconds; none while there is no time.
    pub(super) fn body(&self) -> Option<TimesBody> {
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        (self.count > 0).then(|| TimesBody {
            runs: self.count,
            total_us: micros(self.total),
            mean_us: micros(self.total) / self.count as f64,
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
    total_us: f64,
    mean_us: f64,
    /// 99 of 100 runs took at most so long.
    p99_us: f64,
    max_us: f64,
    last_us: f64,
}

type SharedTimes = Arc<Mutex<Times>>;

fn lock(times: &SharedTimes) -> MutexGuard<'_, Times> {
    times.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a system and notes how long it took.
struct Timed(SharedTimes);

impl<S: System<In = (), Out = ()>> Adapt<S> for Timed {
    type In = ();
    type Out = ();

    fn adapt(
        &mut self,
        (): (),
        run_system: impl FnOnce(SystemIn<'_, S>) -> Result<(), RunSystemError>,
    ) -> Result<(), RunSystemError> {
        let began = Instant::now();
        let outcome = run_system(());
        lock(&self.0).note(began.elapsed());
        outcome
    }
}

/// The times of every system, and of whole updates.
#[derive(Resource, Debug)]
pub(super) struct SystemTimes {
    systems: HashMap<(InternedScheduleLabel, SystemKey), SharedTimes>,
    updates: Times,
    /// When the first update began, and the newest one.
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
        lock(self.systems.get(&(schedule, key))?).body()
    }

    /// Those of updates; none before the first has ended.
    pub(super) fn updates(&self) -> Option<UpdatesBody> {
        let (first, _) = self.began?;
        let times = self.updates.body()?;
        Some(UpdatesBody { times, share: times.total_us / 1e6 / first.elapsed().as_secs_f64() })
    }
}

/// Wraps every system that is in a schedule now, which no schedule was built of yet.
pub(super) fn time_systems(app: &mut App) {
    let mut systems = HashMap::new();
    for (_, schedule) in app.world_mut().resource_mut::<Schedules>().iter_mut() {
        let label = schedule.label();
        let graph = schedule.graph_mut();
        let keys: Vec<SystemKey> = graph.systems.iter().map(|(key, ..)| key).collect();
        for key in keys {
            let Some(place) = graph.systems.get_mut(key) else { continue };
            let times = SharedTimes::default();
            systems.insert((label, key), Arc::clone(&times));
            let bare = mem::replace(place, SystemWithAccess::new(Box::new(ApplyDeferred)));
            let name = bare.name();
            let timed = AdapterSystem::new(Timed(times), bare, name);
            *place = SystemWithAccess::new(Box::new(timed));
        }
    }
    app.insert_resource(SystemTimes { systems, updates: Times::default(), began: None });
}

/// Notes that an update begins.
pub(super) fn begin_update(mut times: ResMut<SystemTimes>) {
    let now = Instant::now();
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
        let body = times.body().expect("it has run");
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
        time_systems(&mut app);
        app.update();
        app.update();
        assert_eq!(app.world().resource::<Ran>().0, 22);
        let times = app.world().resource::<SystemTimes>();
        let of = |label: InternedScheduleLabel| -> Vec<u64> {
            let own = times.systems.iter().filter(|((schedule, _), _)| *schedule == label);
            own.filter_map(|(_, times)| Some(lock(times).body()?.runs)).collect()
        };
        assert_eq!(of(bevy_app::Update.intern()), [2]);
        // Bevy has a system of its own there.
        let last = of(bevy_app::Last.intern());
        assert!(!last.is_empty() && last.iter().all(|runs| *runs == 2), "{last:?}");
    }
}
