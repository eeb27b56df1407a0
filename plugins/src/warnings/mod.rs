//! Warnings for the operator.
//!
//! Each warning has one system, which decides from the world whether it applies. The threshold at
//! which a warning ends is lower than the one at which it appears, so that it does not appear and
//! end with every slot. It is logged when it appears and when it ends.

mod aggregators;
mod blocks;
mod clock_skew;
mod disk;
mod finality;
mod keys;
mod linger;
mod pending;
mod proofs;
mod updates;

use bevy_app::{App, Plugin, PostUpdate};
use bevy_ecs::prelude::*;
use quintet_components::{
    chain::Finalized,
    clock::{LastUpdate, SlotClock, UnixTime},
    containers::Slot,
    messages::{AggregateReceived, AttestationReceived, BlockImported, BlockReceived, InputJudged},
    schedule::NodeSystems,
    warnings::{WarningCode, Warnings},
};

use crate::{
    clock::interval_has_begun,
    needs::{Need, needs},
};

/// Watches the node and warns the operator.
///
/// | inserts | reads | writes |
/// | --- | --- | --- |
/// | [`Warnings`] | the clock, the finalized checkpoint, the pools, what arrived and how it was judged, `Signing`, `StorageHealth`, `BlockRoom`, [`LastUpdate`], the peers, `Proofs` | [`Warnings`], the log |
#[derive(Clone, Copy, Debug, Default)]
pub struct WarningsPlugin;

impl Plugin for WarningsPlugin {
    fn build(&self, app: &mut App) {
        needs(app, "WarningsPlugin", &[Need::resource::<Finalized>("ForkChoicePlugin")]);
        app.init_resource::<Warnings>()
            .init_resource::<LastUpdate>()
            .add_message::<BlockReceived>()
            .add_message::<AggregateReceived>()
            .add_message::<AttestationReceived>()
            .add_message::<BlockImported>()
            .add_message::<InputJudged>()
            .add_systems(
                PostUpdate,
                (
                    aggregators::watch_aggregators,
                    finality::watch_finality,
                    clock_skew::watch_clock,
                    updates::watch_updates,
                    proofs::watch_proofs,
                    (keys::watch_keys, disk::watch_disk, blocks::watch_blocks)
                        .chain()
                        .run_if(interval_has_begun),
                )
                    .chain()
                    .in_set(NodeSystems::Review)
                    // Apart from the warnings they only read.
                    .ambiguous_with_all(),
            );
    }
}

/// The result of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Finding {
    /// The warning applies, with this text.
    Raise(String),
    /// The warning does not apply.
    Lower,
    /// It is between the two thresholds: nothing changes.
    Keep,
}

/// Applies a finding, and logs changes.
fn apply(warnings: &mut ResMut<Warnings>, code: WarningCode, slot: Slot, finding: Finding) {
    match finding {
        Finding::Raise(text) => {
            if warnings.get(code).is_some_and(|warning| warning.text == text) {
                return;
            }
            let is_new = warnings.get(code).is_none();
            if is_new {
                tracing::warn!(slot, code = code.name(), "{text}");
            }
            warnings.set(code, slot, text);
        }
        Finding::Lower if warnings.get(code).is_some() => {
            if let Some(warning) = warnings.clear(code) {
                let (code, since) = (code.name(), warning.since_slot);
                tracing::info!(slot, code, since, "no longer: {}", warning.text);
            }
        }
        Finding::Lower | Finding::Keep => {}
    }
}

/// The slot of the clock; `None` before slot 0 is over, when nothing can be late yet.
fn slot_of(clock: Option<&SlotClock>, time: &UnixTime) -> Option<Slot> {
    clock.map(|clock| clock.current_slot(time.now_ms)).filter(|slot| *slot > 0)
}
