//! The command line.

use clap::{Args, Parser, Subcommand};
use quintet_components::preset::SignaturePreset;

/// A Lean Ethereum consensus client.
#[derive(Debug, Parser)]
#[command(version = version(), about, propagate_version = true)]
pub(crate) struct Cli {
    /// What to log, to standard error: a level, or filters such as `quintet_systems=debug`.
    #[arg(long, env = "QUINTET_LOG_LEVEL", default_value = "warn", global = true)]
    pub(crate) log_level: String,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a network of nodes in this process and watch it finalize.
    Devnet(DevnetArgs),
}

/// How the devnet looks.
#[derive(Debug, Args)]
pub(crate) struct DevnetArgs {
    /// How many nodes. The first one aggregates.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) nodes: u16,
    /// How many validators each node has.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) validators_per_node: u16,
    /// Stop after this many slots, with exit code 0 only if every node finalized within 4 slots of
    /// the end. Without it the network runs until it is interrupted.
    #[arg(long)]
    pub(crate) slots: Option<u64>,
    /// The signature preset: `short`, `production` or `test`.
    #[arg(long, default_value_t = SignaturePreset::Short)]
    pub(crate) xmss: SignaturePreset,
}

/// The version, and which field arithmetic the build has.
fn version() -> String {
    format!("{} (packing: {})", env!("CARGO_PKG_VERSION"), leansig::packing::active())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn bad_values_are_refused_with_what_is_possible() {
        let error = Cli::try_parse_from(["quintet", "devnet", "--xmss", "full"])
            .expect_err("no such preset")
            .to_string();
        assert!(error.contains("production, short or test"), "{error}");
        assert!(Cli::try_parse_from(["quintet", "devnet", "--nodes", "0"]).is_err());
    }
}
