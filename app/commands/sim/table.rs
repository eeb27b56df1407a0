//! The table of a running simulation that a terminal shows, drawn again and again in place.

use std::io;

use quintet_plugins::sim::NodeReport;
use ratatui::{
    Frame,
    layout::{Alignment, Constraint, Layout},
    style::{Color, Modifier, Style, Stylize},
    text::{Line, Span},
    widgets::{Cell, Paragraph, Row, Table},
};

use crate::commands::in_place::InPlace;

/// Lines beside the nodes': title, clock, head of the table.
const OTHER_LINES: u16 = 3;
/// Nodes that are drawn at most.
const MAX_ROWS: usize = 32;
/// Slots that head, justified and finalized slot are usually behind the newest head.
const USUAL: [u64; 3] = [1, 4, 5];

/// A table in the terminal below what is there.
pub(super) struct LiveTable(InPlace);

impl LiveTable {
    /// Makes room for so many nodes.
    pub(super) fn new(nodes: usize) -> io::Result<Self> {
        let rows = u16::try_from(nodes.min(MAX_ROWS)).unwrap_or(u16::MAX);
        InPlace::new(rows.saturating_add(OTHER_LINES)).map(Self)
    }

    pub(super) fn draw(
        &mut self,
        title: &str,
        clock: &str,
        nodes: &[NodeReport],
    ) -> io::Result<()> {
        self.0.draw(|frame| draw(frame, title, clock, nodes))
    }
}

fn draw(frame: &mut Frame<'_>, title: &str, clock: &str, nodes: &[NodeReport]) {
    let nodes = &nodes[..nodes.len().min(MAX_ROWS)];
    let rows = u16::try_from(nodes.len()).unwrap_or(u16::MAX);
    let [top, second, below] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(rows + 1),
    ])
    .areas(frame.area());
    frame.render_widget(Paragraph::new(title).bold(), top);
    frame.render_widget(Paragraph::new(clock), second);
    frame.render_widget(table(nodes), below);
}

fn table(nodes: &[NodeReport]) -> Table<'_> {
    let right = |text: String| Cell::from(Line::from(text).alignment(Alignment::Right));
    let names = ["head", "justified", "finalized", "proposed", "attested", "missed"];
    let head = [Cell::from("node"), Cell::from("state")]
        .into_iter()
        .chain(names.map(|name| right(name.to_owned())));
    let newest = nodes.iter().map(|node| node.head.slot).max().unwrap_or(0);
    let rows = nodes.iter().enumerate().map(|(index, node)| {
        let (word, color) = if node.is_up { ("up", Color::Green) } else { ("down", Color::Red) };
        let yellow = |text: String, is_odd: bool| {
            let cell = right(text);
            if is_odd { cell.style(Style::new().fg(Color::Yellow)) } else { cell }
        };
        let points = [node.head.slot, node.justified.slot, node.finalized.slot];
        let points = points.into_iter().zip(USUAL);
        let [proposed, attested, missed] = node.duties;
        Row::new(
            [Cell::from(index.to_string()), Cell::from(Span::styled(word, Style::new().fg(color)))]
                .into_iter()
                .chain(points.map(|(slot, usual)| yellow(slot.to_string(), slot + usual < newest)))
                .chain([right(proposed.to_string()), right(attested.to_string())])
                .chain([yellow(missed.to_string(), missed > 0)]),
        )
    });
    let widths = [4, 5, 6, 9, 9, 8, 9, 7].map(Constraint::Length);
    Table::new(rows, widths)
        .header(Row::new(head).style(Style::new().add_modifier(Modifier::DIM)))
        .column_spacing(1)
}

#[cfg(test)]
mod tests {
    use quintet_plugins::sim::Simulation;
    use ratatui::{Terminal, backend::TestBackend};

    use super::*;

    #[test]
    fn every_node_has_its_line() {
        let nodes = Simulation::new(1).nodes(2).slots(9).run().nodes;
        let mut terminal = Terminal::new(TestBackend::new(80, 5)).expect("it is memory");
        terminal.draw(|frame| draw(frame, "title", "slot 9", &nodes)).expect("it is memory");
        let buffer = terminal.backend().buffer();
        let line = |y| (0..80).map(|x| buffer[(x, y)].symbol()).collect::<String>();
        let words = |y| line(y).split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!((line(0).trim_end(), line(1).trim_end()), ("title", "slot 9"));
        assert_eq!(words(2)[..4], ["node", "state", "head", "justified"]);
        let [head, finalized] =
            [nodes[1].head, nodes[1].finalized].map(|checkpoint| checkpoint.slot.to_string());
        assert_eq!(words(4)[..3], ["1", "up", &head]);
        assert_eq!(words(4)[4], finalized);
    }
}
