//! One node of an existing network.
//!
//! Settings come from flags, the environment and a file (`settings_file`); what they leave open
//! comes from the network's files (`files`). `start` makes a node of both, which goes on from its
//! database, from a checkpoint or from genesis (`anchor`).

mod anchor;
mod files;
mod genesis_time;
mod network;
mod settings_file;
mod signing;
mod start;

use std::{error::Error, process::ExitCode};

use bevy_app::AppExit;

pub(crate) use self::{
    files::{Files, preset},
    settings_file::add_settings_file,
    signing::guard_options,
    start::{data_dir, open_store},
};
use crate::{cli::NodeArgs, output, signals::NodeSignals};

pub(crate) type Failure = Box<dyn Error>;

/// Runs the node until it is asked to stop, or cannot go on. The last line of the log says which.
pub(crate) fn run(settings: &NodeArgs, signals: &NodeSignals) -> ExitCode {
    let exit = match start::start(settings, signals) {
        // The app ends with the call, and with it the node's threads.
        Ok(mut app) => app.run(),
        Err(error) => return output::failure("the node does not start: ", &*error),
    };
    match exit {
        AppExit::Success => {
            tracing::info!("the node has stopped, as it was asked to");
            ExitCode::SUCCESS
        }
        AppExit::Error(code) => {
            tracing::error!("the node has ended because of the error above");
            ExitCode::from(code.get())
        }
    }
}
