//! A smaller scenario that breaks the same rule.

use quintet_components::constants::SLOT_DURATION_MS;

use super::{
    fault::Fault,
    report::Report,
    scenario::{NetworkModel, Scenario, TaskModel},
    simulation::Simulation,
};

/// The result of shrinking.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The smallest scenario that was found.
    pub scenario: Scenario,
    /// Its report.
    pub report: Report,
    /// The number of scenarios that were run.
    pub runs: usize,
}

/// Makes a scenario smaller as long as the same rule is broken: an earlier end, fewer faults,
/// adversaries, nodes and validators, shorter faults, a plainer network. Runs at most this many
/// scenarios. Returns `None` if the scenario breaks no rule.
pub fn shrink(scenario: &Scenario, at_most: usize) -> Option<Shrunk> {
    let report = run(scenario)?;
    let rule = report.violation.as_ref()?.rule.clone();
    let mut shrunk = Shrunk { scenario: scenario.clone(), report, runs: 1 };
    loop {
        let before = shrunk.scenario.clone();
        for candidate in candidates(&before, &shrunk.report) {
            if shrunk.runs >= at_most {
                return Some(shrunk);
            }
            // A scenario that cannot be simulated has no report.
            let Some(report) = run(&candidate) else { continue };
            shrunk.runs += 1;
            if report.violation.as_ref().is_some_and(|violation| violation.rule == rule) {
                (shrunk.scenario, shrunk.report) = (candidate, report);
                break;
            }
        }
        if shrunk.scenario == before {
            return Some(shrunk);
        }
    }
}

fn run(scenario: &Scenario) -> Option<Report> {
    Simulation::of(scenario.clone()).ok().map(Simulation::run)
}

/// The scenarios that are smaller by one thing, the largest steps first.
fn candidates(scenario: &Scenario, report: &Report) -> Vec<Scenario> {
    let mut all = Vec::new();
    let mut change = |change: &dyn Fn(&mut Scenario)| {
        let mut smaller = scenario.clone();
        change(&mut smaller);
        if smaller != *scenario {
            all.push(smaller);
        }
    };
    let ended = report.ended_ms / SLOT_DURATION_MS + 1;
    change(&|smaller| smaller.slots = smaller.slots.min(ended));
    change(&|smaller| smaller.faults.clear());
    for at in 0..scenario.faults.len() {
        change(&|smaller| _ = smaller.faults.remove(at));
    }
    change(&|smaller| smaller.shared_keys.clear());
    for at in 0..scenario.adversaries.len() {
        change(&|smaller| _ = smaller.adversaries.remove(at));
    }
    for nodes in [scenario.nodes / 2, scenario.nodes - 1] {
        change(&|smaller| keep_nodes(smaller, nodes.max(1)));
    }
    for validators in [scenario.nodes as u64, scenario.validators / 2] {
        change(&|smaller| keep_validators(smaller, validators));
    }
    change(&|smaller| smaller.network = NetworkModel::default());
    change(&|smaller| smaller.tasks = TaskModel::default());
    change(&|smaller| smaller.committees = 1);
    change(&|smaller| smaller.aggregators = 1);
    for at in 0..scenario.faults.len() {
        change(&|smaller| smaller.faults[at].for_ms /= 2);
        change(&|smaller| smaller.faults[at].from_ms /= 2);
    }
    all
}

/// Removes the last validators, and shared keys of them.
fn keep_validators(scenario: &mut Scenario, validators: u64) {
    scenario.validators = validators.clamp(1, scenario.validators);
    scenario.shared_keys.retain(|key| key.validator < scenario.validators);
}

/// Removes the last nodes, and everything that names them.
fn keep_nodes(scenario: &mut Scenario, nodes: usize) {
    scenario.nodes = nodes;
    scenario.aggregators = scenario.aggregators.min(nodes);
    let stays = |fault: &Fault| fault.kind.nodes().iter().all(|node| *node < nodes);
    scenario.faults.retain(stays);
    scenario.shared_keys.retain(|key| key.node < nodes);
    scenario.adversaries.retain(|adversary| adversary.node < nodes);
}
