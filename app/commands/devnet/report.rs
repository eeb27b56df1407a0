//! The report of a run: finality, missed slots, sessions, memory, processor, blocks.

use std::{
    collections::BTreeMap,
    fmt::Write,
    path::Path,
    time::{Duration, Instant},
};

use quintet::network_dir::{KEYS, PlannedNode};
use quintet_components::{
    clock::{SlotClock, first_interval},
    containers::Slot,
};

use super::{
    Failure,
    folder::Devnet,
    log::NodeLog,
    process::NodeProcess,
    status::NodeView,
    usage::{Usage, usage},
};
use crate::{
    cli::{DevnetArgs, Pause},
    output::say,
};

/// Slots after a pause that are measured apart: in them finality has to recover.
const RECOVERY_SLOTS: u64 = 6;
/// Between two looks at memory.
const SAMPLE: Duration = Duration::from_secs(4);

/// A node's first and last usage, and the most memory.
#[derive(Clone, Copy, Debug, Default)]
struct Used {
    first: Option<(Instant, Usage)>,
    last: Option<(Instant, Usage)>,
    most_bytes: u64,
}

impl Used {
    fn take(&mut self, now: Instant, usage: Usage) {
        self.first.get_or_insert((now, usage));
        self.last = Some((now, usage));
        self.most_bytes = self.most_bytes.max(usage.resident_bytes);
    }

    /// The part of one core that was used on average.
    fn core(&self) -> Option<f64> {
        let ((begin, first), (end, last)) = (self.first?, self.last?);
        let seconds = end.duration_since(begin).as_secs_f64();
        (seconds > 0.0).then(|| (last.cpu_seconds - first.cpu_seconds) / seconds)
    }
}

/// Looks at the nodes' processes from slot 0 on.
#[derive(Debug, Default)]
pub(super) struct Meter {
    used: Vec<Used>,
    looked: Option<Instant>,
}

impl Meter {
    /// Looks, unless it has just looked.
    pub(super) fn look(&mut self, processes: &[NodeProcess]) {
        let now = Instant::now();
        if self.looked.is_some_and(|looked| now < looked + SAMPLE) {
            return;
        }
        self.looked = Some(now);
        self.used.resize(processes.len(), Used::default());
        for (used, process) in self.used.iter_mut().zip(processes) {
            if let Some(usage) = usage(process.id()) {
                used.take(now, usage);
            }
        }
    }
}

/// Writes the report, and shows it.
pub(super) fn write(
    path: &Path,
    devnet: &Devnet,
    arguments: &DevnetArgs,
    (end, views, meter): (Slot, &[NodeView], &Meter),
) -> Result<(), Failure> {
    let read = |node: &PlannedNode| NodeLog::read(&devnet.log(&node.name));
    let logs = devnet.nodes.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let run = Run { devnet, arguments, end, views, meter, logs };
    let text = run.table();
    std::fs::write(path, &text).map_err(|error| format!("{}: {error}", path.display()))?;
    say!("{text}")?;
    Ok(())
}

struct Run<'a> {
    devnet: &'a Devnet,
    arguments: &'a DevnetArgs,
    end: Slot,
    views: &'a [NodeView],
    meter: &'a Meter,
    logs: Vec<NodeLog>,
}

