//! Checks that every duty of a calm slot is done.

use std::collections::BTreeMap;

use quintet_components::{
    constants::SLOT_DURATION_MS,
    containers::Slot,
    duties::{DutyCounts, DutyOutcome, RecentDuties},
};

use super::{Broken, View, broken, calm};

/// Counts the duties of calm slots.
#[derive(Default)]
pub(super) struct Duties {
    /// The slot in which each node became calm, and the duties that it had done by then.
    begun: BTreeMap<usize, (Slot, DutyCounts)>,
}

impl Duties {
    pub(super) fn look(&mut self, view: &View<'_>) {
        if view.now_ms >= calm::settled_from_ms(view.scenario) {
            self.begun.entry(view.node).or_insert_with(|| {
                let counts = view.world.get_resource::<DutyCounts>().copied();
                (view.now_ms / SLOT_DURATION_MS, counts.unwrap_or_default())
            });
        }
    }

    pub(super) fn conclude(&self, view: &View<'_>) -> Result<(), Broken> {
        let Some((begun, before)) = self.begun.get(&view.node) else { return Ok(()) };
        let scenario = view.scenario;
        let node = view.node;
        let is_odd = calm::is_stuck(scenario, node) || scenario.makes_wrong_proofs(node);
        if is_odd || scenario.shares_keys(node) {
            return Ok(());
        }
        let now = view.world.get_resource::<DutyCounts>().copied().unwrap_or_default();
        let slots = begun + 1..view.now_ms / SLOT_DURATION_MS;
        let keys = scenario.keys_of(node);
        let proposals = slots.clone().filter(|slot| keys.contains(&(slot % scenario.validators)));
        let attestations = slots.clone().count() * keys.len();
        let done = (now.proposed - before.proposed, now.attested - before.attested);
        let due = (proposals.count() as u64, attestations as u64);
        // If proofs are slow, a duty that needs one may be late now and then.
        let is_proven = now.missed == before.missed && done.0 >= due.0 || calm::is_slow(scenario);
        if is_proven && done.1 >= due.1 {
            return Ok(());
        }
        let recent = view.world.get_resource::<RecentDuties>();
        let missed =
            recent.and_then(|recent| recent.iter().find(|duty| duty.outcome != DutyOutcome::Done));
        let text = format!(
            "in slots {slots:?} {} of {} proposals and {} of {} attestations are done, {} duties \
             are missed; one of the last: {missed:?}",
            done.0,
            due.0,
            done.1,
            due.1,
            now.missed - before.missed
        );
        broken("duty-missed", text)
    }
}
