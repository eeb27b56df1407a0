//! The subcommands.

pub(crate) mod devnet;
pub(crate) mod genesis;
pub(crate) mod keys;
pub(crate) mod node;
mod progress;
