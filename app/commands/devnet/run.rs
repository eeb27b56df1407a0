//! The devnet's course: start, watch, pause, stop.

use std::{
    io::IsTerminal,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use quintet_components::{
    clock::SlotClock,
    constants::{INTERVAL_DURATION_MS, INTERVALS_PER_SLOT},
    containers::Slot,
};

use super::{
    Failure,
    folder::Devnet,
    lines, log,
    process::NodeProcess,
    report::{self, Meter},
    status::{self, Condition, NodeView},
    table::{LiveTable, Picture},
};
use crate::cli::DevnetArgs;

/// How far behind the last slot finality may be.
const FINALITY_LAG_SLOTS: u64 = 4;
/// Between two looks at processes, signals and the clock.
const TICK: Duration = Duration::from_millis(100);
/// Nodes are asked so long after the start of each interval.
const ASK_AFTER_MS: u64 = 400;
/// Processes are stopped so long before the slot, so that they do nothing of it.
const PAUSE_AHEAD_MS: u64 = 150;
/// How long nodes may take to stop; they promise three seconds.
const GRACE: Duration = Duration::from_secs(5);

/// How a devnet ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It had no end and was asked to stop.
    Stopped,
    /// It was asked to stop before its end.
    Interrupted,
    /// Every node finalized in time.
    Finalized,
    /// One did not.
    Behind(String),
}

/// What the user asked for with signals.
#[derive(Debug, Default)]
pub(super) struct Signals {
    asked: AtomicBool,
    forced: AtomicBool,
}

impl Signals {
    /// Notes a signal: the first asks to stop, the second to do so at once.
    pub(super) fn receive(&self) {
        if self.asked.swap(true, Ordering::AcqRel) {
            self.forced.store(true, Ordering::Release);
        }
    }

    /// Set by the first signal.
    pub(super) fn asked(&self) -> &AtomicBool {
        &self.asked
    }

    fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Acquire)
    }

    fn is_forced(&self) -> bool {
        self.forced.load(Ordering::Acquire)
    }
}

/// Starts the nodes and watches them until the end or a signal.
pub(super) fn run(
    devnet: &Devnet,
    arguments: &DevnetArgs,
    signals: &Signals,
) -> Result<Outcome, Failure> {
    let mut processes = Processes(start(devnet, arguments)?);
    let watch = Watch::start(devnet);
    let mut meter = Meter::default();
    let ended = course(devnet, arguments, signals, (&mut processes.0, &watch, &mut meter));
    let views = watch.end();
    let stopped = processes.stop(signals);
    let ended = ended?;
    stopped?;
    let Ended::Slots(end) = ended else {
        let has_end = arguments.slots.is_some();
        return Ok(if has_end { Outcome::Interrupted } else { Outcome::Stopped });
    };
    if let Some(path) = &arguments.report {
        report::write(path, devnet, arguments, (end, &views, &meter))?;
    }
    Ok(verdict(end, &views))
}

fn start(devnet: &Devnet, arguments: &DevnetArgs) -> Result<Vec<NodeProcess>, Failure> {
    let mut held = std::mem::take(&mut *devnet.held.lock().unwrap_or_else(PoisonError::into_inner));
    let level = arguments.node_log_level.as_deref().unwrap_or(match arguments.report {
        Some(_) => log::FILTER,
        None => "info",
    });
    let mut start = |node| {
        // Its ports are free from here on, for as short as can be.
        held.drain(..1);
        NodeProcess::start(devnet, node, level)
    };
    devnet.nodes.iter().map(&mut start).collect()
}

/// Why a devnet's course ended.
enum Ended {
    Asked,
    Slots(Slot),
}

fn course(
    devnet: &Devnet,
    arguments: &DevnetArgs,
    signals: &Signals,
    (processes, watch, meter): (&mut [NodeProcess], &Watch, &mut Meter),
) -> Result<Ended, Failure> {
    let clock = SlotClock::new(devnet.genesis_time);
    let slot_ms = INTERVALS_PER_SLOT * INTERVAL_DURATION_MS;
    let genesis_ms = clock.interval_start_ms(0);
    let mut screen = Screen::new(devnet, arguments);
    loop {
        let now_ms = unix_now_ms();
        if signals.is_asked() {
            return Ok(Ended::Asked);
        }
        for process in &mut *processes {
            if let Some(status) = process.ended() {
                screen.end();
                return Err(format!(
                    "{} has ended ({status}); the end of {}",
                    process.name,
                    process.last_lines()
                )
                .into());
            }
        }
        let slot = (now_ms >= genesis_ms).then(|| clock.current_slot(now_ms));
        let pause_ms = now_ms + PAUSE_AHEAD_MS;
        let paused = (pause_ms >= genesis_ms).then(|| clock.current_slot(pause_ms));
        pause(arguments, paused, processes, watch)?;
        screen.show(now_ms, &clock, &watch.views());
        if slot.is_some() && arguments.report.is_some() {
            meter.look(processes);
        }
        if let Some(end) = arguments.slots
            && slot.is_some_and(|slot| slot > end)
        {
            return Ok(Ended::Slots(end));
        }
        let next_slot_ms = slot.map_or(genesis_ms, |slot| genesis_ms + (slot + 1) * slot_ms);
        let until_slot = Duration::from_millis(next_slot_ms.saturating_sub(unix_now_ms()));
        std::thread::sleep(until_slot.clamp(Duration::from_millis(1), TICK));
    }
}

