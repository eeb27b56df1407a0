//! The `quintet` command.

mod cli;
mod commands;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    tracing_subscriber::fmt().with_env_filter(&cli.log_level).with_writer(std::io::stderr).init();
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
    }
}
