//! Rules for the time that nodes walk.

use std::collections::BTreeMap;

use quintet_components::{
    chain::Head,
    clock::{CurrentInterval, IntervalLog},
    constants::INTERVALS_PER_SLOT,
};

use super::{Broken, View, broken};
use crate::sim::{fault::FaultKind, scenario::Scenario};

/// Checks that every interval is walked, and that no head is of a slot that has not begun.
#[derive(Default)]
pub(super) struct Time {
    /// The newest interval that was seen of each node.
    walked: BTreeMap<usize, u64>,
}

impl Time {
    pub(super) fn look(&mut self, view: &View<'_>) -> Result<(), Broken> {
        let count = view.world.resource::<CurrentInterval>().count;
        if self.walked.insert(view.node, count) == Some(count) {
            return Ok(());
        }
        let log = view.world.resource::<IntervalLog>();
        let counts: Vec<u64> = log.iter().map(|record| record.count).collect();
        if let Some(pair) = counts.windows(2).find(|pair| pair[0] + 1 != pair[1]) {
            let text = format!("after interval {} it ran interval {}", pair[0], pair[1]);
            return broken("jumped-interval", text);
        }
        let head = view.world.resource::<Head>().0;
        if head.slot * INTERVALS_PER_SLOT > count + 1 && !is_set(view.scenario, view.node) {
            let text = format!("its head is of slot {}, and it is at interval {count}", head.slot);
            return broken("head-ahead", text);
        }
        Ok(())
    }
}

/// Returns true if a fault changes a node's clock.
fn is_set(scenario: &Scenario, node: usize) -> bool {
    scenario.faults.iter().any(|fault| match fault.kind {
        FaultKind::Skew { node: struck, .. } | FaultKind::Drift { node: struck, .. } => {
            struck == node
        }
        _ => false,
    })
}
