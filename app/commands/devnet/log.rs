//! Reads the nodes' logs after a run.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead, BufReader},
    path::Path,
};

use quintet_components::containers::Slot;
use serde::Deserialize;

/// The filter with which nodes log what a report needs.
pub(super) const FILTER: &str = "info,quintet_blocks=debug";

/// A node at the end of a slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SlotEnd {
    pub(super) head: Slot,
    pub(super) finalized: Slot,
    pub(super) missed: u64,
    /// The delay of its latest interval, in milliseconds.
    pub(super) late_ms: u64,
}

/// The facts in a node's log.
#[derive(Clone, Debug, Default)]
pub(super) struct NodeLog {
    pub(super) slots: BTreeMap<Slot, SlotEnd>,
    /// The time to build each own block, in milliseconds.
    pub(super) built_ms: BTreeMap<Slot, f64>,
    /// The times at which own blocks were published, in Unix milliseconds.
    pub(super) published_ms: BTreeMap<Slot, f64>,
    /// The times at which blocks of others arrived by gossip, in Unix milliseconds.
    pub(super) received_ms: BTreeMap<Slot, f64>,
    /// Lines of warnings and errors.
    pub(super) warnings: u64,
}

#[derive(Deserialize)]
struct Line {
    timestamp: String,
    level: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    slot: Slot,
    #[serde(default)]
    head: Slot,
    #[serde(default)]
    finalized: Slot,
    #[serde(default)]
    missed: u64,
    #[serde(default)]
    late_ms: u64,
    #[serde(default)]
    built_ms: f64,
}

impl NodeLog {
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let mut log = Self::default();
        for line in BufReader::new(File::open(path)?).lines() {
            log.take(&line?);
        }
        Ok(log)
    }

    /// Takes a line. Lines that are not events of the node are ignored.
    fn take(&mut self, line: &str) {
        let Ok(line) = serde_json::from_str::<Line>(line) else { return };
        self.warnings += u64::from(matches!(line.level.as_str(), "WARN" | "ERROR"));
        let at_ms = || unix_ms(&line.timestamp);
        match line.message.as_str() {
            "slot ends" => {
                let Line { head, finalized, missed, late_ms, .. } = line;
                self.slots.insert(line.slot, SlotEnd { head, finalized, missed, late_ms });
            }
            "block built" => _ = self.built_ms.insert(line.slot, line.built_ms),
            "block published" => self.published_ms.extend(at_ms().map(|at| (line.slot, at))),
            "block received" => {
                // The first time counts.
                if let Some(at) = at_ms() {
                    self.received_ms.entry(line.slot).or_insert(at);
                }
            }
            _ => {}
        }
    }
}

/// Unix milliseconds of a time like `2026-11-25T21:33:57.819266Z`.
fn unix_ms(text: &str) -> Option<f64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.split('-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let mut time = time.split(':');
    let (hour, minute) = (time.next()?.parse::<i64>().ok()?, time.next()?.parse::<i64>().ok()?);
    let seconds: f64 = time.next()?.parse().ok()?;
    // Days since 1970 of the Gregorian calendar, with years that begin in March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let days = year * 365 + leap_days + (153 * month + 2) / 5 + day - 1 - 719_468;
    Some(((days * 24 + hour) * 60 + minute) as f64 * 60_000.0 + seconds * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_unix_milliseconds() {
        assert_eq!(unix_ms("1970-01-01T00:00:00Z"), Some(0.0));
        assert_eq!(unix_ms("2000-03-01T00:00:00.5Z"), Some(951_868_800_500.0));
        assert_eq!(unix_ms("2026-11-25T21:33:57.819Z"), Some(1_795_642_437_819.0));
        assert_eq!(unix_ms("yesterday"), None);
    }

    #[test]
    fn events_are_found_among_other_lines() {
        let mut log = NodeLog::default();
        let time = "2026-11-25T21:33:57.819Z";
        let event = |text: &str| format!("{{\"timestamp\":\"{time}\",\"level\":\"INFO\",{text}}}");
        for text in [
            r#""message":"slot ends","slot":5,"head":5,"finalized":2,"missed":1,"late_ms":3"#,
            r#""message":"block published","slot":6"#,
            r#""message":"block received","slot":7"#,
            r#""message":"block built","slot":6,"built_ms":4.5"#,
            r#""message":"other","slot":"x""#,
        ] {
            log.take(&event(text));
        }
        log.take("no JSON");
        log.take(&event("\"message\":\"x\"").replace("INFO", "WARN"));
        assert_eq!(log.slots[&5], SlotEnd { head: 5, finalized: 2, missed: 1, late_ms: 3 });
        assert_eq!(
            (log.published_ms[&6], log.received_ms[&7]),
            (1_795_642_437_819.0, 1_795_642_437_819.0)
        );
        assert_eq!((log.built_ms[&6], log.warnings), (4.5, 1));
    }
}
