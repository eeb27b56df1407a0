//! Walks the intervals of slots.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bevy_app::{App, Plugin};
use bevy_ecs::{change_detection::Tick, prelude::*};
use quintet_components::{
    chain::Finalized,
    clock::{
        CurrentInterval, IntervalLog, IntervalRecord, MAX_INTERVALS_PER_UPDATE, SlotClock,
        UnixTime, first_interval, in_words,
    },
    constants::INTERVALS_PER_SLOT,
    containers::Slot,
    duties::RecentDuties,
    metrics::Metrics,
    planted::{Planted, is_planted},
    pulse::Pulse,
    schedule::{Interval, OnInterval, RunIntervals},
};

use crate::needs::{Need, needs};

/// If the clock is set back by at most this many intervals, two slots, the walk waits for it. If it
/// is set back further, the walk goes back with it.
const WAITS_INTERVALS: u64 = 2 * INTERVALS_PER_SLOT;
/// A longer wait for the clock is logged; in milliseconds.
const TOLD_WAIT_MS: u64 = 250;
/// If more slots than this are over at once, that is logged.
const TOLD_SLOTS: u64 = 2;

/// Runs the schedule of every interval that is due.
///
/// | inserts | reads | writes |
/// | --- | --- | --- |
/// | [`UnixTime`], [`IntervalLog`] | [`UnixTime`], [`SlotClock`], [`Finalized`] | [`CurrentInterval`], [`IntervalLog`], [`RecentDuties`], [`Pulse`], the log |
#[derive(Debug)]
pub struct ClockPlugin;

impl Plugin for ClockPlugin {
    fn build(&self, app: &mut App) {
        needs(app, "ClockPlugin", &[Need::order()]);
        app.init_resource::<UnixTime>()
            .init_resource::<IntervalLog>()
            .add_systems(RunIntervals, walk_intervals);
    }
}

/// Returns true in the first update of each interval, and in every update of a world without a clock.
pub(crate) fn interval_has_begun(now: Option<Res<CurrentInterval>>) -> bool {
    now.is_none_or(|now| now.is_changed())
}

/// The state of the walk.
#[derive(Default)]
struct Walk {
    /// The time at which the newest interval began to run.
    began_ms: Option<u64>,
    /// True if it was logged that the walk waits for the clock.
    has_told_wait: bool,
    /// True if it was logged that the walk is behind the clock.
    has_told_gap: bool,
}

/// If slots have passed since the world's last interval, makes the walk begin after the clock's
/// current interval: intervals from before the node's start are not walked.
pub(crate) fn begin_at_clock(world: &mut World, now_ms: u64) {
    let Some(clock) = world.get_resource::<SlotClock>().copied() else { return };
    let stands_at = world.get_resource::<CurrentInterval>().map_or(0, CurrentInterval::slot);
    let slot = clock.current_slot(now_ms);
    if slot > stands_at {
        let slots = slot - stands_at;
        tracing::info!(slots, slot, "slots have passed before the start: nothing is done for them");
        let count = clock.total_intervals(now_ms);
        world.insert_resource(CurrentInterval { count, late_ms: 0 });
    }
}

/// The only system that advances time. It runs every due interval, oldest first, and skips none. It
/// is exclusive because it runs schedules.
///
/// If the clock is set back a little, nothing happens until it has caught up. If it is set back
/// further, the walk starts again at the clock's interval. Latest votes and blocks stay as they
/// are, and the record of signatures prevents a key from signing another message for a slot.
fn walk_intervals(world: &mut World, mut walk: Local<Walk>) {
    let now_ms = world.resource::<UnixTime>().now_ms;
    if now_ms == 0 {
        // The time has not been set yet.
        return;
    }
    let clock = *world.resource::<SlotClock>();
    let due = clock.total_intervals(now_ms);
    let walked = world.resource::<CurrentInterval>().count;
    if due < walked {
        wait_or_go_back(world, &mut walk, (clock, now_ms, walked));
        return;
    }
    walk.has_told_wait = false;
    tell_gap(&mut walk, walked, due);
    let last = due.min(walked.saturating_add(MAX_INTERVALS_PER_UPDATE));
    let first = if is_planted(Planted::JumpsIntervals) { last.max(walked + 1) } else { walked + 1 };
    for count in first..=last {
        let late_ms = now_ms - clock.interval_start_ms(count);
        let interval = Interval::of(count);
        world.insert_resource(CurrentInterval { count, late_ms });
        let (ran, systems) = run_interval(world, interval);
        let record = IntervalRecord { count, late_ms, ran, systems };
        world.resource_mut::<IntervalLog>().push(record);
        let since_last_ms =
            walk.began_ms.replace(now_ms).map(|last_ms| now_ms.saturating_sub(last_ms));
        let metrics = Metrics::of(world);
        metrics.runtime.note_interval(interval, since_last_ms, late_ms, ran);
        if let Some(pulse) = world.get_resource::<Pulse>() {
            pulse.beat();
        }
    }
}

