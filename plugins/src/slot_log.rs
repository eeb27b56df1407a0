//! Logs a line for each slot, and one per minute before genesis.

use std::time::Duration;

use bevy_app::{App, Last, Plugin};
use bevy_ecs::prelude::*;
use quintet_components::{
    chain::{Finalized, Head, Justified},
    clock::{CurrentInterval, IntervalLog, SlotClock, UnixTime, first_interval, in_words},
    constants::SLOT_DURATION_MS,
    duties::DutyCounts,
    network::PeersById,
    schedule::{Interval, IntervalSystems, OnInterval},
};

use crate::needs::{Need, needs};

/// A slot that ended longer ago gets no line; in milliseconds. A node that was asleep for a day
/// would otherwise write 21,600 lines.
const OLD_MS: u64 = 64 * SLOT_DURATION_MS;
/// The time between two lines before genesis, in milliseconds.
const COUNTDOWN_MS: u64 = 60_000;

/// Logs the chain's state at the end of each slot, and before genesis how long it is until then.
///
/// | inserts | reads | writes |
/// | --- | --- | --- |
/// | | the clock, the checkpoints, `PeersById`, `DutyCounts` | the log |
#[derive(Debug)]
pub struct SlotLogPlugin;

impl Plugin for SlotLogPlugin {
    fn build(&self, app: &mut App) {
        needs(app, "SlotLogPlugin", &[Need::resource::<Head>("ForkChoicePlugin")]);
        app.add_systems(
            OnInterval(Interval::Accept),
            log_slot.after(IntervalSystems::Duties).ambiguous_with_all(),
        )
        .add_systems(Last, count_down);
    }
}

fn log_slot(
    now: Res<CurrentInterval>,
    (head, justified, finalized): (Res<Head>, Res<Justified>, Res<Finalized>),
    peers: Option<Res<PeersById>>,
    duties: Option<Res<DutyCounts>>,
    intervals: Option<Res<IntervalLog>>,
) {
    if now.late_ms > OLD_MS {
        return;
    }
    let intervals = intervals.iter().flat_map(|intervals| intervals.iter());
    let of_slot = intervals.filter(|each| each.count >= first_interval(now.slot()));
    let late_ms = of_slot.map(|each| each.late_ms).fold(now.late_ms, u64::max);
    let missed = duties.map_or(0, |duties| duties.missed);
    tracing::info!(
        slot = now.slot(),
        head = head.0.slot,
        root = %head.0.root,
        justified = justified.0.slot,
        finalized = finalized.0.slot,
        finalized_root = %finalized.0.root,
        peers = peers.map_or(0, |peers| peers.len()),
        missed,
        late_ms,
        "slot ends"
    );
}

/// Logs how long it is until genesis: at the start, and at every full minute.
fn count_down(
    time: Res<UnixTime>,
    clock: Option<Res<SlotClock>>,
    mut told_minute: Local<Option<u64>>,
) {
    let Some(clock) = clock else { return };
    let left_ms = clock.interval_start_ms(0).saturating_sub(time.now_ms);
    let minute = left_ms.div_ceil(COUNTDOWN_MS);
    if left_ms > 0 && told_minute.replace(minute) != Some(minute) {
        let left = Duration::from_millis(left_ms.next_multiple_of(1_000));
        tracing::info!("genesis is in {}", in_words(left));
    }
}
