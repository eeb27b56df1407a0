//! The `quintet` command.

mod cli;
mod commands;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let log_level = cli.log_level.as_deref().unwrap_or(cli.command.log_level());
    tracing_subscriber::fmt().with_env_filter(log_level).with_writer(std::io::stderr).init();
    tracing::info!(packing = leansig::packing::active(), "field arithmetic");
    if leansig::packing::is_scalar() {
        tracing::warn!(
            "built without packed field arithmetic: signatures are verified several times slower; \
             build with -C target-cpu=native or x86-64-v3"
        );
    }
    match cli.command {
        cli::Command::Devnet(arguments) => commands::devnet::run(&arguments),
        cli::Command::Genesis(arguments) => commands::genesis::run(&arguments),
        cli::Command::Keys(command) => commands::keys::run(&command),
        cli::Command::Node(arguments) => commands::node::run(&arguments),
    }
}
