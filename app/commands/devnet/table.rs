//! The table that a terminal shows, drawn again and again in place.

use std::io::{self, BufWriter};

use ratatui::{
    Frame, Terminal, TerminalOptions, Viewport,
    backend::CrosstermBackend,
    layout::{Alignment, Constraint, Layout},
    style::{Color, Modifier, Style, Stylize},
    text::{Line, Span},
    widgets::{Cell, Paragraph, Row, Table},
};

use super::status::{Condition, NodeView};
use crate::output::{self, Stdout, say};

/// Lines beside the nodes': title, clock, head of the table, warning, two of the foot.
const OTHER_LINES: u16 = 6;
/// Nodes that are drawn at most.
const MAX_ROWS: usize = 32;

/// The content of the table.
pub(super) struct Picture<'a> {
    /// The network in a few words.
    pub(super) title: &'a str,
    /// Slot and interval, or how long until there is one.
    pub(super) clock: &'a str,
    pub(super) nodes: &'a [NodeView],
    /// The places of files, and the keys that the user may press.
    pub(super) foot: [&'a str; 2],
}

/// A table in the terminal below what is there.
pub(super) struct LiveTable {
    terminal: Terminal<CrosstermBackend<BufWriter<Stdout>>>,
}

impl LiveTable {
    /// Makes room for so many nodes.
    pub(super) fn new(nodes: usize) -> io::Result<Self> {
        let rows = u16::try_from(nodes.min(MAX_ROWS)).unwrap_or(u16::MAX);
        let viewport = Viewport::Inline(rows.saturating_add(OTHER_LINES));
        // The terminal is asked where its cursor is.
        output::settle();
        let backend = CrosstermBackend::new(BufWriter::new(Stdout));
        let mut terminal = Terminal::with_options(backend, TerminalOptions { viewport })?;
        terminal.hide_cursor()?;
        Ok(Self { terminal })
    }

    pub(super) fn draw(&mut self, picture: &Picture<'_>) -> io::Result<()> {
        self.terminal.draw(|frame| draw(frame, picture)).map(|_| ())
    }
}

impl Drop for LiveTable {
    fn drop(&mut self) {
        // What is printed next comes below the table.
        let _ = self.terminal.show_cursor();
        let _ = say!("");
    }
}

fn draw(frame: &mut Frame<'_>, picture: &Picture<'_>) {
    let shown = picture.nodes.len().min(MAX_ROWS);
    let rows = u16::try_from(shown).unwrap_or(u16::MAX);
    let [title, clock, table, warning, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(rows + 1),
        Constraint::Length(1),
        Constraint::Length(2),
    ])
    .areas(frame.area());
    frame.render_widget(Paragraph::new(picture.title).bold(), title);
    frame.render_widget(Paragraph::new(picture.clock), clock);
    frame.render_widget(nodes(&picture.nodes[..shown]), table);
    if let Some(line) = warning_line(picture.nodes) {
        frame.render_widget(Paragraph::new(line), warning);
    }
    frame.render_widget(Paragraph::new(picture.foot.map(Line::from).to_vec()).dim(), foot);
}

fn nodes(nodes: &[NodeView]) -> Table<'_> {
    let right = |text: String| Cell::from(Line::from(text).alignment(Alignment::Right));
    let names = ["slot", "head", "justified", "finalized", "peers", "proofs", "missed"];
    let head = [Cell::from("node"), Cell::from("state")]
        .into_iter()
        .chain(names.map(|name| right(name.to_owned())));
    let head = Row::new(head).style(Style::new().add_modifier(Modifier::DIM));
    let newest = nodes.iter().map(|node| node.overview.head.slot).max().unwrap_or(0);
    let rows = nodes.iter().map(|node| {
        let overview = &node.overview;
        let point = |slot: u64, lag: u64| {
            let cell = right(slot.to_string());
            if slot + lag < newest { cell.style(Style::new().fg(Color::Yellow)) } else { cell }
        };
        let missed = right(overview.duties.missed.to_string());
        let missed = if overview.duties.missed > 0 {
            missed.style(Style::new().fg(Color::Yellow))
        } else {
            missed
        };
        Row::new([
            Cell::from(node.name.as_str()),
            Cell::from(Span::styled(node.word(), Style::new().fg(color(node)))),
            right(format!("{}.{}", overview.clock.slot, overview.clock.interval)),
            point(overview.head.slot, 1),
            point(overview.justified.slot, 4),
            point(overview.finalized.slot, 5),
            right(overview.peers.len().to_string()),
            right(node.proofs.to_string()),
            missed,
        ])
    });
    let widths = [
        Constraint::Min(10),
        Constraint::Length(11),
        Constraint::Length(8),
        Constraint::Length(6),
        Constraint::Length(9),
        Constraint::Length(9),
        Constraint::Length(5),
        Constraint::Length(6),
        Constraint::Length(6),
    ];
    Table::new(rows, widths).header(head).column_spacing(1)
}

