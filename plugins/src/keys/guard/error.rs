//! Errors of the guard.

use std::path::PathBuf;

use quintet_components::{
    containers::{Root, Slot},
    storage::StorageError,
};

/// The reason the guard does not start, or did not do what was asked. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// Another process signs with this directory.
    #[error(
        "{}: another process{} signs with this directory, and two would reveal the keys; stop \
         it, or give this node a data directory and keys of its own",
        path.display(),
        if holder.is_empty() { String::new() } else { format!(" ({holder})") }
    )]
    Locked {
        /// The lock.
        path: PathBuf,
        /// The process that holds it, if it is known.
        holder: String,
    },
    /// A lock could not be made.
    #[error("{}: the lock cannot be made: {source}; make the folder writable", path.display())]
    Lock {
        /// The lock.
        path: PathBuf,
        /// The error.
        source: std::io::Error,
    },
    /// The mark could not be read or written.
    #[error(
        "{}: the mark of the signing record cannot be used: {reason}; {}",
        path.display(), mark_remedy(reason)
    )]
    Mark {
        /// The mark.
        path: PathBuf,
        /// The error.
        reason: String,
    },
    /// The path of the data directory or of the mark's folder cannot be resolved, or it cannot be
    /// written.
    #[error("{}: {source}; make the folder readable and writable", path.display())]
    Place {
        /// The path.
        path: PathBuf,
        /// The error.
        source: std::io::Error,
    },
    /// The mark would be inside the data directory.
    #[error(
        "{}: the mark of the signing record would be inside the data directory {}, and an older \
         copy of the directory that is restored would bring an older mark; --signing-mark-dir names \
         a folder outside of it",
        mark.display(), data_dir.display()
    )]
    MarkInside {
        /// The path of the mark.
        mark: PathBuf,
        /// The data directory.
        data_dir: PathBuf,
    },
    /// The data directory is a root directory.
    #[error(
        "{}: there is no place beside this data directory for the mark of its signing record; \
         --signing-mark-dir names a folder for it, or --data-dir a folder below",
        data_dir.display()
    )]
    NothingBeside {
        /// The data directory.
        data_dir: PathBuf,
    },
    /// The data directory has moved, but its mark has not.
    #[error(
        "the mark of the signing record in {} was {}, but is now expected at {}: the data \
         directory has moved, or the node's name or --signing-mark-dir has changed. {}",
        data_dir.display(), was.display(), mark.display(),
        if *is_there {
            "Move that file to the new place, or name its folder with --signing-mark-dir"
        } else {
            "That file is missing: copy it from where the data directory was, or name \
             its folder with --signing-mark-dir"
        }
    )]
    Moved {
        /// The data directory.
        data_dir: PathBuf,
        /// The last path of the mark.
        was: PathBuf,
        /// True if the mark is still there.
        is_there: bool,
        /// The path at which it is expected now.
        mark: PathBuf,
    },
    /// The mark belongs to another network.
    #[error(
        "{}: the mark belongs to the network of genesis {found}, not {expected}; give this node a \
         mark of its own, and keys that no other network has seen",
        path.display()
    )]
    OtherGenesis {
        /// The mark.
        path: PathBuf,
        /// This network's genesis.
        expected: Root,
        /// The genesis of the mark.
        found: Root,
    },
    /// Signatures are missing from the record.
    #[error(
        "{loss}. {}. If it is lost, and no other process signs with these keys, \
         --accept-signing-history-loss goes on, and never signs for a slot before {resumes_at}; a \
         signing history that was exported is added with `quintet keys import` first",
        loss.remedy()
    )]
    HistoryLoss {
        /// The kind of the loss.
        loss: HistoryLoss,
        /// The first slot that would be signed after accepting the loss.
        resumes_at: Slot,
    },
    /// The record failed.
    #[error("the signing record cannot be used: {0}; nothing is signed without it")]
    Record(#[from] StorageError),
}

/// Advice for a mark that cannot be used.
fn mark_remedy(reason: &str) -> &'static str {
    if reason.contains("Too many open files") {
        "raise the limit of open files (ulimit -n); the mark itself is as good as it was"
    } else if reason.contains("No space left") || reason.contains("quota") {
        "free space on that disk; the mark itself is as good as it was"
    } else {
        "make it readable and writable, choose another folder for it with --signing-mark-dir, or \
         restore it from the newest backup"
    }
}

impl HistoryLoss {
    /// Advice that brings the record and its mark together again.
    const fn remedy(&self) -> &'static str {
        match self {
            Self::MarkMissing { .. } => {
                "The data directory may be good: bring the mark back, from where it was moved to or \
                 from the newest backup"
            }
            _ => "Restore the newest data directory",
        }
    }
}

/// The way in which the guard found that signatures are missing from the record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistoryLoss {
    /// There is a mark, but no record.
    #[error(
        "the signing record is missing: {} says that these keys have signed{}",
        mark.display(),
        highest.map_or_else(String::new, |slot| format!(", up to slot {slot}"))
    )]
    RecordMissing {
        /// The mark.
        mark: PathBuf,
        /// The highest slot signed.
        highest: Option<Slot>,
    },
    /// The record is not the one that the mark belongs to.
    #[error(
        "the signing record is not the one that {} belongs to: the data directory comes from \
         another node, or from before a loss that was accepted",
        mark.display()
    )]
    OtherRecord {
        /// The mark.
        mark: PathBuf,
    },
    /// The record is older than the mark.
    #[error(
        "the signing record is older than what was signed: it has {found} batches, but {} \
         says {expected}; an older data directory was restored",
        mark.display()
    )]
    RecordBehind {
        /// The mark.
        mark: PathBuf,
        /// The record's generation.
        found: u64,
        /// The generation in the mark.
        expected: u64,
    },
    /// There is a record, but no mark.
    #[error(
        "{} is missing: it is kept outside the data directory and shows whether the signing record \
         is the newest one (--signing-mark-dir names another folder)",
        mark.display()
    )]
    MarkMissing {
        /// The expected path of the mark.
        mark: PathBuf,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_to_be_restored_only_if_it_is_bad() {
        let text = |reason: &str| {
            GuardError::Mark { path: "mark".into(), reason: reason.into() }.to_string()
        };
        let damaged = text("its checksum is wrong");
        assert!(damaged.contains("newest backup"), "{damaged}");
        let files = text("Too many open files (os error 24)");
        assert!(files.contains("ulimit -n") && !files.contains("backup"), "{files}");
        let full = text("No space left on device (os error 28)");
        assert!(full.contains("free space") && !full.contains("backup"), "{full}");
    }

    #[test]
    fn what_is_missing_is_what_has_to_come_back() {
        let text = |loss| GuardError::HistoryLoss { loss, resumes_at: 9 }.to_string();
        let mark = text(HistoryLoss::MarkMissing { mark: "mark".into() });
        assert!(mark.contains("bring the mark back") && !mark.contains("Restore"), "{mark}");
        let record = text(HistoryLoss::RecordMissing { mark: "mark".into(), highest: None });
        assert!(record.contains("Restore the newest data directory"), "{record}");
    }
}
