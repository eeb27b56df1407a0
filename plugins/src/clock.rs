//! Walking the slot grid.

use std::time::Instant;

use bevy_app::{App, Plugin};
use bevy_ecs::prelude::*;
use quintet_components::{
    clock::{CurrentInterval, MAX_INTERVALS_PER_UPDATE, SlotClock, UnixTime},
    metrics::Metrics,
    schedule::{Interval, OnInterval, RunIntervals},
};

/// Runs the schedule of every interval that is due.
///
/// | inserts | reads | writes |
/// | --- | --- | --- |
/// | [`UnixTime`] | [`UnixTime`], [`SlotClock`] | [`CurrentInterval`] |
#[derive(Debug)]
pub struct ClockPlugin;

impl Plugin for ClockPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<UnixTime>().add_systems(RunIntervals, walk_intervals);
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
        let began = Instant::now();
        world.run_schedule(OnInterval(interval));
        let since_last_ms = began_ms.replace(now_ms).map(|last_ms| now_ms.saturating_sub(last_ms));
        let metrics = Metrics::of(world);
        metrics.runtime.note_interval(interval, since_last_ms, late_ms, began.elapsed());
    }
}