/// The clock is before the last interval that was walked: waits for it, or goes back to it.
fn wait_or_go_back(
    world: &mut World,
    walk: &mut Walk,
    (clock, now_ms, walked): (SlotClock, u64, u64),
) {
    let due = clock.total_intervals(now_ms);
    let slot = clock.current_slot(now_ms);
    // A finalized slot has already begun, so a clock that is before it is wrong.
    let earliest = world.get_resource::<Finalized>().map_or(0, |each| first_interval(each.0.slot));
    let is_far = walked - due > WAITS_INTERVALS;
    let until = if is_far { earliest } else { walked };
    let (until_slot, wait_ms) =
        (until / INTERVALS_PER_SLOT, clock.interval_start_ms(until).saturating_sub(now_ms));
    if due < until {
        if wait_ms > TOLD_WAIT_MS && !std::mem::replace(&mut walk.has_told_wait, true) {
            let wait = in_words(Duration::from_millis(wait_ms.next_multiple_of(1_000)));
            tracing::warn!(
                slot,
                wait_ms,
                "the clock was set back, or is behind: nothing is done for {wait}, until it is at \
                 slot {until_slot}; check the time service"
            );
        }
        return;
    }
    let wait_ms = clock.interval_start_ms(walked).saturating_sub(now_ms);
    let walked_slot = walked / INTERVALS_PER_SLOT;
    tracing::warn!(
        slot,
        wait_ms,
        "the clock was set back: it would be {} until it is at slot {walked_slot} again, and \
         nothing would be done. The node goes on at slot {slot} instead, and signs nothing else \
         for a slot that it has signed for; check the time service",
        in_words(Duration::from_millis(wait_ms))
    );
    *walk = Walk::default();
    world.insert_resource(CurrentInterval { count: due, late_ms: 0 });
    // These keep the newest entries by slot, so they are emptied.
    world.insert_resource(IntervalLog::default());
    if let Some(mut duties) = world.get_resource_mut::<RecentDuties>() {
        *duties = RecentDuties::default();
    }
    if now_ms < clock.interval_start_ms(0)
        && let Some(pulse) = world.get_resource::<Pulse>()
    {
        pulse.rest();
    }
}

/// Logs once that slots are over in which nothing was done.
fn tell_gap(walk: &mut Walk, walked: u64, due: u64) {
    let (from, slot): (Slot, Slot) = (walked / INTERVALS_PER_SLOT, due / INTERVALS_PER_SLOT);
    if slot - from <= TOLD_SLOTS {
        walk.has_told_gap = false;
    } else if !std::mem::replace(&mut walk.has_told_gap, true) {
        tracing::warn!(
            slots = slot - from,
            slot,
            "slots are over in which the node did not run, or its clock was set ahead"
        );
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
            .map(|(place, (_, system))| short_name(&system.name(), place).into());
        (took, ran.collect())
    })
}

/// The last part of a system's path; its place in the schedule in a build without names.
fn short_name(path: &str, place: usize) -> String {
    if path.starts_with('<') {
        return format!("system {}", place + 1);
    }
    path.rsplit("::").next().unwrap_or(path).to_owned()
}
