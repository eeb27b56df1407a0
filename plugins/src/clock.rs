//! Walking the slot grid.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bevy_app::{App, Plugin};
use bevy_ecs::{change_detection::Tick, prelude::*};
use quintet_components::{
    clock::{
        CurrentInterval, IntervalLog, IntervalRecord, MAX_INTERVALS_PER_UPDATE, SlotClock, UnixTime,
    },
    metrics::Metrics,
    schedule::{Interval, OnInterval, RunIntervals},
};

/// Runs the schedule of every interval that is due.
///
/// | inserts | reads | writes |
/// | --- | --- | --- |
/// | [`UnixTime`], [`IntervalLog`] | [`UnixTime`], [`SlotClock`] | [`CurrentInterval`], [`IntervalLog`] |
#[derive(Debug)]
pub struct ClockPlugin;

impl Plugin for ClockPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<UnixTime>()
            .init_resource::<IntervalLog>()
            .add_systems(RunIntervals, walk_intervals);
    }
}

/// The one system that advances time: every due interval runs, oldest first, none is jumped over.
/// A clock that steps back changes nothing until it has caught up with itself.
fn walk_intervals(world: &mut World, mut began_ms: Local<Option<u64>>) {
    let now_ms = world.resource::<UnixTime>().now_ms;
    let clock = *world.resource::<SlotClock>();
    let walked = world.resource::<CurrentInterval>().count;
    let due = clock.total_intervals(now_ms);
    let last = due.min(walked.saturating_add(MAX_INTERVALS_PER_UPDATE));
    for count in walked + 1..=last {
        let late_ms = now_ms - clock.interval_start_ms(count);
        let interval = Interval::of(count);
        world.insert_resource(CurrentInterval { count, late_ms });
        let (ran, systems) = run_interval(world, interval);
        let record = IntervalRecord { count, late_ms, ran, systems };
        world.resource_mut::<IntervalLog>().push(record);
        let since_last_ms = began_ms.replace(now_ms).map(|last_ms| now_ms.saturating_sub(last_ms));
        let metrics = Metrics::of(world);
        metrics.runtime.note_interval(interval, since_last_ms, late_ms, ran);
    }
}

/// Runs the schedule of an interval. Returns how long it took, and the systems that ran.
fn run_interval(world: &mut World, interval: Interval) -> (Duration, Arc<[Arc<str>]>) {
    world.schedule_scope(OnInterval(interval), |world, schedule| {
        let last_runs: Vec<Tick> = schedule
            .systems()
            .into_iter()
            .flatten()
            .map(|(_, system)| system.get_last_run())
            .collect();
        let began = Instant::now();
        schedule.run(world);
        let took = began.elapsed();
        let systems = schedule.systems().into_iter().flatten().enumerate();
        let ran = systems
            .filter(|(place, (_, system))| last_runs.get(*place) != Some(&system.get_last_run()))
            .map(|(_, (_, system))| short_name(&system.name().to_string()).into());
        (took, ran.collect())
    })
}

/// The last part of a path.
fn short_name(path: &str) -> &str {
    path.rsplit("::").next().unwrap_or(path)
}
