//! Prover processes.

use clap::{Subcommand, builder::NonEmptyStringValueParser};
use quintet_components::preset::SignaturePreset;

/// The commands of `quintet prover`.
#[derive(Debug, Subcommand)]
pub(crate) enum ProverCommand {
    /// Make and check proofs for the node at the other end of standard input and output, which starts
    /// this with `--proof-system "exec:quintet prover serve --system NAME"`.
    Serve {
        /// The proof system.
        #[arg(long, value_parser = NonEmptyStringValueParser::new(), value_name = "NAME")]
        system: String,
        /// Threads that proofs share; a core less than there are by default.
        #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024), value_name = "N")]
        threads: Option<u16>,
    },
    /// Start a prover's command and try all that a node expects of it.
    Check {
        /// The command, as after `exec:`.
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        command: String,
        /// The signature preset.
        #[arg(long, default_value = "test", value_name = "PRESET")]
        xmss: SignaturePreset,
        /// Signatures of the larger proofs.
        #[arg(
            long,
            default_value_t = 8,
            value_parser = clap::value_parser!(u16).range(4..=4096),
            value_name = "N"
        )]
        signatures: u16,
    },
}
