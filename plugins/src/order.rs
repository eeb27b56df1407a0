//! The order of everything, in one place.
//!
//! One update: `PreUpdate` receives, collects and admits; [`RunIntervals`] walks the intervals
//! that are due; `Update` imports and asks for what is missing; `PostUpdate` prunes and flushes. Every schedule runs on one
//! thread, and two systems whose order is open while it could show are an error at boot.

use bevy_app::{App, MainScheduleOrder, Plugin, PostUpdate, PreUpdate, Update};
use bevy_ecs::{
    prelude::*,
    schedule::{
        InternedScheduleLabel, LogLevel, ScheduleBuildSettings, ScheduleLabel,
        SingleThreadedExecutor,
    },
};
use quintet_components::schedule::{
    Interval, IntervalSystems, NodeSystems, OnInterval, RunIntervals,
};

/// Puts the schedules and the order of their sets in place.
///
/// | inserts | reads | writes |
/// | --- | --- | --- |
/// | [`RunIntervals`], [`OnInterval`] for every interval | | `MainScheduleOrder` |
#[derive(Debug)]
pub struct OrderPlugin;

impl Plugin for OrderPlugin {
    fn build(&self, app: &mut App) {
        app.init_schedule(RunIntervals)
            .configure_sets(
                PreUpdate,
                (
                    NodeSystems::Receive,
                    NodeSystems::Prove,
                    NodeSystems::Collect,
                    NodeSystems::Admit,
                )
                    .chain(),
            )
            .configure_sets(Update, (NodeSystems::Import, NodeSystems::Sync).chain())
            .configure_sets(PostUpdate, (NodeSystems::Prune, NodeSystems::Flush).chain());
        for interval in Interval::ALL {
            app.init_schedule(OnInterval(interval)).configure_sets(
                OnInterval(interval),
                (IntervalSystems::Collect, IntervalSystems::ForkChoice, IntervalSystems::Duties)
                    .chain(),
            );
        }
        app.world_mut().resource_mut::<MainScheduleOrder>().insert_before(Update, RunIntervals);
    }

    /// After every plugin has added its systems: one thread, no open orders, and a graph that
    /// cannot be built fails now and not at its first interval.
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

/// The schedules that consensus runs in.
fn is_ours(label: InternedScheduleLabel) -> bool {
    Interval::ALL.into_iter().any(|interval| label == OnInterval(interval).intern())
        || [PreUpdate.intern(), RunIntervals.intern(), Update.intern(), PostUpdate.intern()]
            .contains(&label)
}
