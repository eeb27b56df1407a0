//! One node of an existing network.
//!
//! Settings come from flags, the environment and a file (`settings_file`). A [`Client`] is made of
//! them.

mod settings;
mod settings_file;

use std::{error::Error, io::IsTerminal, path::PathBuf, process::ExitCode};

use bevy_app::{App, AppExit};
use quintet::client::{Client, ClientError, Signals};
use quintet_plugins::{
    StopHandle, WallClock,
    keys::{LoadProgress, MakeProgress},
};

pub(crate) use self::{settings::client_settings, settings_file::add_settings_file};
use super::progress::ProgressLine;
use crate::{
    cli::{NodeArgs, origin},
    output,
};

pub(crate) type Failure = Box<dyn Error>;

/// Runs the node until it is asked to stop, or cannot go on. The last line of the log says which.
pub(crate) fn run(arguments: &NodeArgs, signals: &Signals) -> ExitCode {
    let exit = match start(arguments, signals) {
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

/// A node that is ready to run and stops on a signal.
fn start(arguments: &NodeArgs, signals: &Signals) -> Result<App, Failure> {
    if let Some(parent) = arguments.end_with_parent {
        end_with(parent)?;
    }
    let mut client = Client::from_settings(client_settings(arguments)?);
    if let Some(file) = arguments.clock_offset_file.clone() {
        client = client.clock(stepping_clock(file));
    }
    // In a file, the progress would be lines between those of the log.
    if std::io::stderr().is_terminal() {
        let line = ProgressLine::new();
        client = client.on_key_loaded(move |progress| show(&line, progress));
    }
    #[cfg_attr(not(feature = "driver"), expect(unused_mut, reason = "nothing is added"))]
    let mut app = client.build().map_err(named)?;
    #[cfg(feature = "driver")]
    add_test_driver(&mut app);
    signals.stop(app.world().resource::<StopHandle>().clone());
    Ok(app)
}

/// Serves the test driver when the environment asks for it.
#[cfg(feature = "driver")]
fn add_test_driver(app: &mut App) {
    /// Harnesses set it to `1` to run vectors in the node.
    const VARIABLE: &str = "HIVE_LEAN_TEST_DRIVER";
    if std::env::var_os(VARIABLE).is_some_and(|value| value == "1") {
        tracing::warn!("{VARIABLE}=1: the test driver is served beside the API");
        let preset = *app.world().resource::<quintet_components::preset::SignaturePreset>();
        app.add_plugins(quintet_plugins::driver::TestDriverPlugin { preset });
    }
}

/// The error, with the flag, the variable or the key of the file that a wrong value comes from.
pub(crate) fn named(error: ClientError) -> Failure {
    match error {
        ClientError::Setting { setting, reason } => format!("{}: {reason}", origin(setting)).into(),
        error => error.into(),
    }
}

/// Shows how many keys are loaded. Reading a file is one step.
fn show(line: &ProgressLine, LoadProgress { done, total }: LoadProgress) {
    let of = |count| u64::try_from(count).unwrap_or(u64::MAX);
    let (keys_done, keys) = (of(done), of(total));
    line.show(MakeProgress { keys_done, keys, cached: 0, slots_done: 0, slots: 1 });
}

/// The system's clock, and the milliseconds that the file has now; none while it cannot be read.
fn stepping_clock(file: PathBuf) -> WallClock {
    let system = WallClock::default();
    WallClock::new(move || {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        system.now_ms().saturating_add_signed(text.trim().parse().unwrap_or(0))
    })
}

/// Has this process killed when the one that started it ends, however it does: also while it is
/// stopped, when it could not end itself.
fn end_with(parent: i32) -> Result<(), Failure> {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

        set_parent_process_death_signal(Some(Signal::KILL))?;
        if getppid() != Pid::from_raw(parent) {
            return Err("the process that started the node has ended".into());
        }
    }
    Ok(())
}
