//! The devnet's course: start, watch, pause, stop.

use std::{
    sync::PoisonError,
    time::{Duration, Instant},
};

use quintet_components::{
    clock::SlotClock,
    constants::{INTERVAL_DURATION_MS, INTERVALS_PER_SLOT},
    containers::Slot,
};
use quintet_plugins::WallClock;

use super::{
    Failure,
    folder::Devnet,
    log,
    process::NodeProcess,
    refusals,
    report::{self, Meter},
    screen::Screen,
    signals::Signals,
    status::NodeView,
    watch::Watch,
};
use crate::{cli::DevnetArgs, output::say};

/// Finality may be this far behind the last slot.
const FINALITY_LAG_SLOTS: u64 = 4;
/// Between two looks at processes, signals and the clock.
const TICK: Duration = Duration::from_millis(100);
/// Processes are stopped so long before the slot, so that they do nothing of it.
const PAUSE_AHEAD_MS: u64 = 150;
/// Nodes may take this long to stop; they end themselves after five seconds.
const GRACE: Duration = Duration::from_secs(7);

/// The end of a devnet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It had no end and was asked to stop.
    Stopped,
    /// It was asked to stop before its end.
    Interrupted,
    /// Every node finalized this slot, or a later one, in time.
    Finalized(Slot),
    /// One did not.
    Behind(String),
    /// One refused what another sent.
    Refused(String),
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
    let refused = match ended {
        Ok(_) if !signals.is_forced() => refusals::ask(devnet, &mut processes.0),
        _ => Vec::new(),
    };
    let stopped = processes.stop(signals);
    let ended = ended?;
    stopped?;
    let outcome = match ended {
        Ended::Asked if arguments.slots.is_some() => Outcome::Interrupted,
        Ended::Asked => Outcome::Stopped,
        Ended::Slots(end) => {
            if let Some(path) = &arguments.report {
                report::write(path, devnet, arguments, (end, &views, &meter))?;
            }
            verdict(end, &views)
        }
    };
    let outcome = with_refusals(outcome, &refused);
    if let (Outcome::Finalized(least), Ended::Slots(end)) = (&outcome, &ended) {
        say!("every node finalized slot {least} or later by the end of slot {end}")?;
    }
    Ok(outcome)
}

fn start(devnet: &Devnet, arguments: &DevnetArgs) -> Result<Vec<NodeProcess>, Failure> {
    let mut held = std::mem::take(&mut *devnet.held.lock().unwrap_or_else(PoisonError::into_inner));
    let level = arguments.node_log_level.as_deref().unwrap_or(match arguments.report {
        Some(_) => log::FILTER,
        None => "info",
    });
    let mut start = |node| {
        // Releases its ports as late as possible.
        held.drain(..1);
        NodeProcess::start(devnet, node, level, arguments)
    };
    devnet.nodes.iter().map(&mut start).collect()
}

/// The reason a devnet ended.
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
    let mut screen = Screen::new(devnet, arguments)?;
    loop {
        let now_ms = WallClock::default().now_ms();
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
        screen.show(now_ms, &clock, &watch.views())?;
        if slot.is_some() && arguments.report.is_some() {
            meter.look(processes);
        }
        if let Some(end) = arguments.slots
            && slot.is_some_and(|slot| slot > end)
        {
            return Ok(Ended::Slots(end));
        }
        let next_slot_ms = slot.map_or(genesis_ms, |slot| genesis_ms + (slot + 1) * slot_ms);
        let until_slot =
            Duration::from_millis(next_slot_ms.saturating_sub(WallClock::default().now_ms()));
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

/// Says if every node finalized in time.
fn verdict(end: Slot, views: &[NodeView]) -> Outcome {
    let finalized = |view: &NodeView| view.overview.finalized.slot;
    let behind: Vec<_> = views
        .iter()
        .filter(|view| finalized(view) + FINALITY_LAG_SLOTS < end)
        .map(|view| format!("{} finalized slot {}", view.name, finalized(view)))
        .collect();
    if behind.is_empty() {
        let least = views.iter().map(finalized).min().unwrap_or(0);
        return Outcome::Finalized(least);
    }
    Outcome::Behind(format!(
        "by the end of slot {end} a node is to finalize slot {}, but {}",
        end.saturating_sub(FINALITY_LAG_SLOTS),
        behind.join(", ")
    ))
}

/// A network whose nodes refuse one another's messages has not ended well.
fn with_refusals(outcome: Outcome, refused: &[String]) -> Outcome {
    match outcome {
        outcome if refused.is_empty() => outcome,
        Outcome::Interrupted => Outcome::Interrupted,
        Outcome::Behind(reason) => Outcome::Behind(format!("{reason}; {}", refused.join(", "))),
        _ => Outcome::Refused(refused.join(", ")),
    }
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
        assert_eq!(verdict(20, &[view("a", 16), view("b", 17)]), Outcome::Finalized(16));
        assert_eq!(verdict(3, &[view("a", 0)]), Outcome::Finalized(0));
        let Outcome::Behind(reason) = verdict(20, &[view("a", 16), view("b", 15)]) else {
            panic!("b is behind");
        };
        assert!(reason.contains("b finalized slot 15") && !reason.contains("a finalized"));
    }

    #[test]
    fn a_network_whose_nodes_refuse_each_other_has_not_ended_well() {
        let refused = ["a refused 1 SOURCE_AFTER_TARGET".to_owned()];
        for (outcome, expected) in [
            (Outcome::Finalized(7), Outcome::Refused(refused[0].clone())),
            (Outcome::Stopped, Outcome::Refused(refused[0].clone())),
            (Outcome::Interrupted, Outcome::Interrupted),
            (Outcome::Behind("b".into()), Outcome::Behind(format!("b; {}", refused[0]))),
        ] {
            assert_eq!(with_refusals(outcome.clone(), &[]), outcome);
            assert_eq!(with_refusals(outcome, &refused), expected);
        }
    }
}
