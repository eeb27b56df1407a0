//! Shows the network: as a live table in a terminal, as lines elsewhere.

use std::io::IsTerminal;

use quintet_components::{clock::SlotClock, constants::INTERVALS_PER_SLOT, containers::Slot};

use super::{
    folder::Devnet,
    lines,
    status::NodeView,
    table::{LiveTable, Picture},
};
use crate::{
    cli::DevnetArgs,
    output::{self, OutputError, say},
};

/// The place where the network is shown.
pub(super) struct Screen {
    title: String,
    table: Option<LiveTable>,
    foot: [String; 2],
    /// The slot that has been printed last, where there is no table.
    printed: Option<Slot>,
}

impl Screen {
    pub(super) fn new(devnet: &Devnet, arguments: &DevnetArgs) -> Result<Self, OutputError> {
        let title = format!(
            "quintet devnet: {} nodes, {} validators, preset {}",
            devnet.nodes.len(),
            devnet.nodes.iter().map(|node| node.validators.len()).sum::<usize>(),
            devnet.preset
        );
        let logs = format!("logs in {}", devnet.logs().display());
        let api = format!(
            "page and API of quintet_0: http://{}:{}",
            devnet.ip,
            devnet.nodes.first().map_or(0, |node| node.api_port)
        );
        // Without a terminal's answers there is no table.
        let table = std::io::stdout()
            .is_terminal()
            .then(|| LiveTable::new(devnet.nodes.len()))
            .and_then(Result::ok);
        if table.is_none() {
            say!("{title}\n{logs}\n{api}\n{}", lines::head())?;
        }
        let end = match arguments.slots {
            Some(slots) => format!("it ends after slot {slots}; Ctrl-C stops it now"),
            None => "Ctrl-C stops it".to_owned(),
        };
        Ok(Self { title, table, foot: [logs, format!("{api}; {end}")], printed: None })
    }

    /// Shows the nodes.
    ///
    /// # Errors
    /// The output cannot be written.
    pub(super) fn show(
        &mut self,
        now_ms: u64,
        clock: &SlotClock,
        views: &[NodeView],
    ) -> Result<(), OutputError> {
        output::check()?;
        let genesis_ms = clock.interval_start_ms(0);
        let count = clock.total_intervals(now_ms);
        let slot = count / INTERVALS_PER_SLOT;
        let Some(table) = &mut self.table else {
            if now_ms >= genesis_ms && slot > 0 && self.printed.is_none_or(|last| last + 1 < slot) {
                self.printed = Some(slot - 1);
                for view in views {
                    say!("{}", lines::line(slot - 1, view))?;
                }
            }
            return Ok(());
        };
        let clock = match genesis_ms.checked_sub(now_ms) {
            Some(until) if until > 0 => format!("slot 0 in {} s", until.div_ceil(1000)),
            _ => format!("slot {slot}, interval {}", count % INTERVALS_PER_SLOT),
        };
        let foot = self.foot.each_ref().map(String::as_str);
        let picture = Picture { title: &self.title, clock: &clock, nodes: views, foot };
        table.draw(&picture).map_err(OutputError::from)
    }

    /// Leaves the terminal as it was.
    pub(super) fn end(&mut self) {
        self.table = None;
    }
}
