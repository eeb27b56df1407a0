//! A network of node processes on this machine.
//!
//! `folder` makes the network's folder on ports that `ports` found; `process` is a node; `watch`
//! asks all of them for their `status`; `screen` shows it as a `table` or as `lines`; `log` and
//! `usage` are what a `report` is made of; `refusals` asks what nodes refused of one another; `run`
//! holds it together, until `signals` end it.

mod folder;
mod lines;
mod log;
mod ports;
mod process;
mod refusals;
mod report;
mod run;
mod screen;
mod signals;
mod status;
#[cfg_attr(not(feature = "tui"), path = "no_table.rs")]
mod table;
mod usage;
mod watch;

use std::{error::Error, process::ExitCode, sync::Arc};

use quintet::stop_signals;

use self::{run::Outcome, signals::Signals};
use crate::{
    cli::DevnetArgs,
    logging,
    output::{self, tell},
};

type Failure = Box<dyn Error>;

/// Runs the network until it has ended or is asked to stop.
pub(crate) fn run(arguments: &DevnetArgs) -> ExitCode {
    match begin(arguments) {
        Ok(Outcome::Stopped | Outcome::Finalized(_)) => ExitCode::SUCCESS,
        Ok(Outcome::Interrupted) => ExitCode::from(130),
        Ok(Outcome::Behind(reason) | Outcome::Refused(reason)) => {
            tell!("the devnet failed: {reason}");
            ExitCode::FAILURE
        }
        Err(error) => output::failure("the devnet failed: ", &*error),
    }
}

fn begin(arguments: &DevnetArgs) -> Result<Outcome, Failure> {
    if let Some(pause) = arguments.pause.iter().find(|pause| pause.node >= arguments.nodes) {
        return Err(format!("--pause: there is no node {}", pause.node).into());
    }
    if let Some(filter) = &arguments.node_log_level {
        logging::check(filter).map_err(|error| format!("--node-log-level: {error}"))?;
    }
    // A stopped terminal or a slow reader must not delay pauses or the end.
    output::queue_stdout()?;
    let signals = Arc::new(Signals::default());
    let handler = Arc::clone(&signals);
    stop_signals::listen(move || handler.receive())?;
    let devnet = folder::make(arguments, &signals)?;
    run::run(&devnet, arguments, &signals)
}
