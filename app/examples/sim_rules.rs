//! Another rule of fork choice, and what it does to finality: the safe target is the head, so that
//! validators attest to targets that two thirds have not seen.
//!
//! ```console
//! $ cargo run --release --example sim_rules
//! ```

use bevy_ecs::prelude::*;
use quintet::{
    components::{
        chain::{Head, SafeTarget},
        schedule::{Interval, IntervalSystems, Last, OnInterval},
    },
    plugins::sim::Simulation,
};

fn trust_the_head(head: Res<Head>, mut safe_target: ResMut<SafeTarget>) {
    safe_target.0 = head.0;
}

/// Returns the number of slots between the finalized slot and the clock at the end.
fn behind(is_changed: bool) -> u64 {
    const SLOTS: u64 = 60;
    let network = Simulation::new(1).nodes(6).validators(12).slots(SLOTS);
    let report = network
        .without("safe-target")
        .customize(move |_, app| {
            let last = trust_the_head.in_set(Last(IntervalSystems::ForkChoice));
            if is_changed {
                app.add_systems(OnInterval(Interval::SafeTarget), last);
            }
        })
        .run();
    SLOTS - report.finalized_slot()
}

fn main() {
    println!("finality is {} slots behind, with the other rule {}", behind(false), behind(true));
}

#[cfg(test)]
#[test]
fn finality_is_as_near_or_nearer() {
    let (usual, changed) = (behind(false), behind(true));
    assert!(usual < 8 && changed <= usual, "{usual}, {changed}");
}
