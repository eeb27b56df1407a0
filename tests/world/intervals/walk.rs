//! Every due interval runs, oldest first, none is jumped over.

use bevy_app::App;
use bevy_ecs::prelude::*;
use proptest::prelude::*;
use quintet_components::{
    chain::Finalized,
    clock::{CurrentInterval, IntervalLog, MAX_INTERVALS_PER_UPDATE, SlotClock, UnixTime},
    containers::{Checkpoint, Root},
    schedule::{Interval, OnInterval},
};
use quintet_plugins::{ClockPlugin, OrderPlugin};

const GENESIS_TIME: u64 = 1_000;
const GENESIS_MS: u64 = 1_000_000;

/// The schedules that ran, each with the world's time in it.
#[derive(Resource, Default)]
struct Walked(Vec<(Interval, CurrentInterval)>);

/// The clock alone, and a system in each interval that writes down that it ran.
struct Walk(App);

impl Walk {
    fn new() -> Self {
        let mut app = App::new();
        app.add_plugins((OrderPlugin, ClockPlugin))
            .insert_resource(SlotClock::new(GENESIS_TIME))
            .init_resource::<CurrentInterval>()
            .init_resource::<Walked>();
        for interval in Interval::ALL {
            let note = move |now: Res<CurrentInterval>, mut walked: ResMut<Walked>| {
                walked.0.push((interval, *now));
            };
            app.add_systems(OnInterval(interval), note);
        }
        app.finish();
        app.cleanup();
        Self(app)
    }

    /// One update at this time. Returns what it walked.
    fn at(&mut self, now_ms: u64) -> Vec<(Interval, CurrentInterval)> {
        self.0.world_mut().resource_mut::<UnixTime>().now_ms = now_ms;
        self.0.update();
        std::mem::take(&mut self.0.world_mut().resource_mut::<Walked>().0)
    }

    /// The newest interval walked.
    fn count(&self) -> u64 {
        self.0.world().resource::<CurrentInterval>().count
    }

    /// The intervals that are walked at this time, as counts.
    fn counts_at(&mut self, now_ms: u64) -> Vec<u64> {
        self.at(now_ms).into_iter().map(|(_, now)| now.count).collect()
    }
}

/// A slot of four seconds has five intervals.
const fn start_ms(count: u64) -> u64 {
    GENESIS_MS + count * 800
}

#[test]
fn a_late_wake_walks_every_interval_in_between_in_order() {
    let mut walk = Walk::new();
    assert_eq!(walk.counts_at(start_ms(1)), [1]);
    let walked = walk.at(start_ms(4) + 10);
    let late = |count, late_ms| CurrentInterval { count, late_ms };
    assert_eq!(
        walked,
        [
            (Interval::Aggregate, late(2, 1610)),
            (Interval::SafeTarget, late(3, 810)),
            (Interval::Accept, late(4, 10)),
        ]
    );
}

#[test]
fn an_interval_runs_once_however_often_the_node_wakes_in_it() {
    let mut walk = Walk::new();
    assert_eq!(walk.counts_at(start_ms(3)), [1, 2, 3]);
    for offset in [0, 1, 400, 799] {
        assert!(walk.at(start_ms(3) + offset).is_empty());
    }
    assert_eq!(walk.counts_at(start_ms(3) + 800), [4]);
}

#[test]
fn a_clock_that_steps_back_two_slots_does_nothing_until_it_has_caught_up() {
    let mut walk = Walk::new();
    walk.at(start_ms(12));
    for now_ms in [start_ms(11), start_ms(2), start_ms(12)] {
        assert!(walk.at(now_ms).is_empty());
        assert_eq!(walk.count(), 12);
    }
    assert_eq!(walk.counts_at(start_ms(14)), [13, 14]);
}

#[test]
fn a_clock_that_steps_back_further_is_followed() {
    let mut walk = Walk::new();
    walk.at(start_ms(900));
    assert!(walk.at(start_ms(20) + 5).is_empty(), "it waits for the next interval");
    assert_eq!(walk.count(), 20);
    assert_eq!(walk.counts_at(start_ms(22)), [21, 22]);
    let log = walk.0.world().resource::<IntervalLog>();
    assert_eq!(log.iter().map(|record| record.count).collect::<Vec<_>>(), [21, 22]);
    // Before genesis, too.
    assert!(walk.at(GENESIS_MS - 9_000).is_empty());
    assert_eq!(walk.count(), 0);
    assert_eq!(walk.counts_at(start_ms(1)), [1]);
}

#[test]
fn a_clock_that_steps_back_before_what_is_final_is_waited_for() {
    let mut walk = Walk::new();
    walk.at(start_ms(300));
    walk.0.insert_resource(Finalized(Checkpoint { root: Root::ZERO, slot: 40 }));
    for now_ms in [start_ms(100), start_ms(199)] {
        assert!(walk.at(now_ms).is_empty());
        assert_eq!(walk.count(), 300);
    }
    assert!(walk.at(start_ms(200)).is_empty());
    assert_eq!(walk.counts_at(start_ms(201)), [201]);
}

#[test]
fn a_long_gap_is_walked_in_several_updates_and_completely() {
    let mut walk = Walk::new();
    let gap = 2 * MAX_INTERVALS_PER_UPDATE + 7;
    let now_ms = start_ms(gap);
    let first = walk.counts_at(now_ms);
    let second = walk.counts_at(now_ms);
    let third = walk.counts_at(now_ms);
    let fourth = walk.counts_at(now_ms);
    let lengths = [first.len(), second.len(), third.len(), fourth.len()];
    let most = usize::try_from(MAX_INTERVALS_PER_UPDATE).expect("small");
    assert_eq!(lengths, [most, most, 7, 0]);
    assert_eq!([first, second, third].concat(), (1..=gap).collect::<Vec<_>>());
}

#[test]
fn a_clock_at_the_end_of_time_walks_no_more_than_one_updates_share() {
    let mut walk = Walk::new();
    let walked = walk.counts_at(u64::MAX);
    assert_eq!(walked, (1..=MAX_INTERVALS_PER_UPDATE).collect::<Vec<_>>());
}

#[test]
fn nothing_is_walked_before_genesis() {
    let mut walk = Walk::new();
    for now_ms in [0, 1, GENESIS_MS - 1, GENESIS_MS, GENESIS_MS + 799] {
        assert!(walk.at(now_ms).is_empty(), "at {now_ms}");
    }
    assert_eq!(walk.at(GENESIS_MS + 800).len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A clock may do anything: rest, run, jump, step back. The walk has no gap, and no repeat but
    /// after a step back of more than two slots.
    #[test]
    fn whatever_the_clock_reads_the_walk_has_no_gap_and_repeats_only_what_lies_far_back(
        readings in prop::collection::vec(0u64..GENESIS_MS + 400 * 800, 1..40),
    ) {
        let mut walk = Walk::new();
        let mut newest = 0;
        for now_ms in &readings {
            let due = now_ms.saturating_sub(GENESIS_MS) / 800;
            if due + 10 < newest {
                newest = due;
            }
            let walked = walk.at(*now_ms);
            let counts: Vec<u64> = walked.iter().map(|(_, now)| now.count).collect();
            let last = due.min(newest + MAX_INTERVALS_PER_UPDATE);
            prop_assert_eq!(&counts, &(newest + 1..=last).collect::<Vec<_>>());
            newest = newest.max(last);
            for (interval, now) in walked {
                prop_assert_eq!(interval as u64, now.count % 5);
                prop_assert_eq!(now.slot(), now.count / 5);
            }
        }
    }
}
