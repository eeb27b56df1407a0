//! The subcommands.

pub(crate) mod devnet;
