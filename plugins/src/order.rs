//! The order of all phases, in one place.
//!
//! One update: `PreUpdate` receives, collects and admits; [`RunIntervals`] walks the due intervals;
//! `Update` imports blocks and requests missing ones; `PostUpdate` prunes and flushes. Every
//! schedule runs on one thread. If the order of two systems is not defined and could matter, that
//! is an error at boot. Systems of one plugin in one phase are ordered where that plugin adds them.

use std::hash::Hash;

use bevy_app::{App, MainScheduleOrder, Plugin, PostUpdate, PreUpdate, Update};
use bevy_ecs::{
    prelude::*,
    schedule::{
        InternedScheduleLabel, LogLevel, ScheduleBuildSettings, ScheduleLabel,
        SingleThreadedExecutor,
    },
};
use quintet_components::schedule::{
    CollectSystems, First, ImportSystems, Interval, IntervalSystems, Last, NodeSystems, OnInterval,
    RunIntervals,
};

/// The phases before the interval walk.
const PRE_UPDATE: [NodeSystems; 4] =
    [NodeSystems::Receive, NodeSystems::Prove, NodeSystems::Collect, NodeSystems::Admit];
/// The phases after the interval walk.
const UPDATE: [NodeSystems; 3] = [NodeSystems::Import, NodeSystems::Sync, NodeSystems::HeldDuties];
/// The phases at the end of an update.
const POST_UPDATE: [NodeSystems; 4] =
    [NodeSystems::Prune, NodeSystems::Review, NodeSystems::Flush, NodeSystems::Measure];
/// The phases of each interval.
const ON_INTERVAL: [IntervalSystems; 3] =
    [IntervalSystems::Collect, IntervalSystems::ForkChoice, IntervalSystems::Duties];
/// The steps of collecting, in an update and in an interval.
const COLLECT: [CollectSystems; 5] = [
    CollectSystems::Duties,
    CollectSystems::Sessions,
    CollectSystems::Splits,
    CollectSystems::Checks,
    CollectSystems::EarlySession,
];
/// The steps of an import.
const IMPORT: [ImportSystems; 3] =
    [ImportSystems::Commit, ImportSystems::Split, ImportSystems::Release];

/// Orders the phases of a schedule one after another, each between its [`First`] and its [`Last`].
fn in_order<Phase>(app: &mut App, schedule: impl ScheduleLabel + Clone, phases: &[Phase])
where
    Phase: SystemSet + Copy + Eq + Hash,
{
    for phase in phases.iter().copied() {
        app.configure_sets(schedule.clone(), (First(phase), phase, Last(phase)).chain());
    }
    for pair in phases.windows(2) {
        app.configure_sets(schedule.clone(), Last(pair[0]).before(First(pair[1])));
    }
}

/// Puts the steps of a phase one after another, as [`in_order`] does.
fn in_steps<Step>(
    app: &mut App,
    schedule: impl ScheduleLabel + Clone,
    phase: impl SystemSet + Copy,
    steps: &[Step],
) where
    Step: SystemSet + Copy + Eq + Hash,
{
    in_order(app, schedule.clone(), steps);
    for step in steps.iter().copied() {
        app.configure_sets(schedule.clone(), (First(step), step, Last(step)).in_set(phase));
    }
}

/// Adds the schedules and the order of their sets.
///
/// | inserts | reads | writes |
/// | --- | --- | --- |
/// | [`RunIntervals`], [`OnInterval`] for every interval | | `MainScheduleOrder` |
#[derive(Debug)]
pub struct OrderPlugin;

impl Plugin for OrderPlugin {
    fn build(&self, app: &mut App) {
        app.init_schedule(RunIntervals);
        in_order(app, PreUpdate, &PRE_UPDATE);
        in_steps(app, PreUpdate, NodeSystems::Collect, &COLLECT);
        in_order(app, Update, &UPDATE);
        in_steps(app, Update, NodeSystems::Import, &IMPORT);
        in_order(app, PostUpdate, &POST_UPDATE);
        for interval in Interval::ALL {
            app.init_schedule(OnInterval(interval));
            in_order(app, OnInterval(interval), &ON_INTERVAL);
            in_steps(app, OnInterval(interval), IntervalSystems::Collect, &COLLECT);
        }
        app.world_mut().resource_mut::<MainScheduleOrder>().insert_before(Update, RunIntervals);
    }

    /// Runs after every plugin has added its systems. Sets each schedule to one thread and to
    /// refuse undefined orders, and builds it, so that errors show now and not at its first run.
    fn cleanup(&self, app: &mut App) {
        let world = app.world_mut();
        let labels: Vec<InternedScheduleLabel> =
            world.resource::<Schedules>().iter().map(|(_, schedule)| schedule.label()).collect();
        for label in labels {
            world.schedule_scope(label, |world, schedule| {
                schedule.set_executor(SingleThreadedExecutor::new());
                if is_ours(label) {
                    schedule.set_build_settings(ScheduleBuildSettings {
                        ambiguity_detection: LogLevel::Error,
                        ..Default::default()
                    });
                }
                if let Err(error) = schedule.initialize(world) {
                    panic!("schedule {label:?} cannot be built: {error}");
                }
            });
        }
    }
}

/// Returns true for the schedules that consensus runs in.
fn is_ours(label: InternedScheduleLabel) -> bool {
    Interval::ALL.into_iter().any(|interval| label == OnInterval(interval).intern())
        || [PreUpdate.intern(), RunIntervals.intern(), Update.intern(), PostUpdate.intern()]
            .contains(&label)
}
