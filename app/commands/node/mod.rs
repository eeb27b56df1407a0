//! One node of an existing network.
//!
//! Settings come from flags, the environment and a file (`settings_file`); what they leave open
//! comes from the network's files (`files`). `start` makes a node of both, which goes on from its
//! database, from a checkpoint or from genesis (`anchor`).

mod anchor;
mod files;
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
use crate::cli::NodeArgs;

pub(crate) type Failure = Box<dyn Error>;

/// Runs the node until it is asked to stop.
pub(crate) fn run(settings: &NodeArgs) -> ExitCode {
    match start::start(settings) {
        Ok(mut app) => match app.run() {
            AppExit::Success => ExitCode::SUCCESS,
            AppExit::Error(code) => ExitCode::from(code.get()),
        },
        Err(error) => {
            eprintln!("the node does not start: {error}");
            ExitCode::FAILURE
        }
    }
}
