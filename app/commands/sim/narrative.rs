//! Prints the events of a simulation's last slots, one a line.

use std::fmt::Write;

use quintet_components::{constants::SLOT_DURATION_MS, containers::Root};
use quintet_plugins::sim::{FaultKind, Moment, Trace, What};

/// Slots that are told.
const SLOTS: u64 = 4;
/// Lines at most: the last ones.
const MAX_LINES: usize = 80;

/// The last slots before the end, as comments of a scenario. Attestations of a node with the same
/// head are one line.
pub(super) fn narrative(trace: &Trace) -> String {
    let from_ms = trace.report.ended_ms.saturating_sub(SLOTS * SLOT_DURATION_MS);
    let mut lines: Vec<(u64, String)> = Vec::new();
    for fault in &trace.scenario.faults {
        let name = format!("{} of {}", name(&fault.kind), nodes(&fault.kind));
        lines.push((fault.from_ms, format!("begins: {name}")));
        lines.push((fault.until_ms(), format!("ends: {name}")));
    }
    let mut attested = None;
    for moment in &trace.moments {
        let line = told(moment);
        // Another one of the same node at the same time says nothing new.
        let is_again = matches!(moment.what, What::Attestation { .. })
            && attested.as_ref() == Some(&(moment.at_ms, line.clone()));
        if !is_again {
            lines.push((moment.at_ms, line.clone()));
        }
        attested = Some((moment.at_ms, line));
    }
    lines.retain(|(at_ms, _)| (from_ms..=trace.report.ended_ms).contains(at_ms));
    lines.sort_by_key(|(at_ms, _)| *at_ms);
    let left_out = lines.len().saturating_sub(MAX_LINES);
    let mut text = String::from("# the last slots:\n");
    if left_out > 0 {
        let _ = writeln!(text, "#   ({left_out} lines before these)");
    }
    for (at_ms, line) in &lines[left_out..] {
        let seconds = *at_ms as f64 / 1000.0;
        let _ = writeln!(text, "#   slot {:>3} {seconds:>9.3} s  {line}", at_ms / SLOT_DURATION_MS);
    }
    text
}

fn short(root: &Root) -> String {
    root.to_string().chars().take(10).collect()
}

fn told(moment: &Moment) -> String {
    let node = moment.node;
    match &moment.what {
        What::Block { slot, root, parent } => {
            format!("node {node} publishes {} of slot {slot} on {}", short(root), short(parent))
        }
        What::Attestation { slot, head, .. } => {
            format!("node {node} attests to {} in slot {slot}", short(head))
        }
        What::Aggregate { slot, participants } => {
            format!("node {node} publishes an aggregate of {participants} of slot {slot}")
        }
        What::Proof { until_ms } => {
            format!("node {node} proves until {:.3} s", *until_ms as f64 / 1000.0)
        }
        What::Start => format!("node {node} starts"),
        What::Stop => format!("node {node} goes down"),
        What::Ban { peer } => format!("node {node} bans node {peer}"),
    }
}

/// The name of a fault as a scenario has it.
fn name(kind: &FaultKind) -> String {
    let text = serde_json::to_value(kind).unwrap_or_default();
    text["kind"].as_str().unwrap_or("a fault").to_owned()
}

fn nodes(kind: &FaultKind) -> String {
    let nodes = kind.nodes();
    if nodes.is_empty() {
        return "all nodes".to_owned();
    }
    let names: Vec<_> = nodes.iter().map(ToString::to_string).collect();
    format!("node {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use quintet_plugins::sim::{Fault, Loss, Simulation};

    use super::*;

    #[test]
    fn the_last_slots_are_told_in_order_and_no_others() {
        let kind = FaultKind::Crash { node: 1, loses: Loss::Process };
        let fault = Fault { from_ms: 33_000, for_ms: 2_000, kind };
        let trace = Simulation::new(1).slots(10).with(|it| it.faults.push(fault)).run_traced();
        let text = narrative(&trace);
        let place = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what}: {text}"));
        assert!(place("begins: crash of node 1") < place("node 1 goes down"));
        assert!(place("node 1 goes down") < place("ends: crash of node 1"));
        assert!(place("ends: crash of node 1") < place("node 1 starts"));
        assert!(text.contains("slot   9") && !text.contains("slot   5 "), "{text}");
        assert!(text.lines().all(|line| line.starts_with('#')), "{text}");
    }
}
