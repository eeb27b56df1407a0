//! The progress of making keys: one line that is drawn again in a terminal, plain lines elsewhere.

use std::{
    io::IsTerminal,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use quintet_plugins::keys::MakeProgress;

use crate::output;

/// Between two drawings in a terminal.
const REDRAW: Duration = Duration::from_millis(100);
/// Between two lines elsewhere.
const PLAIN: Duration = Duration::from_secs(10);
/// Characters of the bar.
const WIDTH: u64 = 24;

/// Shows progress on standard error.
pub(super) struct ProgressLine {
    terminal: bool,
    started: Instant,
    drawn: Mutex<Option<Instant>>,
}

impl ProgressLine {
    pub(super) fn new() -> Self {
        Self {
            terminal: std::io::stderr().is_terminal(),
            started: Instant::now(),
            drawn: Mutex::new(None),
        }
    }

    /// Shows how far keys are.
    pub(super) fn show(&self, progress: MakeProgress) {
        let now = Instant::now();
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        let pause = if self.terminal { REDRAW } else { PLAIN };
        let last = progress.keys_done == progress.keys;
        if !last && drawn.is_some_and(|drawn| now < drawn + pause) {
            return;
        }
        *drawn = Some(now);
        let line = line(progress, self.started.elapsed());
        let text = match (self.terminal, last) {
            (true, false) => format!("\r\x1b[K{line}"),
            (true, true) => format!("\r\x1b[K{line}\n"),
            (false, _) => format!("{line}\n"),
        };
        output::write_stderr(text.as_bytes());
        if last {
            // The next text on standard output stands below it.
            output::settle();
        }
    }
}

fn line(progress: MakeProgress, elapsed: Duration) -> String {
    let MakeProgress { keys_done, keys, cached, slots_done, slots } = progress;
    let work = |keys: u64| keys.saturating_mul(slots.max(1));
    let (done, total) = (work(keys_done) + slots_done, work(keys).max(1));
    let filled = (WIDTH * done / total).min(WIDTH);
    let bar: String = (0..WIDTH).map(|at| if at < filled { '#' } else { '.' }).collect();
    // Cached keys take no time, so they do not count for the estimate.
    let made = done.saturating_sub(work(cached));
    let left = match made {
        _ if done >= total => format!("{elapsed:.0?}"),
        0 => "…".to_owned(),
        made => {
            let left = elapsed.as_secs_f64() * (total - done) as f64 / made as f64;
            format!("{left:.0} s left")
        }
    };
    let cached = if cached == 0 { String::new() } else { format!(" ({cached} from the cache)") };
    format!("keys [{bar}] {keys_done}/{keys}{cached}, {left}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_counts_only_keys_that_were_made() {
        let progress = MakeProgress { keys_done: 4, keys: 8, cached: 2, slots_done: 0, slots: 100 };
        let text = line(progress, Duration::from_secs(10));
        assert_eq!(text, "keys [############............] 4/8 (2 from the cache), 20 s left");
    }

    #[test]
    fn a_plan_without_keys_is_done() {
        let progress = MakeProgress { keys_done: 0, keys: 0, cached: 0, slots_done: 0, slots: 0 };
        assert!(line(progress, Duration::ZERO).contains("0/0"));
    }
}
