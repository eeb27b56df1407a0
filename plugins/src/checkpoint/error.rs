//! Why there is no checkpoint.

use std::fmt;

use quintet_components::checkpoint::CheckpointError;
use quintet_components::{
    containers::{Root, Slot},
    rejection::Rejection,
};

/// Why one source gives no checkpoint; each message names the URL and what to do.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The URL cannot be used.
    #[error("{given:?} cannot be asked for a checkpoint: {reason}")]
    Url {
        /// What was given, without secrets.
        given: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Nothing answers.
    #[error(
        "{url} cannot be reached: {reason}; check the address, and that the node there runs and \
         serves its API"
    )]
    Unreachable {
        /// What was asked for.
        url: String,
        /// What went wrong.
        reason: String,
    },
    /// It takes too long.
    #[error("{url} is too slow: {what}; try again later, or give another URL")]
    Slow {
        /// What was asked for.
        url: String,
        /// Which limit was met.
        what: String,
    },
    /// An answer other than 200.
    #[error("{url} answered with status {status}; {}", status_remedy(*status))]
    Status {
        /// What was asked for.
        url: String,
        /// The status.
        status: u16,
    },
    /// It is sent on and on, or from https to http.
    #[error("{url} redirects {reason}; give the URL that it should lead to")]
    Redirect {
        /// What was asked for.
        url: String,
        /// Where to.
        reason: &'static str,
    },
    /// The answer is text.
    #[error(
        "{url} answered with {content_type} and not with SSZ; give the base URL of a lean node's \
         API, or the full path of its finalized state"
    )]
    NotSsz {
        /// What was asked for.
        url: String,
        /// What it is instead.
        content_type: String,
    },
    /// The answer is larger than any that is one.
    #[error(
        "{url} answers with more than {limit} bytes, the most that is read; give the URL of \
         another node"
    )]
    TooLarge {
        /// What was asked for.
        url: String,
        /// The limit.
        limit: u64,
    },
    /// The answer ended early.
    #[error("{url} broke off: {reason}; try again, or give another URL")]
    BrokeOff {
        /// What was asked for.
        url: String,
        /// What went wrong.
        reason: String,
    },
    /// The answer is not what it should be.
    #[error(
        "{url} is no {what} of this release's fork ({reason}); give the URL of a node that runs \
         the same fork"
    )]
    Undecodable {
        /// What was asked for.
        url: String,
        /// `state` or `block`.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// It is another network's.
    #[error("{url} is of the wrong network: {error}; give the URL of a node of this network")]
    WrongNetwork {
        /// What was asked for.
        url: String,
        /// How that shows.
        error: CheckpointError,
    },
    /// State and block cannot be started from.
    #[error("{url} cannot be trusted: {error}; give the URL of another node")]
    Invalid {
        /// What was asked for.
        url: String,
        /// What is wrong.
        error: CheckpointError,
    },
    /// The block's proof proves nothing.
    #[error(
        "{url} gives a block that the network's validators have not signed: {error}; give the URL \
         of another node"
    )]
    Unproven {
        /// What was asked for.
        url: String,
        /// What is wrong.
        error: Rejection,
    },
    /// State and block were of different slots each time.
    #[error(
        "{url} gives a state and a block that do not belong together, {attempts} times ({error}); \
         try again, or give another URL"
    )]
    Unsettled {
        /// What was asked for.
        url: String,
        /// How often it was asked.
        attempts: u32,
        /// What was wrong the last time.
        error: CheckpointError,
    },
}

const fn status_remedy(status: u16) -> &'static str {
    match status {
        401 | 403 => "give the user, password or token that it asks for in the URL",
        404 => {
            "the node there does not serve this path: give the base URL of a lean node's API, or \
             the full path of its finalized state"
        }
        500..=599 => "the node there has nothing to give at the moment: try again later",
        _ => "give the URL of another node",
    }
}

/// Why no checkpoint is taken.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointSyncError {
    /// Every source failed.
    #[error("no checkpoint: {}", Lines(.0))]
    NoSource(Vec<SourceError>),
    /// More sources than are asked.
    #[error("{0} checkpoint URLs were given, and at most {most} are asked", most = super::MAX_SOURCES)]
    TooMany(usize),
    /// Two sources are on different chains.
    #[error(
        "the checkpoint sources disagree: at slot {slot} {one} has {one_root}, and {other} has \
         {other_root}. One of them is on another chain, or lies: find out which block this \
         network has finalized there, and leave the other URL out"
    )]
    Disagreement {
        /// The slot.
        slot: Slot,
        /// A source.
        one: String,
        /// The root that it gives.
        one_root: Root,
        /// Another source.
        other: String,
        /// The root that this one gives.
        other_root: Root,
    },
}

struct Lines<'a>(&'a [SourceError]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("no URL was given");
        }
        for (at, error) in self.0.iter().enumerate() {
            write!(f, "{}{error}", if at == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}
