//! The `quintet` command.

#[cfg(all(feature = "heap-profile", target_os = "linux"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

mod cli;
mod commands;
mod logging;

use std::process::ExitCode;

use cli::{Cli, Command};

fn main() -> ExitCode {
    let Cli { log_level, log_format, mut command } = Cli::read();
    let (mut level, mut format) = (log_level, log_format);
    if let Command::Node(settings) = &mut command {
        if let Err(error) = commands::node::add_settings_file(settings) {
            eprintln!("the node does not start: {error}");
            return ExitCode::FAILURE;
        }
        level = level.or(settings.log_level.take());
        format = format.or(settings.log_format);
    }
    let level = level.as_deref().unwrap_or(match command {
        Command::Node(_) => "info",
        _ => "warn",
    });
    if let Err(error) = logging::init(level, format.unwrap_or_default()) {
        eprintln!("{}: {error}", cli::origin("log-level"));
        return ExitCode::FAILURE;
    }
    tracing::info!(packing = leansig::packing::active(), "field arithmetic");
    if leansig::packing::is_scalar() {
        tracing::warn!(
            "built without packed field arithmetic: signatures are verified several times slower; \
             build with -C target-cpu=native or x86-64-v3"
        );
    }
    match command {
        Command::Devnet(arguments) => commands::devnet::run(&arguments),
        Command::Genesis(arguments) => commands::genesis::run(&arguments),
        Command::Keys(command) => commands::keys::run(&command),
        Command::Node(settings) => commands::node::run(&settings),
    }
}
