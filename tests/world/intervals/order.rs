//! The phases of an interval and of an update, and what happens to systems outside of them.

use bevy_app::{App, PostUpdate, PreUpdate, Update};
use bevy_ecs::{prelude::*, schedule::ScheduleLabel};
use quintet_components::{
    clock::{CurrentInterval, SlotClock, UnixTime},
    schedule::{
        CollectSystems, First, ImportSystems, Interval, IntervalSystems, Last, NodeSystems,
        OnInterval,
    },
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

/// Added last to first, so that the order cannot come from that of adding.
#[test]
fn a_clients_systems_stand_before_and_after_every_phase_of_an_interval() {
    for interval in Interval::ALL {
        let mut app = app();
        let label = OnInterval(interval);
        for (phase, names) in [
            (IntervalSystems::Duties, ["first 3", "duties", "last 3"]),
            (IntervalSystems::ForkChoice, ["first 2", "fork choice", "last 2"]),
            (IntervalSystems::Collect, ["first 1", "collect", "last 1"]),
        ] {
            app.add_systems(label, note(names[2]).in_set(Last(phase)))
                .add_systems(label, note(names[1]).in_set(phase))
                .add_systems(label, note(names[0]).in_set(First(phase)));
        }
        let expected = [
            "first 1",
            "collect",
            "last 1",
            "first 2",
            "fork choice",
            "last 2",
            "first 3",
            "duties",
            "last 3",
        ];
        let log = log_at(&mut boot(app), (interval as u64 + 5) * 800);
        assert!(!log.is_empty());
        for phases in log.chunks(expected.len()) {
            assert_eq!(phases, expected, "{interval:?}");
        }
    }
}

#[test]
fn a_clients_systems_stand_before_and_after_every_phase_of_an_update() {
    const NAMES: [[&str; 3]; 11] = [
        ["first receive", "receive", "last receive"],
        ["first prove", "prove", "last prove"],
        ["first collect", "collect", "last collect"],
        ["first admit", "admit", "last admit"],
        ["first import", "import", "last import"],
        ["first sync", "sync", "last sync"],
        ["first held duties", "held duties", "last held duties"],
        ["first prune", "prune", "last prune"],
        ["first review", "review", "last review"],
        ["first flush", "flush", "last flush"],
        ["first measure", "measure", "last measure"],
    ];
    let phases = [
        (PreUpdate.intern(), NodeSystems::Receive),
        (PreUpdate.intern(), NodeSystems::Prove),
        (PreUpdate.intern(), NodeSystems::Collect),
        (PreUpdate.intern(), NodeSystems::Admit),
        (Update.intern(), NodeSystems::Import),
        (Update.intern(), NodeSystems::Sync),
        (Update.intern(), NodeSystems::HeldDuties),
        (PostUpdate.intern(), NodeSystems::Prune),
        (PostUpdate.intern(), NodeSystems::Review),
        (PostUpdate.intern(), NodeSystems::Flush),
        (PostUpdate.intern(), NodeSystems::Measure),
    ];
    let mut app = app();
    for ((schedule, phase), names) in phases.into_iter().zip(NAMES).rev() {
        app.add_systems(schedule, note(names[2]).in_set(Last(phase)))
            .add_systems(schedule, note(names[1]).in_set(phase))
            .add_systems(schedule, note(names[0]).in_set(First(phase)));
    }
    assert_eq!(log_at(&mut boot(app), 0), NAMES.concat());
}

const COLLECT: [(CollectSystems, [&str; 3]); 5] = [
    (CollectSystems::Duties, ["first duties", "duties", "last duties"]),
    (CollectSystems::Sessions, ["first sessions", "sessions", "last sessions"]),
    (CollectSystems::Splits, ["first splits", "splits", "last splits"]),
    (CollectSystems::Checks, ["first checks", "checks", "last checks"]),
    (CollectSystems::EarlySession, ["first early", "early", "last early"]),
];

/// Adds a system in every step, last to first, and one before and one after the phase. Returns the
/// order in which they have to run.
fn add_steps<Step: SystemSet + Copy + Eq + std::hash::Hash, const N: usize>(
    app: &mut App,
    schedule: impl ScheduleLabel + Clone,
    phase: impl SystemSet + Copy + Eq + std::hash::Hash,
    steps: [(Step, [&'static str; 3]); N],
) -> Vec<&'static str> {
    app.add_systems(schedule.clone(), note("after").in_set(Last(phase)));
    for (step, names) in steps.into_iter().rev() {
        app.add_systems(schedule.clone(), note(names[2]).in_set(Last(step)))
            .add_systems(schedule.clone(), note(names[1]).in_set(step))
            .add_systems(schedule.clone(), note(names[0]).in_set(First(step)));
    }
    app.add_systems(schedule, note("before").in_set(First(phase)));
    let names = steps.into_iter().flat_map(|(_, names)| names);
    ["before"].into_iter().chain(names).chain(["after"]).collect()
}

#[test]
fn what_is_collected_comes_step_by_step() {
    for interval in Interval::ALL {
        let mut app = app();
        let expected = add_steps(&mut app, OnInterval(interval), IntervalSystems::Collect, COLLECT);
        let log = log_at(&mut boot(app), (interval as u64 + 5) * 800);
        assert!(!log.is_empty());
        for steps in log.chunks(expected.len()) {
            assert_eq!(steps, expected, "{interval:?}");
        }
    }
    let mut app = app();
    let expected = add_steps(&mut app, PreUpdate, NodeSystems::Collect, COLLECT);
    assert_eq!(log_at(&mut boot(app), 0), expected);
}

#[test]
fn an_import_comes_step_by_step() {
    let mut app = app();
    let steps = [
        (ImportSystems::Commit, ["first commit", "commit", "last commit"]),
        (ImportSystems::Split, ["first split", "split", "last split"]),
        (ImportSystems::Release, ["first release", "release", "last release"]),
    ];
    let expected = add_steps(&mut app, Update, NodeSystems::Import, steps);
    assert_eq!(log_at(&mut boot(app), 0), expected);
}
