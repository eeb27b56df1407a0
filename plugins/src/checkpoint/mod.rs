//! Checkpoint sync: gets a finalized state and block from other nodes' HTTP APIs, to start from.
//!
//! # The contract
//!
//! - Sources are asked at the same time, each for `/lean/v0/states/finalized` and
//!   `/lean/v0/blocks/finalized`. If one fails, the others continue, and the failure is reported.
//! - Every answer is checked before it is compared: the state against itself, the genesis and the
//!   clock; the block against the state; its proof against the validators. A source that finalizes
//!   another block between the two requests is asked again.
//! - The newest checkpoint is used. Every other source has to be on its chain: a checkpoint of the
//!   same slot has to be the same, an older one has to be in its history. If two disagree, none is
//!   used, because the node cannot know which one is right.
//! - Sizes, times and redirects have limits ([`FetchOptions`]). An answer is never read beyond its
//!   limit, whatever its headers say.
//! - Errors name the URL, without user, password and query, and say what to do.
//!
//! This does not run in a world: a node fetches the checkpoint before it is built.

mod choice;
mod client;
mod compare;
mod error;
mod source;

pub use choice::{FRESH_SLOTS, LEAD_SLOTS, is_stale, is_worth_it};
pub use client::FetchOptions;
pub use compare::{CheckProof, FetchedCheckpoint, fetch_checkpoint};
pub use error::{CheckpointSyncError, SourceError};
pub use source::{CheckpointSource, MAX_SOURCES};
