//! Errors of checkpoint sync.

use std::fmt;

use quintet_components::checkpoint::CheckpointError;
use quintet_components::{
    containers::{Root, Slot},
    rejection::Rejection,
};

/// The reason a source gives no checkpoint. Each message names the URL and says what to do.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The URL cannot be used.
    #[error("{given:?} cannot be asked for a checkpoint: {reason}")]
    Url {
        /// The given text, without secrets.
        given: String,
        /// The reason it cannot be used.
        reason: &'static str,
    },
    /// The source does not answer.
    #[error(
        "{url} cannot be reached: {reason}; check the address, and that the node there runs and \
         serves its API"
    )]
    Unreachable {
        /// The requested URL.
        url: String,
        /// The reason.
        reason: String,
    },
    /// The source is too slow.
    #[error("{url} is too slow: {what}; try again later, or give another URL")]
    Slow {
        /// The requested URL.
        url: String,
        /// The limit that was exceeded.
        what: String,
    },
    /// An answer other than 200.
    #[error("{url} answered with status {status}; {}", status_remedy(*status))]
    Status {
        /// The requested URL.
        url: String,
        /// The status.
        status: u16,
    },
    /// The source redirects too often, or from https to http.
    #[error("{url} redirects {reason}; give the URL that it should lead to")]
    Redirect {
        /// The requested URL.
        url: String,
        /// The target of the redirect.
        reason: &'static str,
    },
    /// The answer is a text.
    #[error(
        "{url} answered with {content_type} and not with SSZ; give the base URL of a lean node's \
         API, or the full path of its finalized state"
    )]
    NotSsz {
        /// The requested URL.
        url: String,
        /// The type of the answer.
        content_type: String,
    },
    /// The answer is longer than any valid one.
    #[error(
        "{url} answers with more than {limit} bytes, which is the limit; give the URL of \
         another node"
    )]
    TooLarge {
        /// The requested URL.
        url: String,
        /// The limit.
        limit: u64,
    },
    /// The answer ended early.
    #[error("{url} broke off: {reason}; try again, or give another URL")]
    BrokeOff {
        /// The requested URL.
        url: String,
        /// The reason.
        reason: String,
    },
    /// The answer cannot be decoded.
    #[error(
        "{url} is not a {what} of this release's fork ({reason}); give the URL of a node that runs \
         the same fork"
    )]
    Undecodable {
        /// The requested URL.
        url: String,
        /// `state` or `block`.
        what: &'static str,
        /// The reason.
        reason: String,
    },
    /// The state belongs to another network.
    #[error("{url} is of the wrong network: {error}; give the URL of a node of this network")]
    WrongNetwork {
        /// The requested URL.
        url: String,
        /// The difference.
        error: CheckpointError,
    },
    /// A node cannot start from the state and block.
    #[error("{url} cannot be trusted: {error}; give the URL of another node")]
    Invalid {
        /// The requested URL.
        url: String,
        /// The reason.
        error: CheckpointError,
    },
    /// The block's proof does not verify.
    #[error(
        "{url} gives a block that the network's validators have not signed: {error}; give the URL \
         of another node"
    )]
    Unproven {
        /// The requested URL.
        url: String,
        /// The reason.
        error: Rejection,
    },
    /// State and block were of different slots in every attempt.
    #[error(
        "{url} gives a state and a block that do not belong together, {attempts} times ({error}); \
         try again, or give another URL"
    )]
    Unsettled {
        /// The requested URL.
        url: String,
        /// The number of times that it was asked.
        attempts: u32,
        /// The error of the last attempt.
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
        500..=599 => "the node there cannot answer at the moment: try again later",
        _ => "give the URL of another node",
    }
}

/// The reason there is no checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointSyncError {
    /// Every source failed.
    #[error("no checkpoint: {}", Lines(.0))]
    NoSource(Vec<SourceError>),
    /// There are too many sources.
    #[error("{0} checkpoint URLs were given, and at most {most} are asked", most = super::MAX_SOURCES)]
    TooMany(usize),
    /// Two sources are on different chains.
    #[error(
        "the checkpoint sources disagree: at slot {slot} {one} has {one_root}, and {other} has \
         {other_root}. One of them is on another chain, or is dishonest: find out which block this \
         network has finalized there, and leave the other URL out"
    )]
    Disagreement {
        /// The slot.
        slot: Slot,
        /// A source.
        one: String,
        /// The root that it has.
        one_root: Root,
        /// Another source.
        other: String,
        /// The root that the other source has.
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