impl Run<'_> {
    fn table(&self) -> String {
        let mut text = String::new();
        let mut row = |name: &str, value: String| {
            writeln!(text, "| {name} | {value} |").expect("a string takes everything");
        };
        row("measure", "value".to_owned());
        row("---", "---".to_owned());
        row("nodes, validators, slots", self.size());
        row("pauses", self.pauses());
        let (last, calm) = self.lags();
        row("finality lag at the end, in slots", last.to_string());
        row("finality lag in calm slots", spread(calm, ""));
        let (inside, outside) = self.missed_slots();
        row("slots without a block, in pauses", inside.to_string());
        row("slots without a block, outside", outside.to_string());
        let missed = self.logs.iter().filter_map(|log| Some(log.slots.last_key_value()?.1.missed));
        row("duties missed", list(missed));
        row("sessions", self.sessions());
        row("warnings and errors logged", list(self.logs.iter().map(|log| log.warnings)));
        row("block built", spread(self.built(), " ms"));
        row(
            "block published after its slot began, in calm slots",
            spread(self.published(true), " ms"),
        );
        row("the same in pauses and the six slots after", spread(self.published(false), " ms"));
        row("block seen by another node after that, in calm slots", spread(self.gossip(), " ms"));
        row("latest interval of a slot and node, in calm slots", spread(self.lateness(), " ms"));
        row("resident at the end", self.memory(|used| Some(used.last?.1.resident_bytes)));
        row("resident at most", self.memory(|used| Some(used.most_bytes)));
        row("key files of a node", self.key_files());
        row("part of one core on average", self.cores());
        text
    }

    fn size(&self) -> String {
        let validators: usize = self.devnet.nodes.iter().map(|node| node.validators.len()).sum();
        format!("{}, {validators} ({}), {}", self.devnet.nodes.len(), self.devnet.preset, self.end)
    }

    fn pauses(&self) -> String {
        let each = |pause: &Pause| {
            format!("quintet_{} in {}..{}", pause.node, pause.slot, pause.slot + pause.count)
        };
        let pauses: Vec<_> = self.arguments.pause.iter().map(each).collect();
        if pauses.is_empty() { "none".to_owned() } else { pauses.join(", ") }
    }

    /// Returns true if some node is stopped in the slot.
    fn is_paused(&self, slot: Slot) -> bool {
        self.arguments.pause.iter().any(|pause| pause.covers(pause.node, slot))
    }

    /// Returns true if no node is stopped in the slot or the six before it, in which the network
    /// recovers.
    fn is_calm(&self, slot: Slot) -> bool {
        (slot.saturating_sub(RECOVERY_SLOTS)..=slot).all(|slot| !self.is_paused(slot))
    }

    /// The largest lag of any node at the end, and every node's in each calm slot.
    fn lags(&self) -> (u64, Vec<f64>) {
        let lag =
            |slot: Slot, log: &NodeLog| Some(slot - log.slots.get(&slot)?.finalized.min(slot));
        let last = self.logs.iter().map(|log| lag(self.end, log).unwrap_or(self.end)).max();
        let calm = (4..=self.end)
            .filter(|slot| self.is_calm(*slot))
            .flat_map(|slot| self.logs.iter().filter_map(move |log| lag(slot, log)));
        (last.unwrap_or(self.end), calm.map(|lag| lag as f64).collect())
    }

    /// Slots in which no node had a block by their end, in pauses and outside.
    fn missed_slots(&self) -> (usize, usize) {
        let has_block = |slot: Slot| {
            self.logs.iter().any(|log| log.slots.get(&slot).is_some_and(|end| end.head == slot))
        };
        let missed: Vec<Slot> = (1..=self.end).filter(|slot| !has_block(*slot)).collect();
        let inside = missed.iter().filter(|slot| self.is_paused(**slot)).count();
        (inside, missed.len() - inside)
    }

    fn sessions(&self) -> String {
        let mut outcomes: BTreeMap<&str, u64> = BTreeMap::new();
        for (outcome, count) in self.views.iter().flat_map(|view| &view.outcomes) {
            *outcomes.entry(outcome).or_default() += count;
        }
        let all: u64 = outcomes.values().sum();
        if all == 0 {
            return "none".to_owned();
        }
        let parts = outcomes.iter().filter(|(_, count)| **count > 0).map(|(outcome, count)| {
            format!("{outcome} {count} ({:.1} %)", *count as f64 * 100.0 / all as f64)
        });
        format!("{all}: {}", parts.collect::<Vec<_>>().join(", "))
    }

    fn built(&self) -> Vec<f64> {
        self.logs.iter().flat_map(|log| log.built_ms.values().copied()).collect()
    }

    fn published(&self, is_calm: bool) -> Vec<f64> {
        let clock = SlotClock::new(self.devnet.genesis_time);
        let after =
            |(slot, at): (&Slot, &f64)| at - clock.interval_start_ms(first_interval(*slot)) as f64;
        let published = self.logs.iter().flat_map(|log| &log.published_ms);
        published.filter(|(slot, _)| self.is_calm(**slot) == is_calm).map(after).collect()
    }

    /// For each block of a calm slot and each other node, how long after it was published.
    fn gossip(&self) -> Vec<f64> {
        let published = self.logs.iter().flat_map(|log| &log.published_ms);
        published
            .filter(|(slot, _)| self.is_calm(**slot))
            .flat_map(|(slot, at)| {
                self.logs.iter().filter_map(move |log| Some(log.received_ms.get(slot)? - at))
            })
            .collect()
    }

    /// The delays of the latest intervals, one for each node and calm slot, in milliseconds.
    fn lateness(&self) -> Vec<f64> {
        let ends = self.logs.iter().flat_map(|log| &log.slots);
        ends.filter(|(slot, _)| self.is_calm(**slot)).map(|(_, end)| end.late_ms as f64).collect()
    }

    fn memory(&self, bytes: impl Fn(&Used) -> Option<u64>) -> String {
        let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
        list(self.meter.used.iter().filter_map(bytes).map(mib))
    }

    fn key_files(&self) -> String {
        let folder = self.devnet.network().join(KEYS);
        let size = |node: &PlannedNode| -> u64 {
            let names = node.validators.iter().flat_map(|index| {
                ["attester", "proposer"].map(|role| format!("validator_{index}_{role}_key_sk.ssz"))
            });
            names.filter_map(|name| Some(folder.join(name).metadata().ok()?.len())).sum()
        };
        let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
        list(self.devnet.nodes.iter().map(size).map(mib))
    }

    fn cores(&self) -> String {
        let percent = |core: f64| format!("{:.2} %", core * 100.0);
        list(self.meter.used.iter().filter_map(Used::core).map(percent))
    }
}

