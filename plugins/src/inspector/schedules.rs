//! Schedules and their systems: order, times, access.

use bevy_ecs::{
    component::ComponentId,
    prelude::*,
    query::InvertibleComponentIdSet,
    schedule::{ScheduleLabel, SystemKey, SystemWithAccess},
    system::SystemAccess,
};
use quintet_components::schedule::{Interval, OnInterval};
use serde::Serialize;

use super::{
    UpdateOrder,
    answer::{MAX_ROWS, cut, is_bevys},
    times::{SystemTimes, TimesBody, UpdatesBody},
};

#[derive(Serialize)]
pub(super) struct SchedulesBody {
    schedules: Vec<ScheduleBody>,
    /// Whole updates.
    updates: Option<UpdatesBody>,
}

#[derive(Serialize)]
struct ScheduleBody {
    name: String,
    /// Its number among those that every update runs.
    place: Option<usize>,
    /// In the order in which they run.
    systems: Vec<SystemBody>,
    left_out: usize,
    /// Pairs whose order is open although it could show.
    ambiguous: Vec<AmbiguityBody>,
}

#[derive(Serialize)]
struct SystemBody {
    name: String,
    path: String,
    /// True if Bevy added it.
    is_bevys: bool,
    /// True if it has the world for itself.
    is_exclusive: bool,
    /// Components and resources, by name.
    reads: Vec<String>,
    writes: Vec<String>,
    /// None for what was not measured, or has not run.
    times: Option<TimesBody>,
}

#[derive(Serialize)]
struct AmbiguityBody {
    one: String,
    other: String,
    /// The data that both touch; empty if one has the world for itself.
    on: Vec<String>,
}

/// Every schedule that has systems, but the one that this runs in, and `Main`, which runs it: those of
/// an update in their order, then those of the intervals, then others by name.
pub(super) fn schedules(world: &World) -> SchedulesBody {
    let order = &world.resource::<UpdateOrder>().0;
    let place_of = |schedule: &Schedule| {
        let update = order.iter().position(|label| *label == schedule.label());
        let is_of = |interval: &Interval| OnInterval(*interval).intern() == schedule.label();
        let interval = Interval::ALL.iter().position(is_of);
        (update.unwrap_or(usize::MAX), interval.unwrap_or(usize::MAX))
    };
    let mut schedules: Vec<_> = world
        .resource::<Schedules>()
        .iter()
        .map(|(_, schedule)| (place_of(schedule), schedule_body(world, schedule)))
        .filter(|(_, schedule)| !schedule.systems.is_empty())
        .collect();
    schedules.sort_by(|(a, first), (b, second)| (a, &first.name).cmp(&(b, &second.name)));
    let numbered = schedules.into_iter().zip(1..).map(|(((update, _), schedule), number)| {
        ScheduleBody { place: (update < usize::MAX).then_some(number), ..schedule }
    });
    SchedulesBody {
        schedules: numbered.collect(),
        updates: world.resource::<SystemTimes>().updates(),
    }
}

fn schedule_body(world: &World, schedule: &Schedule) -> ScheduleBody {
    let systems = schedule.systems_with_access().ok().into_iter().flatten();
    let name_of = |wanted: SystemKey| {
        let mut systems = schedule.systems_with_access().ok().into_iter().flatten();
        let found = systems.find(|(key, _)| *key == wanted);
        found.map_or_else(String::new, |(_, each)| each.system().name().shortname().to_string())
    };
    let conflicts = schedule.graph().conflicting_systems();
    let ambiguous = conflicts.iter().map(|(one, other, on)| AmbiguityBody {
        one: name_of(*one),
        other: name_of(*other),
        on: names(world, on.iter().copied()),
    });
    let mut ambiguous: Vec<_> = ambiguous.take(MAX_ROWS).collect();
    ambiguous.sort_by(|a, b| (&a.one, &a.other).cmp(&(&b.one, &b.other)));
    let times = world.resource::<SystemTimes>();
    let mut systems: Vec<SystemBody> = systems
        .map(|(key, each)| system_body(world, each, times.of(schedule.label(), key)))
        .collect();
    let left_out = cut(&mut systems, MAX_ROWS);
    ScheduleBody {
        name: format!("{:?}", schedule.label()),
        place: None,
        systems,
        left_out,
        ambiguous,
    }
}

fn system_body(world: &World, system: &SystemWithAccess, times: Option<TimesBody>) -> SystemBody {
    let name = system.system().name();
    let (reads, writes) = access(world, system.access());
    SystemBody {
        path: name.to_string(),
        is_bevys: is_bevys(&name),
        name: name.shortname().to_string(),
        is_exclusive: system.access().is_exclusive(),
        reads,
        writes,
        times,
    }
}

/// The data that a system reads, and the data that it writes.
fn access(world: &World, access: &SystemAccess) -> (Vec<String>, Vec<String>) {
    let SystemAccess::Shared(access) = access else { return Default::default() };
    let access = access.combined_access();
    let all = |set: &InvertibleComponentIdSet| match set.as_finite_set() {
        Some(set) => names(world, set.iter()),
        None => vec!["everything".to_owned()],
    };
    let writes = all(access.writes());
    // A writer may also read.
    let mut reads = all(access.reads());
    reads.retain(|name| !writes.contains(name));
    (reads, writes)
}

/// The names of components, sorted.
fn names(world: &World, ids: impl Iterator<Item = ComponentId>) -> Vec<String> {
    let info = |id| world.components().get_info(id);
    let mut names: Vec<String> =
        ids.filter_map(info).map(|info| info.name().shortname().to_string()).collect();
    names.sort_unstable();
    names.dedup();
    names
}
