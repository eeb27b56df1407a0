//! Networks in this process, each from one seed.
//!
//! `one` runs a single network and shows it on a `screen`, as a `table` where there is a terminal, or
//! as a `page`; `many` runs those of many seeds; `tell` puts into words what came of
//! them, and `narrative` how a shrunk one came to it.

mod many;
mod narrative;
mod one;
mod page;
mod screen;
#[cfg_attr(not(feature = "tui"), path = "no_table.rs")]
mod table;
mod tell;

use std::{error::Error, path::Path, process::ExitCode};

use quintet_plugins::{
    sim::{Report, Scenario, Simulation, draw},
    text::read_text,
};

use crate::{
    cli::SimArgs,
    output::{self, say},
};

type Failure = Box<dyn Error>;

/// The largest scenario that is read.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Simulates what is asked for. Fails when a rule is broken.
pub(crate) fn run(arguments: &SimArgs) -> ExitCode {
    match begin(arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => output::failure("the simulation failed: ", &*error),
    }
}

/// Returns true if no rule was broken.
fn begin(arguments: &SimArgs) -> Result<bool, Failure> {
    if arguments.seeds.is_some() || arguments.time.is_some() {
        return many::run(arguments);
    }
    let scenario = scenario(arguments)?;
    if arguments.toml {
        say!("{}", toml::to_string(&scenario)?.trim_end())?;
        return Ok(true);
    }
    one::run(arguments, scenario)
}

/// The scenario that the command line names.
fn scenario(arguments: &SimArgs) -> Result<Scenario, Failure> {
    Ok(match (&arguments.scenario, arguments.seed) {
        (Some(path), _) => read(path)?,
        (None, Some(seed)) => draw(seed, arguments.slots),
        (None, None) => Scenario { slots: arguments.slots, ..Scenario::default() },
    })
}

fn read(path: &Path) -> Result<Scenario, Failure> {
    let named = |reason: String| format!("{}: {reason}", path.display());
    let text = read_text(path, MAX_FILE_BYTES).map_err(|error| named(error.to_string()))?;
    let scenario: Scenario = toml::from_str(&text).map_err(|error| named(error.to_string()))?;
    scenario.check().map_err(|error| named(error.to_string()))?;
    Ok(scenario)
}

/// Runs a scenario, twice if that is asked for.
fn report(scenario: &Scenario, twice: bool) -> Result<Report, Failure> {
    let once = || Simulation::of(scenario.clone()).map(Simulation::run);
    let first = once()?;
    if twice && once()? != first {
        return Err(format!("two runs of seed {} differ", scenario.seed).into());
    }
    Ok(first)
}
