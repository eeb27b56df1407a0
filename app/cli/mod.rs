//! The command line.

#[cfg(feature = "devnet")]
mod devnet;
mod environment;
mod keys;
mod node;
mod prover;
#[cfg(feature = "sim")]
mod sim;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

#[cfg(feature = "devnet")]
pub(crate) use self::devnet::{DevnetArgs, Pause};
#[cfg(feature = "sim")]
pub(crate) use self::sim::{Seeds, SimArgs};
pub(crate) use self::{
    environment::origin,
    keys::{GenerateArgs, GenesisArgs, HistoryArgs, KeysCommand},
    node::NodeArgs,
    prover::ProverCommand,
};
use crate::logging::LogFormat;

/// A Lean Ethereum consensus client.
#[derive(Debug, Parser)]
#[command(version = version(), about, propagate_version = true)]
pub(crate) struct Cli {
    /// A filter for the log: a level, or levels per module such as `quintet_systems=debug`.
    /// `info` for a node and `warn` for the rest by default.
    #[arg(long, env = "QUINTET_LOG_LEVEL", global = true, value_name = "FILTER")]
    pub(crate) log_level: Option<String>,
    /// The format of the log; `text` by default.
    #[arg(long, env = "QUINTET_LOG_FORMAT", global = true)]
    pub(crate) log_format: Option<LogFormat>,
    /// The command.
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// The command line of this process. A call for help is an error, too: its text is what to show.
    pub(crate) fn read() -> Result<Self, clap::Error> {
        let mut command = environment::without_empty(<Self as CommandFactory>::command());
        let parsed = command.try_get_matches_from_mut(std::env::args_os());
        parsed
            .and_then(|mut matches| Self::from_arg_matches_mut(&mut matches))
            .map_err(|error| environment::named(error, command))
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a network of nodes on this machine and watch it finalize.
    #[cfg(feature = "devnet")]
    Devnet(DevnetArgs),
    /// Write the folder of a new network: genesis, nodes and keys.
    Genesis(GenesisArgs),
    /// Make validators' keys, and look at them.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Run a node of an existing network.
    Node(Box<NodeArgs>),
    /// Make proofs in a process of its own, and try such processes.
    #[command(subcommand)]
    Prover(ProverCommand),
    /// Simulate whole networks, each from one seed.
    #[cfg(feature = "sim")]
    Sim(SimArgs),
}

/// The version, and which field arithmetic the build has.
fn version() -> String {
    format!("{} (packing: {})", env!("CARGO_PKG_VERSION"), leansig::packing::active())
}

#[cfg(test)]
mod tests {
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
