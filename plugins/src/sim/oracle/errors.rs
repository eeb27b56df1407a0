//! No node logs an error without a fault that explains it.

use super::{Broken, broken};
use crate::sim::{
    ear::LoggedError,
    fault::{Fault, FaultKind},
    scenario::Scenario,
};

/// What a fault began may fail so long after it.
const AFTER_MS: u64 = 4 * quintet_components::constants::SLOT_DURATION_MS;

pub(super) fn judge(
    scenario: &Scenario,
    node: usize,
    now_ms: u64,
    error: &LoggedError,
) -> Result<(), Broken> {
    let explains = |fault: &Fault| {
        fault.kind.nodes().contains(&node)
            && fault.from_ms <= now_ms
            && (now_ms <= fault.until_ms() + AFTER_MS || lasts(&fault.kind))
            && explains(&fault.kind, error.target)
    };
    if !scenario.is_honest(node) || scenario.faults.iter().any(explains) {
        return Ok(());
    }
    broken("error-logged", format!("{}: {}", error.target, error.text))
}

/// Returns true for faults whose consequences have no end.
const fn lasts(kind: &FaultKind) -> bool {
    matches!(kind, FaultKind::ProverStuck { .. })
}

/// Returns true if a fault of a node is why one of its modules fails.
fn explains(kind: &FaultKind, target: &str) -> bool {
    let is_of = |modules: &[&str]| modules.iter().any(|module| target.contains(module));
    match kind {
        FaultKind::DiskFull { .. } | FaultKind::DiskSlow { .. } | FaultKind::Crash { .. } => {
            is_of(&["::storage", "::keys", "::duties"])
        }
        FaultKind::Pause { .. } | FaultKind::Skew { .. } | FaultKind::Drift { .. } => {
            is_of(&["::keys", "::duties"])
        }
        FaultKind::ProverSlow { .. }
        | FaultKind::ProverStuck { .. }
        | FaultKind::ProverPanics { .. }
        | FaultKind::ProverWrong { .. } => is_of(&["::aggregation", "::proving", "::duties"]),
        FaultKind::SmallLanes { .. }
        | FaultKind::Partition { .. }
        | FaultKind::OneWay { .. }
        | FaultKind::Swizzle { .. }
        | FaultKind::Loss { .. } => false,
    }
}
