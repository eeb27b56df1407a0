//! Shows a running simulation: as a live table in a terminal, otherwise as a line every ten slots.

use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

use quintet_components::constants::SLOT_DURATION_MS;
use quintet_plugins::sim::{NodeReport, Scenario};

use super::{table::LiveTable, tell};
use crate::output::{self, OutputError, say};

/// Slots from one line to the next.
const LINE_SLOTS: u64 = 10;
/// From one drawing of the table to the next.
const DRAWN: Duration = Duration::from_millis(50);

/// The output of a running simulation.
pub(super) struct Screen {
    title: String,
    slots: u64,
    began: Instant,
    table: Option<LiveTable>,
    drawn: Option<Instant>,
}

impl Screen {
    pub(super) fn new(scenario: &Scenario, began: Instant) -> Result<Self, OutputError> {
        let title = tell::title(scenario);
        // Without a terminal's answers there is no table.
        let table = std::io::stdout()
            .is_terminal()
            .then(|| LiveTable::new(scenario.nodes))
            .and_then(Result::ok);
        if table.is_none() {
            say!("{title}; head/justified/finalized")?;
        }
        Ok(Self { title, slots: scenario.slots, began, table, drawn: None })
    }

    /// Shows the nodes after a slot.
    ///
    /// # Errors
    /// Nobody can see them any more.
    pub(super) fn show(&mut self, slot: u64, nodes: &[NodeReport]) -> Result<(), OutputError> {
        output::check()?;
        let elapsed = self.began.elapsed();
        let Some(table) = &mut self.table else {
            return if slot.is_multiple_of(LINE_SLOTS) {
                line(slot, nodes, elapsed)
            } else {
                Ok(())
            };
        };
        let is_due = self.drawn.is_none_or(|drawn| drawn.elapsed() >= DRAWN);
        if !is_due && slot < self.slots {
            return Ok(());
        }
        self.drawn = Some(Instant::now());
        let simulated = (slot * SLOT_DURATION_MS) as f64 / 1000.0;
        let times = simulated / elapsed.as_secs_f64().max(1e-6);
        let clock = format!("slot {slot} of {}, {times:.0} times real time", self.slots);
        table.draw(&self.title, &clock, nodes).map_err(OutputError::from)
    }
}

fn line(slot: u64, nodes: &[NodeReport], elapsed: Duration) -> Result<(), OutputError> {
    let places = nodes.iter().map(|node| {
        if node.is_up {
            format!("{}/{}/{}", node.head.slot, node.justified.slot, node.finalized.slot)
        } else {
            "down".to_owned()
        }
    });
    let places: Vec<_> = places.collect();
    say!("slot {slot:>4}  {}  ({:.1} s)", places.join("  "), elapsed.as_secs_f64())
}
