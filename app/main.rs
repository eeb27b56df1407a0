//! The `quintet` command.

// These macros wait for a stream and panic when it cannot be written. `output` does neither.
#![warn(clippy::print_stdout, clippy::print_stderr)]

#[cfg(all(feature = "heap-profile", target_os = "linux"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

mod cli;
mod commands;
mod logging;
mod output;

use std::{error::Error, io::Write, process::ExitCode};

use cli::{Cli, Command};
use output::OutputError;
use quintet::client::Signals;

fn main() -> ExitCode {
    let _started = match output::start() {
        Ok(started) => started,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "the log has no thread: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = match Cli::read() {
        Ok(cli) => run(cli).unwrap_or_else(|error| output::failure("", &*error)),
        Err(refusal) => refuse(&refusal),
    };
    output::end(code)
}

/// Shows the help that was asked for, or what is wrong with the command line.
fn refuse(refusal: &clap::Error) -> ExitCode {
    match refusal.print() {
        Err(error) if !refusal.use_stderr() => output::failure("", &OutputError::from(error)),
        _ => ExitCode::from(u8::try_from(refusal.exit_code()).unwrap_or(1)),
    }
}

fn run(cli: Cli) -> Result<ExitCode, Box<dyn Error>> {
    let Cli { log_level, log_format, mut command } = cli;
    let (mut level, mut format) = (log_level, log_format);
    if let Command::Node(settings) = &mut command {
        commands::node::add_settings_file(settings)
            .map_err(|error| format!("the node does not start: {error}"))?;
        level = level.or(settings.log_level.take());
        format = format.or(settings.log_format);
    }
    let level = level.as_deref().unwrap_or(match command {
        Command::Node(_) => "info",
        // Simulated nodes log faults that are intended.
        #[cfg(feature = "sim")]
        Command::Sim(_) => "off",
        _ => "warn",
    });
    // Before the first line of the log: a reader of that line may stop the node.
    let signals = match command {
        Command::Node(_) => Some(Signals::listen(output::settle)?),
        _ => None,
    };
    logging::init(level, format.unwrap_or_default())
        .map_err(|error| format!("{}: {error}", cli::origin("log-level")))?;
    tracing::info!(packing = leansig::packing::active(), "field arithmetic");
    if leansig::packing::is_scalar() {
        tracing::warn!(
            "built without packed field arithmetic: signatures are verified several times slower; \
             build with -C target-cpu=native or x86-64-v3"
        );
    }
    Ok(match command {
        #[cfg(feature = "devnet")]
        Command::Devnet(arguments) => commands::devnet::run(&arguments),
        Command::Genesis(arguments) => commands::genesis::run(&arguments),
        Command::Keys(command) => commands::keys::run(&command),
        Command::Node(settings) => {
            commands::node::run(&settings, &signals.expect("a node has them"))
        }
        Command::Prover(command) => commands::prover::run(&command),
        #[cfg(feature = "sim")]
        Command::Sim(arguments) => commands::sim::run(&arguments),
    })
}