/// Stops and continues processes as the slot wants it.
fn pause(
    arguments: &DevnetArgs,
    slot: Option<Slot>,
    processes: &mut [NodeProcess],
    watch: &Watch,
) -> Result<(), Failure> {
    for (node, process) in (0..).zip(processes) {
        let paused =
            slot.is_some_and(|slot| arguments.pause.iter().any(|pause| pause.covers(node, slot)));
        if process.is_paused() != paused {
            watch.set_paused(node.into(), paused);
            process.set_paused(paused)?;
        }
    }
    Ok(())
}

/// Whether every node finalized in time.
fn verdict(end: Slot, views: &[NodeView]) -> Outcome {
    let finalized = |view: &NodeView| view.overview.finalized.slot;
    let behind: Vec<_> = views
        .iter()
        .filter(|view| finalized(view) + FINALITY_LAG_SLOTS < end)
        .map(|view| format!("{} finalized slot {}", view.name, finalized(view)))
        .collect();
    if behind.is_empty() {
        let least = views.iter().map(finalized).min().unwrap_or(0);
        println!("every node finalized slot {least} or later by the end of slot {end}");
        return Outcome::Finalized;
    }
    Outcome::Behind(format!(
        "by the end of slot {end} a node is to finalize slot {}, but {}",
        end.saturating_sub(FINALITY_LAG_SLOTS),
        behind.join(", ")
    ))
}

/// The nodes' processes; they end with it.
struct Processes(Vec<NodeProcess>);

impl Processes {
    /// Asks all to stop, and ends those that do not.
    fn stop(&mut self, signals: &Signals) -> Result<(), Failure> {
        self.0.iter_mut().for_each(NodeProcess::stop);
        let begin = Instant::now();
        let mut running: Vec<_> = self.0.iter_mut().collect();
        let mut failed = Vec::new();
        while !running.is_empty() && begin.elapsed() < GRACE && !signals.is_forced() {
            running.retain_mut(|process| match process.ended() {
                None => true,
                Some(status) => {
                    if !status.success() {
                        failed.push(format!("{} ended with {status}", process.name));
                    }
                    false
                }
            });
            std::thread::sleep(Duration::from_millis(20));
        }
        for process in running {
            process.kill();
            failed.push(format!("{} did not stop and was killed", process.name));
        }
        if failed.is_empty() || signals.is_forced() {
            Ok(())
        } else {
            Err(failed.join(", ").into())
        }
    }
}

/// Asks the nodes in a thread of its own: one that does not answer holds up nothing.
struct Watch {
    shared: Arc<Watched>,
    thread: JoinHandle<()>,
}

struct Watched {
    views: Mutex<Vec<NodeView>>,
    ended: AtomicBool,
}

