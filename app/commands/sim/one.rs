//! A single network.

use std::time::{Duration, Instant};

use quintet_plugins::sim::{NodeReport, Scenario, Simulation, shrink};

use super::{Failure, page, report, tell};
use crate::{
    cli::SimArgs,
    output::{say, tell as note},
};

/// Scenarios that shrinking runs at most.
const SHRINK_RUNS: usize = 400;
/// Slots from one line to the next.
const LINE_SLOTS: u64 = 10;

/// Runs a scenario and shows what comes of it.
pub(super) fn run(arguments: &SimArgs, scenario: Scenario) -> Result<bool, Failure> {
    let began = Instant::now();
    let result = if let Some(path) = &arguments.trace {
        let trace = Simulation::of(scenario.clone())?.run_traced();
        page::write(path, &trace)?;
        trace.report
    } else if arguments.json || arguments.twice {
        report(&scenario, arguments.twice)?
    } else {
        say!("{}", tell::title(&scenario))?;
        let mut shown = Ok(());
        let simulation = Simulation::of(scenario.clone())?;
        let result = simulation.run_with(|slot, nodes| {
            if slot.is_multiple_of(LINE_SLOTS) && shown.is_ok() {
                shown = line(slot, nodes, began.elapsed());
            }
        });
        shown?;
        result
    };
    if arguments.json {
        say!("{}", tell::json(&scenario, &result)?)?;
    } else {
        say!("{}", tell::summary(&result, began.elapsed()))?;
    }
    if result.violation.is_some() && arguments.shrink {
        note!("shrinking, by at most {SHRINK_RUNS} runs");
        if let Some(shrunk) = shrink(&scenario, SHRINK_RUNS) {
            say!("{}", tell::shrunk(&shrunk)?)?;
        }
    }
    Ok(result.violation.is_none())
}

fn line(slot: u64, nodes: &[NodeReport], elapsed: Duration) -> Result<(), Failure> {
    let places = nodes.iter().map(|node| {
        if node.is_up {
            format!("{}/{}/{}", node.head.slot, node.justified.slot, node.finalized.slot)
        } else {
            "down".to_owned()
        }
    });
    let places: Vec<_> = places.collect();
    say!("slot {slot:>4}  {}  ({:.1} s)", places.join("  "), elapsed.as_secs_f64())?;
    Ok(())
}
