//! Rules for a calm network: once all faults are over, some things must happen in time.

use std::collections::BTreeMap;

use quintet_components::{
    chain::Finalized,
    constants::{INTERVAL_DURATION_MS, SLOT_DURATION_MS},
    containers::Slot,
    sync::{DutyGate, SyncState},
};
use quintet_systems::transition::is_justifiable_after;

use super::{Broken, View, broken, checkpoints};
use crate::sim::{
    fault::{FaultKind, Script},
    scenario::Scenario,
};

/// Slots for connections to come back and blocks to be fetched: a node that lost all its peers
/// dials each again after up to a minute.
const SETTLE_SLOTS: Slot = 24;
/// The number of slots by which finality may be behind the head in a calm network whose proofs are
/// made in time.
const BEHIND_SLOTS: Slot = 6;

/// Finality comes back within a bound after the last fault.
#[derive(Default)]
pub(super) struct Calm {
    /// Each node's finalized slot when the network became calm.
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
        let bound = bound(calm_slot, *begun) + behind(scenario);
        let now = view.now_ms / SLOT_DURATION_MS;
        if !can_finalize(scenario) || scenario.makes_wrong_proofs(view.node) || now < bound {
            return Ok(());
        }
        let [head, justified, finalized] = checkpoints(view.world);
        // With adversaries a slot may be lost now and then.
        let usual = behind(scenario);
        let share = if scenario.adversaries.is_empty() { usual } else { now - calm_slot };
        if finalized.slot > *begun && finalized.slot + share.max(usual) >= now {
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

/// The time at which connections are back and blocks are fetched, in milliseconds since genesis.
pub(super) fn settled_from_ms(scenario: &Scenario) -> u64 {
    scenario.calm_from_ms() + SETTLE_SLOTS * SLOT_DURATION_MS
}

/// Returns true if a node's prover was stuck at some time: proofs that it began meanwhile never
/// end.
pub(super) fn is_stuck(scenario: &Scenario, node: usize) -> bool {
    let is_it =
        |kind: &FaultKind| matches!(kind, FaultKind::ProverStuck { node: stuck } if *stuck == node);
    scenario.faults.iter().any(|fault| is_it(&fault.kind))
}

/// The slot by which a new block must be finalized: after connections are back, there must be three
/// slots in a row that may be justified.
fn bound(calm: Slot, finalized: Slot) -> Slot {
    let from = calm + SETTLE_SLOTS;
    let justifiable = (from..).filter(|slot| is_justifiable_after(*slot, finalized));
    justifiable.take(3).last().unwrap_or(from)
}

/// The longest proof of a scenario's usual prover.
const fn longest_proof_ms(scenario: &Scenario) -> u64 {
    scenario.tasks.prove.most_ms.saturating_mul(scenario.tasks.prove.tail)
}

/// Returns true if two proofs one after the other may take longer than an interval, so that a duty
/// is missed now and then without a fault.
pub(super) const fn is_slow(scenario: &Scenario) -> bool {
    2 * longest_proof_ms(scenario) > INTERVAL_DURATION_MS
}

/// The number of slots by which finality may be behind the head. A proof that takes longer than its
/// interval costs a slot each time, a block's or an aggregate's.
const fn behind(scenario: &Scenario) -> Slot {
    BEHIND_SLOTS * (1 + longest_proof_ms(scenario) / INTERVAL_DURATION_MS)
}

/// Returns true if the network can finalize by itself once it is calm: more than two thirds of the
/// validators follow the protocol, and so does an aggregator.
fn can_finalize(scenario: &Scenario) -> bool {
    let honest = scenario.validators - scenario.unusable_validators();
    let aggregates = |node: usize| {
        scenario.is_honest(node) && !is_stuck(scenario, node) && !scenario.makes_wrong_proofs(node)
    };
    let fast = scenario.adversaries.iter().any(|each| each.script == Script::FastClock);
    3 * honest > 2 * scenario.validators
        && (0..scenario.aggregators.min(scenario.nodes)).any(aggregates)
        && !fast
}