/// The colour of what a node does.
fn color(node: &NodeView) -> Color {
    match node.condition {
        Condition::Starting => Color::Blue,
        Condition::Paused => Color::Magenta,
        Condition::Silent => Color::Red,
        Condition::Running if node.overview.sync.state != "synced" => Color::Yellow,
        Condition::Running => Color::Green,
    }
}

/// The first warning of any node.
fn warning_line(nodes: &[NodeView]) -> Option<Line<'_>> {
    let mut warnings = nodes.iter().flat_map(|node| {
        node.overview.warnings.iter().map(|warning| (node.name.as_str(), warning.text.as_str()))
    });
    let (name, text) = warnings.next()?;
    let more = match warnings.count() {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    Some(Line::from(format!("{name} warns: {text}{more}")).fg(Color::Yellow))
}

#[cfg(test)]
mod tests {
    use ratatui::backend::TestBackend;

    use super::*;
    use crate::commands::devnet::status::{Overview, WarningPart};

    fn view(name: &str, condition: Condition, head: u64) -> NodeView {
        let mut overview = Overview::default();
        overview.clock.slot = head;
        overview.clock.interval = 3;
        overview.head.slot = head;
        overview.justified.slot = head.saturating_sub(1);
        overview.finalized.slot = head.saturating_sub(2);
        overview.sync.state = "synced".to_owned();
        let mut view = NodeView::new(name);
        (view.condition, view.overview, view.proofs) = (condition, overview, 12);
        view
    }

    fn lines(width: u16, nodes: &[NodeView]) -> Vec<String> {
        let height = u16::try_from(nodes.len()).expect("few") + OTHER_LINES;
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("it is memory");
        let picture =
            Picture { title: "title", clock: "slot 12, interval 3", nodes, foot: ["logs", "foot"] };
        terminal.draw(|frame| draw(frame, &picture)).expect("it is memory");
        let buffer = terminal.backend().buffer();
        let line = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
        (0..height).map(|y| line(y).trim_end().to_owned()).collect()
    }

    #[test]
    fn every_column_is_there_at_80_and_at_120_characters() {
        let mut nodes = [
            view("quintet_0", Condition::Running, 8000),
            view("quintet_1", Condition::Paused, 7990),
        ];
        nodes[0].overview.node.is_aggregator = true;
        nodes[1].overview.duties.missed = 21;
        nodes[1].overview.warnings.push(WarningPart { text: "no aggregator".to_owned() });
        for width in [80, 120] {
            let lines = lines(width, &nodes);
            let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            assert_eq!(lines[0], "title");
            assert_eq!(
                words(&lines[2]),
                [
                    "node",
                    "state",
                    "slot",
                    "head",
                    "justified",
                    "finalized",
                    "peers",
                    "proofs",
                    "missed"
                ]
            );
            assert_eq!(
                words(&lines[3]),
                ["quintet_0", "aggregates", "8000.3", "8000", "7999", "7998", "0", "12", "0"]
            );
            assert_eq!(
                words(&lines[4]),
                ["quintet_1", "paused", "7990.3", "7990", "7989", "7988", "0", "12", "21"]
            );
            assert_eq!(lines[5], "quintet_1 warns: no aggregator");
            assert_eq!(lines[6..], ["logs", "foot"]);
        }
    }

    #[test]
    fn more_nodes_than_rows_are_left_out() {
        let nodes: Vec<_> =
            (0..40).map(|at| view(&format!("quintet_{at}"), Condition::Running, 1)).collect();
        let lines = lines(80, &nodes);
        assert!(lines.iter().any(|line| line.starts_with("quintet_31")));
        assert!(!lines.iter().any(|line| line.starts_with("quintet_32")));
    }
}
