//! A process that is killed at random instants while it imports, prunes and signs, and is started
//! again on the same database each time.
//!
//! `KILLS` sets how often; `make test-crash` does it 200 times.

mod check;
mod node;

use std::{
    env,
    io::{BufRead, BufReader},
    path::Path,
    sync::mpsc,
    time::{Duration, Instant},
};

use crate::support::{child, temp_dir::TempDir};
use check::Acknowledged;
use rand::RngExt;

/// The number of kills in a usual run.
const KILLS: u32 = 5;
/// A restart with 10,000 blocks may take this long: the one bound on time that is a requirement.
const READY: Duration = Duration::from_secs(2);
/// The time that a process has for anything, on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn what_was_acknowledged_survives_every_kill() {
    if child::folder().is_some() {
        return;
    }
    let kills = env::var("KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(KILLS);
    let folder = TempDir::new();
    let [pruned, large] = ["pruned", "large"].map(|name| folder.path().join(name));
    node::fill(&large);
    let (mut short, mut long) = (Acknowledged::default(), Acknowledged::default());
    let mut restarts = Vec::new();
    for kill in 0..kills {
        if kill % 10 == 4 {
            // While the database is made.
            let path = folder.path().join(format!("new-{kill}"));
            let mut acknowledged = Acknowledged::default();
            run_and_kill(&path, &mut acknowledged, kill);
            acknowledged.check(&path);
            continue;
        }
        // One database prunes all the time, the other has 10,000 blocks.
        let (path, acknowledged) =
            if kill % 2 == 0 { (&pruned, &mut short) } else { (&large, &mut long) };
        let ready = run_and_kill(path, acknowledged, kill);
        if kill % 2 == 1 {
            restarts.extend(ready);
        }
        acknowledged.check(path);
    }
    restarts.sort_unstable();
    let median = restarts.get(restarts.len() / 2).copied().unwrap_or_default();
    let slowest = restarts.last().copied().unwrap_or_default();
    println!(
        "{kills} kills: {} blocks and {} signatures were acknowledged; a restart with {} \
         blocks took {} ms, the slowest {} ms",
        short.blocks.len() + long.blocks.len(),
        short.signatures.len() + long.signatures.len(),
        node::LARGE_BLOCKS,
        median.as_millis(),
        slowest.as_millis()
    );
    assert!(!short.signatures.is_empty() || kills < KILLS);
    // Few kills leave it too little time for that.
    let has_pruned = short.kept > 0 && short.kept < short.blocks.len() / 2;
    assert!(has_pruned || kills < 40, "{} of {} blocks", short.kept, short.blocks.len());
    // One may have to wait for the disk of a busy machine.
    assert!(median <= READY, "restarts took {restarts:?}");
}

/// Starts the process, lets it work for a random time and kills it. Returns how long it took to
/// be ready, if it was.
fn run_and_kill(path: &Path, acknowledged: &mut Acknowledged, kill: u32) -> Option<Duration> {
    let mut process = child::start("crash::child", path, None);
    let output = BufReader::new(process.stdout.take().expect("is piped"));
    let (sender, lines) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        // A line that the kill cut off was not said.
        for line in output.split(b'\n').map_while(Result::ok) {
            let Ok(line) = String::from_utf8(line) else { break };
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    // Some kills hit the start, most of them the work.
    let at_start = kill % 5 == 4;
    let instant = Duration::from_micros(rand::rng().random_range(0..200_000));
    let mut heard = Vec::new();
    if !at_start {
        let until = if kill.is_multiple_of(3) { "ready" } else { "head" };
        let deadline = Instant::now() + PATIENCE;
        while !heard.iter().any(|line: &String| line.starts_with(until)) {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = lines.recv_timeout(left);
            heard.push(line.unwrap_or_else(|error| panic!("{error}, it said {heard:#?}")));
        }
    }
    // The instant is what is random here; nothing depends on its length.
    std::thread::sleep(instant);
    assert!(process.try_wait().expect("it is ours").is_none(), "it ended by itself");
    process.kill().expect("it runs");
    process.wait().expect("it ends");
    reader.join().expect("it reads to the end");
    heard.extend(lines.try_iter());
    let mut ready = None;
    for line in &heard {
        ready = acknowledged.hear(line).or(ready);
    }
    ready
}

/// The process that is killed.
#[test]
fn child() {
    if let Some(path) = child::folder() {
        node::run(&path);
    }
}
