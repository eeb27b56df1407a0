//! A line in the log for each slot.

use bevy_app::{App, Plugin};
use bevy_ecs::prelude::*;
use quintet_components::{
    chain::{Finalized, Head, Justified},
    clock::CurrentInterval,
    duties::DutyCounts,
    network::PeersById,
    schedule::{Interval, IntervalSystems, OnInterval},
};

/// Logs the chain's state at the end of each slot.
///
/// | inserts | reads | writes |
/// | --- | --- | --- |
/// | | the checkpoints, `PeersById`, `DutyCounts` | the log |
#[derive(Debug)]
pub struct SlotLogPlugin;

impl Plugin for SlotLogPlugin {
    fn build(&self, app: &mut App) {
        app.add_systems(
            OnInterval(Interval::Accept),
            log_slot.after(IntervalSystems::Duties).ambiguous_with_all(),
        );
    }
}

fn log_slot(
    now: Res<CurrentInterval>,
    (head, justified, finalized): (Res<Head>, Res<Justified>, Res<Finalized>),
    peers: Option<Res<PeersById>>,
    duties: Option<Res<DutyCounts>>,
) {
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
        "slot ends"
    );
}