impl Watched {
    fn with<T>(&self, look: impl FnOnce(&mut Vec<NodeView>) -> T) -> T {
        look(&mut self.views.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Watch {
    fn start(devnet: &Devnet) -> Self {
        let names = devnet.nodes.iter().map(|node| NodeView::new(&node.name));
        let shared =
            Arc::new(Watched { views: Mutex::new(names.collect()), ended: AtomicBool::new(false) });
        let addresses: Vec<SocketAddr> =
            devnet.nodes.iter().map(|node| (devnet.ip, node.api_port).into()).collect();
        let (watched, genesis_ms) = (Arc::clone(&shared), devnet.genesis_time * 1000);
        let thread = std::thread::spawn(move || {
            while !watched.ended.load(Ordering::Acquire) {
                std::thread::park_timeout(until_next_ask(genesis_ms, unix_now_ms()));
                for (at, address) in addresses.iter().enumerate() {
                    if watched.with(|views| views[at].condition) == Condition::Paused {
                        continue;
                    }
                    let answer = status::ask(*address);
                    watched.with(|views| {
                        // Stopped meanwhile, it could not answer.
                        if views[at].condition != Condition::Paused {
                            views[at].take(answer);
                        }
                    });
                }
            }
        });
        Self { shared, thread }
    }

    fn views(&self) -> Vec<NodeView> {
        self.shared.with(|views| views.clone())
    }

    fn set_paused(&self, node: usize, paused: bool) {
        let condition = if paused { Condition::Paused } else { Condition::Running };
        self.shared.with(|views| views[node].condition = condition);
    }

    /// Asks once more and ends.
    fn end(self) -> Vec<NodeView> {
        self.shared.ended.store(true, Ordering::Release);
        self.thread.thread().unpark();
        // A panic there is one in a test's mock.
        let _ = self.thread.join();
        self.shared.with(std::mem::take)
    }
}

/// Until shortly after the next interval's start.
fn until_next_ask(genesis_ms: u64, now_ms: u64) -> Duration {
    let offset = (genesis_ms + ASK_AFTER_MS) % INTERVAL_DURATION_MS;
    let since = (now_ms + INTERVAL_DURATION_MS - offset) % INTERVAL_DURATION_MS;
    Duration::from_millis(INTERVAL_DURATION_MS - since)
}

/// Where the network is shown.
struct Screen {
    title: String,
    table: Option<LiveTable>,
    foot: [String; 2],
    /// The slot that has been printed last, where there is no table.
    printed: Option<Slot>,
}

impl Screen {
    fn new(devnet: &Devnet, arguments: &DevnetArgs) -> Self {
        let title = format!(
            "quintet devnet: {} nodes, {} validators, preset {}",
            devnet.nodes.len(),
            devnet.nodes.iter().map(|node| node.validators.len()).sum::<usize>(),
            devnet.preset
        );
        let logs = format!("logs in {}", devnet.logs().display());
        let api = format!(
            "API of quintet_0 at http://{}:{}",
            devnet.ip,
            devnet.nodes.first().map_or(0, |node| node.api_port)
        );
        // Without a terminal's answers there is no table.
        let table = std::io::stdout()
            .is_terminal()
            .then(|| LiveTable::new(devnet.nodes.len()))
            .and_then(Result::ok);
        if table.is_none() {
            println!("{title}\n{logs}\n{api}\n{}", lines::head());
        }
        let end = match arguments.slots {
            Some(slots) => format!("ends after slot {slots}; Ctrl-C stops it now"),
            None => "Ctrl-C stops it".to_owned(),
        };
        Self { title, table, foot: [logs, format!("{api}; {end}")], printed: None }
    }

    fn show(&mut self, now_ms: u64, clock: &SlotClock, views: &[NodeView]) {
        let genesis_ms = clock.interval_start_ms(0);
        let count = clock.total_intervals(now_ms);
        let slot = count / INTERVALS_PER_SLOT;
        let Some(table) = &mut self.table else {
            if now_ms >= genesis_ms && slot > 0 && self.printed.is_none_or(|last| last + 1 < slot) {
                self.printed = Some(slot - 1);
                for view in views {
                    println!("{}", lines::line(slot - 1, view));
                }
            }
            return;
        };
        let clock = match genesis_ms.checked_sub(now_ms) {
            Some(until) if until > 0 => format!("slot 0 in {} s", until.div_ceil(1000)),
            _ => format!("slot {slot}, interval {}", count % INTERVALS_PER_SLOT),
        };
        let foot = self.foot.each_ref().map(String::as_str);
        let picture = Picture { title: &self.title, clock: &clock, nodes: views, foot };
        if table.draw(&picture).is_err() {
            // The terminal is gone; the network is not.
            self.table = None;
        }
    }

    /// Leaves the terminal as it was.
    fn end(&mut self) {
        self.table = None;
    }
}

fn unix_now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(name: &str, finalized: Slot) -> NodeView {
        let mut view = NodeView::new(name);
        view.overview.finalized.slot = finalized;
        view
    }

    #[test]
    fn every_node_has_to_finalize_within_four_slots_of_the_end() {
        assert_eq!(verdict(20, &[view("a", 16), view("b", 17)]), Outcome::Finalized);
        assert_eq!(verdict(3, &[view("a", 0)]), Outcome::Finalized);
        let Outcome::Behind(reason) = verdict(20, &[view("a", 16), view("b", 15)]) else {
            panic!("b is behind");
        };
        assert!(reason.contains("b finalized slot 15") && !reason.contains("a finalized"));
    }

    #[test]
    fn nodes_are_asked_in_the_middle_of_an_interval() {
        let genesis_ms = 1_000_500;
        for (now_ms, wait) in [(999_000, 300), (1_000_500, 400), (1_000_900, 800), (1_001_000, 700)]
        {
            assert_eq!(until_next_ask(genesis_ms, now_ms), Duration::from_millis(wait), "{now_ms}");
        }
    }
}
