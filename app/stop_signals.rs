//! SIGINT, SIGTERM and SIGHUP: who hears them, and what counts as a second one.

use std::{
    io,
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

/// A signal that comes this soon after the first one repeats it: a terminal, `timeout` and
/// supervisors signal a process and its group.
const ECHO: Duration = Duration::from_millis(500);

/// Calls this for each SIGINT, SIGTERM and SIGHUP from here on, on a thread of its own. A signal
/// that is ignored now stays ignored, as `nohup` has it for SIGHUP.
///
/// # Errors
/// The system has no room for handlers, or gives no thread.
pub fn listen(mut receive: impl FnMut() + Send + 'static) -> io::Result<()> {
    let ignored = ignored_now();
    let heard = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| !is_in(ignored, *signal));
    let mut signals = Signals::new(heard)?;
    let run = move || signals.forever().for_each(|_| receive());
    thread::Builder::new().name("signals".into()).spawn(run).map(drop)
}

/// The request of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// To stop in order.
    Stop,
    /// Nothing new: it repeats the first signal.
    Echo,
    /// To stop at once.
    StopNow,
}

/// The signals that came.
#[derive(Debug, Default)]
pub struct Wishes(OnceLock<Instant>);

impl Wishes {
    /// Notes a signal that comes now.
    pub fn note(&self, now: Instant) -> Wish {
        if self.0.set(now).is_ok() {
            return Wish::Stop;
        }
        let since = self.0.get().map_or(Duration::ZERO, |first| now.duration_since(*first));
        if since < ECHO { Wish::Echo } else { Wish::StopNow }
    }
}

/// The signals that this process ignores, a bit each; none where the system does not say.
fn ignored_now() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignored_in(&status)
}

fn ignored_in(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

fn is_in(mask: u64, signal: i32) -> bool {
    u32::try_from(signal - 1).is_ok_and(|bit| mask.checked_shr(bit).unwrap_or(0) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_soon_after_the_first_repeats_it() {
        let (wishes, begin) = (Wishes::default(), Instant::now());
        assert_eq!(wishes.note(begin), Wish::Stop);
        assert_eq!(wishes.note(begin), Wish::Echo);
        assert_eq!(wishes.note(begin + Duration::from_millis(20)), Wish::Echo);
        assert_eq!(wishes.note(begin + ECHO), Wish::StopNow);
        assert_eq!(wishes.note(begin + 2 * ECHO), Wish::StopNow);
    }

    #[test]
    fn the_system_says_what_is_ignored() {
        let ignored =
            ignored_in("Name:\tquintet\nSigBlk:\t0\nSigIgn:\t0000000000001001\nSigCgt:\t0\n");
        assert!(is_in(ignored, SIGHUP));
        assert!(!is_in(ignored, SIGINT) && !is_in(ignored, SIGTERM));
        assert_eq!(ignored_in(""), 0);
    }
}