fn list(values: impl IntoIterator<Item: ToString>) -> String {
    values.into_iter().map(|value| value.to_string()).collect::<Vec<_>>().join(", ")
}

/// Mean, median, 99th percentile and most.
fn spread(mut values: Vec<f64>, unit: &str) -> String {
    if values.is_empty() {
        return "not measured".to_owned();
    }
    values.sort_by(f64::total_cmp);
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let at = |percent: usize| values[(values.len() * percent).div_ceil(100).max(1) - 1];
    format!(
        "mean {mean:.1}, p50 {:.1}, p99 {:.1}, most {:.1}{unit} (of {})",
        at(50),
        at(99),
        at(100),
        values.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_its_percentiles() {
        let values = (1..=200).rev().map(f64::from).collect();
        assert_eq!(
            spread(values, " ms"),
            "mean 100.5, p50 100.0, p99 198.0, most 200.0 ms (of 200)"
        );
        assert_eq!(spread(vec![7.0], ""), "mean 7.0, p50 7.0, p99 7.0, most 7.0 (of 1)");
        assert_eq!(spread(Vec::new(), ""), "not measured");
    }

    #[test]
    fn a_core_is_time_used_by_time_gone_by() {
        let (begin, mut used) = (Instant::now(), Used::default());
        assert_eq!(used.core(), None);
        used.take(begin, Usage { cpu_seconds: 1.0, resident_bytes: 5 });
        used.take(begin + Duration::from_secs(8), Usage { cpu_seconds: 1.2, resident_bytes: 3 });
        assert!(used.core().is_some_and(|core| (core - 0.025).abs() < 1e-9));
        assert_eq!(used.most_bytes, 5);
    }
}
