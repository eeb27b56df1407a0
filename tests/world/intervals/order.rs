//! The phases of an interval and of an update, and what happens to systems outside of them.

use bevy_app::{App, PostUpdate, PreUpdate, Update};
use bevy_ecs::prelude::*;
use quintet_components::{
    clock::{CurrentInterval, SlotClock, UnixTime},
    schedule::{Interval, IntervalSystems, NodeSystems, OnInterval},
};
use quintet_plugins::{ClockPlugin, OrderPlugin};

#[derive(Resource, Default)]
struct Log(Vec<&'static str>);

fn note(name: &'static str) -> impl Fn(ResMut<Log>) {
    move |mut log| log.0.push(name)
}

fn app() -> App {
    let mut app = App::new();
    app.add_plugins((OrderPlugin, ClockPlugin))
        .insert_resource(SlotClock::new(0))
        .init_resource::<CurrentInterval>()
        .init_resource::<Log>();
    app
}

fn boot(mut app: App) -> App {
    app.finish();
    app.cleanup();
    app
}

fn log_at(app: &mut App, now_ms: u64) -> Vec<&'static str> {
    app.world_mut().resource_mut::<UnixTime>().now_ms = now_ms;
    app.update();
    std::mem::take(&mut app.world_mut().resource_mut::<Log>().0)
}

/// Added last to first, so that the order cannot come from that of adding.
#[test]
fn an_interval_collects_then_moves_fork_choice_then_does_duties() {
    for interval in Interval::ALL {
        let mut app = app();
        let label = OnInterval(interval);
        app.add_systems(label, note("duties").in_set(IntervalSystems::Duties))
            .add_systems(label, note("fork choice").in_set(IntervalSystems::ForkChoice))
            .add_systems(label, note("collect").in_set(IntervalSystems::Collect));
        let mut app = boot(app);
        let log = log_at(&mut app, (interval as u64 + 5) * 800);
        assert!(!log.is_empty());
        for phases in log.chunks(3) {
            assert_eq!(phases, ["collect", "fork choice", "duties"], "{interval:?}");
        }
    }
}

#[test]
fn an_update_receives_collects_admits_walks_imports_prunes_and_flushes() {
    let mut app = app();
    app.add_systems(PostUpdate, note("flush").in_set(NodeSystems::Flush))
        .add_systems(PostUpdate, note("prune").in_set(NodeSystems::Prune))
        .add_systems(Update, note("import").in_set(NodeSystems::Import))
        .add_systems(OnInterval(Interval::Attest), note("interval 1"))
        .add_systems(OnInterval(Interval::Aggregate), note("interval 2"))
        .add_systems(PreUpdate, note("admit").in_set(NodeSystems::Admit))
        .add_systems(PreUpdate, note("collect").in_set(NodeSystems::Collect))
        .add_systems(PreUpdate, note("receive").in_set(NodeSystems::Receive));
    let mut app = boot(app);
    assert_eq!(
        log_at(&mut app, 1600),
        ["receive", "collect", "admit", "interval 1", "interval 2", "import", "prune", "flush"]
    );
}

#[test]
#[should_panic(expected = "cannot be built")]
fn two_duties_with_an_open_order_are_an_error_at_boot() {
    let mut app = app();
    app.add_systems(
        OnInterval(Interval::Propose),
        (note("one"), note("other")).in_set(IntervalSystems::Duties),
    );
    let _ = boot(app);
}

#[test]
#[should_panic(expected = "cannot be built")]
fn two_imports_with_an_open_order_are_an_error_at_boot() {
    let mut app = app();
    app.add_systems(Update, (note("one"), note("other")));
    let _ = boot(app);
}

/// The counterpart: what has an order, or nothing in common, boots.
#[test]
fn two_duties_with_an_order_or_without_common_data_boot() {
    let mut app = app();
    app.add_systems(
        OnInterval(Interval::Propose),
        ((note("one"), note("other")).chain(), |_: Res<SlotClock>| {})
            .in_set(IntervalSystems::Duties),
    );
    assert_eq!(log_at(&mut boot(app), 4000), ["one", "other"]);
}
