//! The runner: asleep until a wake or a deadline, and gone when asked.

use std::{
    num::NonZero,
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bevy_app::{App, AppExit, First, Last, PluginGroup};
use bevy_ecs::{message::Messages, prelude::*};
use quintet_components::{
    clock::{CurrentInterval, IntervalLog},
    containers::{Block, Root, State},
    messages::{BlockReceived, InputId, InputJudged},
    preset::SignaturePreset,
    waker::NodeWaker,
    warnings::{WarningCode, Warnings},
};
use quintet_plugins::{Anchor, InboundLanes, NodeConfig, NodePlugins, RunnerPlugin, SyncPlugin};
use quintet_systems::transition::{anchor_block, generate_genesis};

use crate::support::{
    chain::{signed, validators},
    mocked::MockedProofs,
};

/// Longer than any test run.
const FOR_EVER: Duration = Duration::from_hours(24);

/// A node on its own thread, its ends, and one message an update.
struct Running {
    updates: Receiver<Update>,
    waker: NodeWaker,
    lanes: InboundLanes,
    exit: Sender<AppExit>,
    thread: JoinHandle<AppExit>,
}

#[derive(Debug, PartialEq)]
struct Update {
    interval: u64,
    judged: Vec<InputId>,
    /// True if an update was found to take too long.
    is_slow: bool,
}

#[derive(Resource)]
struct Exits(std::sync::Mutex<Receiver<AppExit>>);

/// Work in the next update that takes this long.
#[derive(Resource)]
struct Work(Duration);

fn start(genesis_time: u64, max_idle: Duration) -> Running {
    start_with(genesis_time, max_idle, |_| ())
}

fn start_with(
    genesis_time: u64,
    max_idle: Duration,
    more: impl FnOnce(&mut App) + Send + 'static,
) -> Running {
    let (send_update, updates) = channel();
    let (send_ends, ends) = channel();
    let (exit, exits) = channel();
    // An app stays on the thread that builds it.
    let thread = thread::spawn(move || {
        let state: State = generate_genesis(genesis_time, validators(4));
        let anchor = Anchor { block: anchor_block(&state), state: Arc::new(state) };
        let mut app = App::new();
        let config = NodeConfig::new(anchor, SignaturePreset::Test, Arc::new(MockedProofs));
        let node = NodePlugins::new(config);
        // Without sync a block is judged at once.
        app.add_plugins(
            node.build()
                .disable::<SyncPlugin>()
                .set(RunnerPlugin { max_idle, ..RunnerPlugin::default() }),
        )
        .insert_resource(Exits(exits.into()))
        .add_systems(First, |exits: Res<Exits>, mut exit: MessageWriter<AppExit>| {
            exit.write_batch(exits.0.lock().expect("only locked here").try_iter());
        })
        .add_systems(Last, move |world: &mut World| {
            let mut judged = world.resource_mut::<Messages<InputJudged>>();
            let judged = judged.drain().map(|judged| judged.id).collect();
            let interval = world.resource::<CurrentInterval>().count;
            let is_slow = world.resource::<Warnings>().get(WarningCode::SlowUpdate).is_some();
            let _ = send_update.send(Update { interval, judged, is_slow });
        });
        more(&mut app);
        let world = app.world();
        let ends =
            (world.resource::<NodeWaker>().clone(), world.resource::<InboundLanes>().clone());
        send_ends.send(ends).expect("the test waits for them");
        app.run()
    });
    let (waker, lanes) = ends.recv().expect("the node boots");
    Running { updates, waker, lanes, exit, thread }
}

impl Running {
    fn update(&self) -> Update {
        self.updates.recv().expect("the node runs")
    }

    /// Asks the node to end. Returns how it ended and how many updates nobody had looked at.
    fn end(self, exit: AppExit) -> (AppExit, usize) {
        self.exit.send(exit).expect("the node runs");
        self.waker.wake();
        let exit = self.thread.join().expect("no panic");
        (exit, self.updates.try_iter().count())
    }
}

fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// Genesis is a day away, so that nothing but a wake is a reason to update. A runner that polled
/// would have made many updates while this test rests.
#[test]
fn the_runner_sleeps_until_it_is_woken_and_exits_when_asked() {
    let node = start(unix_now() + 86_400, FOR_EVER);
    assert_eq!(node.update(), Update { interval: 0, judged: vec![], is_slow: false });
    for _ in 0..5 {
        thread::sleep(Duration::from_millis(5));
        node.waker.wake();
        assert_eq!(node.update(), Update { interval: 0, judged: vec![], is_slow: false });
    }
    thread::sleep(Duration::from_millis(5));
    let (exit, unseen) = node.end(AppExit::Success);
    assert_eq!((exit, unseen), (AppExit::Success, 1), "one update a wake");
}

#[test]
fn an_error_exit_keeps_its_code() {
    let node = start(unix_now() + 86_400, FOR_EVER);
    let code = NonZero::new(3).expect("not zero");
    assert_eq!(node.end(AppExit::Error(code)).0, AppExit::Error(code));
}

/// More than one update's budget: the runner goes on by itself while lanes hold something.
#[test]
fn what_arrives_wakes_the_runner_until_all_of_it_is_judged() {
    let node = start(unix_now() + 86_400, FOR_EVER);
    node.update();
    for id in 0..100 {
        let block = Block { slot: id, parent_root: Root::repeat_byte(1), ..Block::default() };
        assert!(node.lanes.blocks.offer(BlockReceived::new(InputId(id), Arc::new(signed(block)))));
    }
    let mut judged = Vec::new();
    while judged.len() < 100 {
        judged.extend(node.update().judged);
    }
    assert_eq!(judged, (0..100).map(InputId).collect::<Vec<_>>());
    node.end(AppExit::Success);
}

/// Genesis was ten days ago: nothing before the start is walked, and then one interval at a time
/// without being woken.
#[test]
fn the_runner_begins_at_the_clock_and_wakes_by_itself_for_the_next_interval() {
    let node = start_with(unix_now() - 864_000, FOR_EVER, |app| {
        app.add_systems(Last, |log: Res<IntervalLog>| {
            assert!(log.iter().all(|record| record.late_ms < 60_000), "walked: {log:?}");
        });
    });
    let first = node.update().interval;
    assert!(first >= 1_080_000, "{first}");
    assert!(node.update().interval > first, "nothing but the next interval ends the sleep");
    node.end(AppExit::Success);
}

/// In slot 2: at the start a node may take its time.
#[test]
fn an_update_that_the_runner_saw_take_too_long_is_warned_of() {
    let node = start_with(unix_now() - 9, FOR_EVER, |app| {
        app.insert_resource(Work(Duration::from_millis(60))).add_systems(
            First,
            |work: Option<Res<Work>>, mut commands: Commands| {
                if let Some(work) = work {
                    thread::sleep(work.0);
                    commands.remove_resource::<Work>();
                }
            },
        );
    });
    assert!(!node.update().is_slow, "it is measured when it is over");
    node.waker.wake();
    assert!(node.update().is_slow);
    let (exit, _) = node.end(AppExit::Success);
    assert_eq!(exit, AppExit::Success);
}
