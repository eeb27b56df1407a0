//! The devnet.

use clap::Args;
use quintet_components::preset::SignaturePreset;

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
