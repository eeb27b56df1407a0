//! Checkpoint sync: a finalized state and block from other nodes' HTTP APIs to start from.
//!
//! # The contract
//!
//! - Sources are asked at the same time, each for `/lean/v0/states/finalized` and
//!   `/lean/v0/blocks/finalized`. One that fails does not stop the others; it is told.
//! - Every answer is checked before it is compared: the state against itself, the genesis and the
//!   clock, the block against the state, its proof against the validators. A source that finalizes another block between the two
//!   requests is asked again.
//! - The newest checkpoint is taken. Every other source has to be on its chain: a checkpoint of
//!   the same slot has to be the same one, an older one has to be in its history. Where two
//!   disagree nothing is taken, since nothing here can tell who is right.
//! - Sizes, times and redirects have limits ([`FetchOptions`]); an answer is never held beyond its
//!   limit, whatever its headers say.
//! - Errors name the URL, without user, password and query, and what to do.
//!
//! Nothing of this runs in a world: a node fetches before it is built.

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
