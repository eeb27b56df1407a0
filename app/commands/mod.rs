//! The subcommands.

mod capacity;
#[cfg(feature = "devnet")]
pub(crate) mod devnet;
pub(crate) mod genesis;
mod history;
#[cfg(all(feature = "tui", any(feature = "devnet", feature = "sim")))]
mod in_place;
pub(crate) mod keys;
pub(crate) mod node;
mod progress;
pub(crate) mod prover;
#[cfg(feature = "sim")]
pub(crate) mod sim;
