//! A single network.

use std::time::Instant;

use quintet_plugins::sim::{Scenario, Simulation, shrink};

use super::{Failure, page, report, screen::Screen, tell};
use crate::{
    cli::SimArgs,
    output::{say, tell as note},
};

/// Scenarios that shrinking runs at most.
const SHRINK_RUNS: usize = 400;

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
        let mut screen = Screen::new(&scenario, began)?;
        let mut shown = Ok(());
        let simulation = Simulation::of(scenario.clone())?;
        let result = simulation.run_with(|slot, nodes| {
            if shown.is_ok() {
                shown = screen.show(slot, nodes);
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
