//! Limits of the operating system.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The number of files that a node wants to have open at once, for storage and network.
const OPEN_FILES: u64 = 16_384;
/// Below this, storage or the network may run out of files.
const FEW_OPEN_FILES: u64 = 4_096;

/// Files that storage and the network may have open while HTTP has many.
const KEPT_FILES: u64 = 512;

/// Raises the limit of open files as far as this process may, and warns if that is not enough.
pub(crate) fn check() {
    if let Some(warning) = open_files_warning(raise()) {
        tracing::warn!("{warning}");
    }
}

/// Raises the limit of open files as far as this process may. Returns it; `None` for no limit.
fn raise() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    match raised(&limit, OPEN_FILES) {
        Some(raised) if setrlimit(Resource::Nofile, raised).is_ok() => raised.current,
        _ => limit.current,
    }
}

/// The number of connections that each of these listeners may have, at most `wanted`. Some
/// files are reserved, so that the chain and the signatures can still be stored.
pub(crate) fn connections(wanted: usize, listeners: usize) -> usize {
    share(raise(), wanted, listeners)
}

fn share(limit: Option<u64>, wanted: usize, listeners: usize) -> usize {
    let Some(limit) = limit else { return wanted };
    let free = limit.saturating_sub(KEPT_FILES).max(limit / 4);
    let each = usize::try_from(free).unwrap_or(usize::MAX) / listeners.max(1);
    wanted.min(each.max(1))
}

/// The text to add to an error when the system gives no thread or no file; empty if nothing is
/// known to help.
pub(crate) fn remedy(error: &io::Error) -> &'static str {
    let text = error.to_string();
    if text.contains("Too many open files") {
        "; raise the limit of open files (ulimit -n)"
    } else if error.kind() == io::ErrorKind::WouldBlock {
        // Without memory for its stack a thread is refused with the same error.
        "; raise the limit of processes (ulimit -u) and of memory (ulimit -v), or those of the \
         container"
    } else {
        ""
    }
}

/// The limit to request, if it is higher than the current one.
fn raised(limit: &Rlimit, wanted: u64) -> Option<Rlimit> {
    let current = limit.current?;
    let reachable = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    (current < reachable).then_some(Rlimit { current: Some(reachable), maximum: limit.maximum })
}

fn open_files_warning(current: Option<u64>) -> Option<String> {
    let current = current.filter(|current| *current < FEW_OPEN_FILES)?;
    Some(format!(
        "only {current} files may be open at once; raise it before the node starts: \
         ulimit -n {OPEN_FILES}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(current: u64, maximum: Option<u64>) -> Rlimit {
        Rlimit { current: Some(current), maximum }
    }

    #[test]
    fn the_limit_of_open_files_is_raised_as_far_as_it_may_and_never_lowered() {
        let asked = |limit: &Rlimit| raised(limit, 100).and_then(|raised| raised.current);
        assert_eq!(asked(&limit(10, Some(50))), Some(50));
        assert_eq!(asked(&limit(10, None)), Some(100));
        assert_eq!(asked(&limit(200, Some(500))), None);
        assert_eq!(asked(&limit(50, Some(50))), None);
    }

    #[test]
    fn connections_leave_files_for_storage_and_network() {
        assert_eq!(share(None, 2048, 2), 2048);
        assert_eq!(share(Some(16_384), 2048, 2), 2048);
        // All connections of both, and the files that are kept.
        assert_eq!(share(Some(1024), 2048, 2), 256);
        assert_eq!(share(Some(1024), 2048, 1), 512);
        assert_eq!(share(Some(1024), 10, 1), 10, "no more than are wanted");
        assert_eq!(share(Some(64), 2048, 2), 8);
        assert_eq!(share(Some(1), 2048, 2), 1);
    }

    #[test]
    fn a_lack_of_threads_or_files_names_the_limits_to_raise() {
        let thread = remedy(&io::Error::from(io::ErrorKind::WouldBlock));
        assert!(thread.contains("ulimit -u") && thread.contains("ulimit -v"), "{thread}");
        // EMFILE on Linux.
        assert!(remedy(&io::Error::from_raw_os_error(24)).contains("ulimit -n"));
        assert_eq!(remedy(&io::Error::from(io::ErrorKind::NotFound)), "");
    }

    #[test]
    fn a_warning_says_the_command_that_helps() {
        assert_eq!(open_files_warning(None), None);
        assert_eq!(open_files_warning(Some(FEW_OPEN_FILES)), None);
        assert!(
            open_files_warning(Some(1024)).is_some_and(|text| text.contains("ulimit -n 16384"))
        );
    }
}
