//! Checks that no node logs an error without a fault that explains it.

use super::{Broken, broken, calm};
use crate::sim::{
    ear::LoggedError,
    fault::{Fault, FaultKind},
    scenario::Scenario,
};

/// The time after a fault in which work that was under way may still fail.
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
            && now_ms <= fault.until_ms().saturating_add(after_ms(&fault.kind))
            && explains(&fault.kind, error.target)
    };
    // If proofs are slow, duties that need one are missed now and then.
    let is_late = calm::is_slow(scenario) && is_missed(error);
    // If two machines have one key, the second one to propose finds the slot taken.
    let is_second = scenario.shares_keys(node) && error.target.ends_with("::duties::record");
    if !scenario.is_honest(node) || is_late || is_second || scenario.faults.iter().any(explains) {
        return Ok(());
    }
    broken("error-logged", format!("{}: {}", error.target, error.text))
}

/// Returns true if an error says that a duty which needs a proof was not done in time.
fn is_missed(error: &LoggedError) -> bool {
    error.target.ends_with("::duties::record")
        && (error.text.starts_with("missed: aggregate")
            || error.text.starts_with("missed: propose"))
        && error.text.contains("not_ready")
}

/// The time for which a fault has consequences after its end. A signature made while a clock was
/// ahead counts until the clock is there again, and a proof that a stuck prover began never ends.
const fn after_ms(kind: &FaultKind) -> u64 {
    match kind {
        FaultKind::ProverStuck { .. } => u64::MAX,
        FaultKind::Skew { by_ms, .. } => AFTER_MS + by_ms.unsigned_abs(),
        _ => AFTER_MS,
    }
}

/// Returns true if a fault of a node explains an error of this module.
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
