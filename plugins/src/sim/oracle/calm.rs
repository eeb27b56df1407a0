//! Rules for a calm network: some things must happen in time once nothing is wrong any more.

use std::collections::BTreeMap;

use quintet_components::{
    chain::Finalized,
    constants::SLOT_DURATION_MS,
    containers::Slot,
    sync::{DutyGate, SyncState},
};
use quintet_systems::transition::is_justifiable_after;

use super::{Broken, View, broken, checkpoints};
use crate::sim::scenario::{FaultKind, Scenario, Script};

/// Slots for connections to come back and blocks to be fetched: a node that lost all its peers calls
/// them a minute apart.
const SETTLE_SLOTS: Slot = 24;
/// Slots that finality may be behind the head in a calm network, beyond what fork choice needs.
const BEHIND_SLOTS: Slot = 6;

/// Finality comes back within a bound after the last fault.
#[derive(Default)]
pub(super) struct Calm {
    /// Each node's finalized slot when it became calm.
    begun: BTreeMap<usize, Slot>,
}

impl Calm {
    pub(super) fn look(&mut self, view: &View<'_>) {
        if view.now_ms >= view.scenario.calm_from_ms() {
            let finalized = view.world.resource::<Finalized>().0.slot;
            self.begun.entry(view.node).or_insert(finalized);
        }
    }

    pub(super) fn conclude(&self, view: &View<'_>) -> Result<(), Broken> {
        let scenario = view.scenario;
        let Some(begun) = self.begun.get(&view.node) else { return Ok(()) };
        let calm_slot = scenario.calm_from_ms() / SLOT_DURATION_MS;
        let bound = bound(calm_slot, *begun);
        let now = view.now_ms / SLOT_DURATION_MS;
        if !can_finalize(scenario) || now < bound {
            return Ok(());
        }
        let [head, justified, finalized] = checkpoints(view.world);
        // With adversaries a slot may be lost now and then.
        let share = if scenario.adversaries.is_empty() { BEHIND_SLOTS } else { now - calm_slot };
        if finalized.slot > *begun && finalized.slot + share.max(BEHIND_SLOTS) >= now {
            return Ok(());
        }
        let text = format!(
            "finality should be back by slot {bound}: at slot {now} the head is {}, justified {}, \
             finalized {} since slot {calm_slot}, sync {:?}, duties {:?}",
            head.slot,
            justified.slot,
            finalized.slot,
            view.world.resource::<SyncState>(),
            view.world.resource::<DutyGate>(),
        );
        broken("no-finality", text)
    }
}

/// The slot by which something new is final: after connections are back, three slots in a row that
/// may be justified have to come.
fn bound(calm: Slot, finalized: Slot) -> Slot {
    let from = calm + SETTLE_SLOTS;
    let justifiable = (from..).filter(|slot| is_justifiable_after(*slot, finalized));
    let third = justifiable.take(3).last().unwrap_or(from);
    third + BEHIND_SLOTS
}

/// Returns true if the network can finalize by itself once it is calm: more than two thirds of the
/// validators follow the protocol, and so does an aggregator.
fn can_finalize(scenario: &Scenario) -> bool {
    let honest: usize = (0..scenario.nodes)
        .filter(|node| scenario.is_honest(*node))
        .map(|node| scenario.validators_of(node).len())
        .sum();
    // What a stuck prover has begun never ends.
    let is_stuck = |node: usize| {
        scenario.faults.iter().any(
            |fault| matches!(fault.kind, FaultKind::ProverStuck { node: stuck } if stuck == node),
        )
    };
    let aggregates = |node: usize| scenario.is_honest(node) && !is_stuck(node);
    let fast = scenario.adversaries.iter().any(|each| each.script == Script::FastClock);
    3 * honest as u64 > 2 * scenario.validators
        && (0..scenario.aggregators.min(scenario.nodes)).any(aggregates)
        && !fast
}
