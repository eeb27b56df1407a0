//! The subcommands.

pub(crate) mod devnet;
pub(crate) mod genesis;
pub(crate) mod keys;
mod progress;
