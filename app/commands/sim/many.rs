//! The networks of many seeds.

use std::{
    num::NonZero,
    ops::Range,
    sync::{
        atomic::{AtomicU64, Ordering},
        mpsc::{self, RecvTimeoutError, Sender},
    },
    time::{Duration, Instant},
};

use quintet_plugins::sim::{Report, Scenario, draw, shrink};

use super::{Failure, report, tell};
use crate::{
    cli::{Seeds, SimArgs},
    output::{say, tell as note},
};

/// From one line about how far it is to the next.
const TOLD: Duration = Duration::from_secs(10);
/// Scenarios that shrinking runs at most, for each seed.
const SHRINK_RUNS: usize = 200;

/// The result of a seed.
type Outcome = (Scenario, Result<Report, String>);

/// The seeds to run.
struct Plan {
    seeds: Range<u64>,
    next: AtomicU64,
    end: Option<Instant>,
    slots: u64,
    twice: bool,
}

impl Plan {
    /// Runs one seed after the other until there is none left, or the time is over.
    fn work(&self, outcomes: &Sender<Outcome>) {
        while self.end.is_none_or(|end| Instant::now() < end) {
            let seed = self.next.fetch_add(1, Ordering::Relaxed);
            if seed >= self.seeds.end {
                return;
            }
            let scenario = draw(seed, self.slots);
            let result = report(&scenario, self.twice).map_err(|error| error.to_string());
            if outcomes.send((scenario, result)).is_err() {
                return;
            }
        }
    }
}

/// Runs seeds until they are done, or the time is over. Returns true if no rule was broken.
pub(super) fn run(arguments: &SimArgs) -> Result<bool, Failure> {
    let Seeds(seeds) = arguments.seeds.clone().unwrap_or(Seeds(0..u64::MAX));
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let jobs = arguments.jobs.map_or(cores, usize::from);
    let began = Instant::now();
    let plan = Plan {
        next: AtomicU64::new(seeds.start),
        seeds,
        end: arguments.time.map(|time| began + time),
        slots: arguments.slots,
        twice: arguments.twice,
    };
    let mut progress = Progress { began, told: began, done: 0, failed: 0 };
    let (sender, outcomes) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            let (plan, sender) = (&plan, sender.clone());
            scope.spawn(move || plan.work(&sender));
        }
        drop(sender);
        loop {
            match outcomes.recv_timeout(TOLD / 10) {
                Ok(outcome) => progress.add(tell_outcome(arguments, &outcome)?),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok::<(), Failure>(()),
            }
            progress.tell(&plan);
        }
    })?;
    note!("{}", progress.line(&plan));
    Ok(progress.failed == 0)
}

/// Tells what came of a seed. Returns true if no rule was broken.
fn tell_outcome(arguments: &SimArgs, (scenario, result): &Outcome) -> Result<bool, Failure> {
    let report = match result {
        Ok(report) => report,
        Err(error) => {
            say!("seed {}: {error}", scenario.seed)?;
            return Ok(false);
        }
    };
    if arguments.json {
        say!("{}", tell::json(scenario, report)?)?;
    }
    let Some(violation) = &report.violation else { return Ok(true) };
    if !arguments.json {
        say!("seed {}: {}", scenario.seed, tell::violation(violation))?;
        if arguments.shrink
            && let Some(shrunk) = shrink(scenario, SHRINK_RUNS)
        {
            say!("{}", tell::shrunk(&shrunk)?)?;
        }
    }
    Ok(false)
}

/// The progress of the run.
struct Progress {
    began: Instant,
    told: Instant,
    done: u64,
    failed: u64,
}

impl Progress {
    const fn add(&mut self, is_good: bool) {
        self.done += 1;
        self.failed += !is_good as u64;
    }

    fn tell(&mut self, plan: &Plan) {
        if self.told.elapsed() >= TOLD {
            self.told = Instant::now();
            note!("{}", self.line(plan));
        }
    }

    fn line(&self, plan: &Plan) -> String {
        let elapsed = self.began.elapsed().as_secs_f64();
        let rate = self.done as f64 / elapsed.max(1e-3);
        let left = plan.seeds.end.saturating_sub(plan.seeds.start).saturating_sub(self.done);
        let until_end = plan.end.map(|end| end.saturating_duration_since(Instant::now()));
        let left = until_end.map_or(left as f64 / rate.max(1e-3), |left| left.as_secs_f64());
        format!(
            "{} networks, {} broke a rule, {rate:.2} a second, {left:.0} s left",
            self.done, self.failed
        )
    }
}
