//! The result of a simulation, in words and as JSON.

use std::{fmt::Write, time::Duration};

use quintet_plugins::sim::{Report, Scenario, Shrunk, Simulation, Violation};

use super::{Failure, narrative::narrative};

/// A network in a line.
pub(super) fn title(scenario: &Scenario) -> String {
    format!(
        "seed {}: {} nodes, {} validators, {} committees, {} aggregators, {} faults, {} adversaries; \
         {} slots",
        scenario.seed,
        scenario.nodes,
        scenario.validators,
        scenario.committees,
        scenario.aggregators.min(scenario.nodes),
        scenario.faults.len(),
        scenario.adversaries.len(),
        scenario.slots,
    )
}

/// A network and what came of it as one line of JSON.
pub(super) fn json(scenario: &Scenario, report: &Report) -> Result<String, Failure> {
    let line = serde_json::json!({
        "seed": scenario.seed,
        "verdict": report.violation.as_ref().map_or("ok", |violation| &violation.rule),
        "log": report.log,
        "scenario": scenario,
        "report": report,
    });
    Ok(serde_json::to_string(&line)?)
}

/// A violation in a line.
pub(super) fn violation(violation: &Violation) -> String {
    let seconds = violation.at_ms as f64 / 1000.0;
    let node = violation.node.map_or(String::new(), |node| format!(" at node {node}"));
    format!("{}{node} after {seconds:.3} s: {}", violation.rule, violation.text)
}

/// The result of a network.
pub(super) fn summary(report: &Report, elapsed: Duration) -> String {
    let mut text = String::new();
    for (index, node) in report.nodes.iter().enumerate() {
        let [proposed, attested, missed] = node.duties;
        let state = if node.is_up { "" } else { ", down" };
        let _ = writeln!(
            text,
            "node {index}: head {}, justified {}, finalized {}, proposed {proposed}, attested \
             {attested}, missed {missed}, world {}{state}",
            node.head.slot, node.justified.slot, node.finalized.slot, node.world,
        );
    }
    let counts = &report.counts;
    let simulated = report.ended_ms as f64 / 1000.0;
    let _ = writeln!(
        text,
        "{} events, {} updates, {} tasks, {} arrivals, {} batches, {} crashes, {} bans; log {}",
        counts.events,
        counts.updates,
        counts.tasks,
        counts.arrivals,
        counts.batches,
        counts.crashes,
        counts.bans,
        report.log,
    );
    let seconds = elapsed.as_secs_f64().max(1e-6);
    let _ = write!(
        text,
        "{simulated:.0} s simulated in {seconds:.2} s: {:.0} times real time\n{}",
        simulated / seconds,
        report.violation.as_ref().map_or("no rule was broken".into(), violation)
    );
    text
}

/// A smaller scenario, how to run it again, and what happened before it broke the rule.
pub(super) fn shrunk(shrunk: &Shrunk) -> Result<String, Failure> {
    let scenario = toml::to_string(&shrunk.scenario)?;
    let broken = shrunk.report.violation.as_ref().map_or(String::new(), violation);
    let trace = Simulation::of(shrunk.scenario.clone())?.run_traced();
    Ok(format!(
        "# {broken}\n# found in {} runs; save this as FILE, and: quintet sim --scenario FILE\n{}{}",
        shrunk.runs,
        narrative(&trace),
        scenario.trim_end()
    ))
}
