//! The table that a terminal shows, drawn again and again in place.

use std::io;

use ratatui::{
    Frame,
    layout::{Alignment, Constraint, Layout},
    style::{Color, Modifier, Style, Stylize},
    text::{Line, Span},
    widgets::{Cell, Paragraph, Row, Table},
};

use super::status::{Condition, NodeView};
use crate::commands::in_place::InPlace;

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
pub(super) struct LiveTable(InPlace);

impl LiveTable {
    /// Makes room for so many nodes.
    pub(super) fn new(nodes: usize) -> io::Result<Self> {
        let rows = u16::try_from(nodes.min(MAX_ROWS)).unwrap_or(u16::MAX);
        InPlace::new(rows.saturating_add(OTHER_LINES)).map(Self)
    }

    pub(super) fn draw(&mut self, picture: &Picture<'_>) -> io::Result<()> {
        self.0.draw(|frame| draw(frame, picture))
    }
}

/// Draws as much as there is room for: title, clock and nodes go before the warning and the foot.
fn draw(frame: &mut Frame<'_>, picture: &Picture<'_>) {
    let shown = picture.nodes.len().min(MAX_ROWS);
    let rows = u16::try_from(shown).unwrap_or(u16::MAX);
    let spare = frame.area().height.saturating_sub(rows + 3);
    let foot_lines = if spare > 2 { 2 } else { spare.min(1) };
    let [title, clock, table, warning, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length((spare - foot_lines).min(1)),
        Constraint::Length(foot_lines),
    ])
    .areas(frame.area());
    frame.render_widget(Paragraph::new(picture.title).bold(), title);
    frame.render_widget(Paragraph::new(picture.clock), clock);
    frame.render_widget(nodes(&picture.nodes[..shown], frame.area().width), table);
    if let Some(line) = warning_line(picture.nodes) {
        frame.render_widget(Paragraph::new(line), warning);
    }
    // Of a single line the second one: it says how to stop.
    let lines = &picture.foot[2 - usize::from(foot_lines)..];
    let lines: Vec<_> = lines.iter().copied().map(Line::from).collect();
    frame.render_widget(Paragraph::new(lines).dim(), foot);
}

/// The columns after the node's name, with their widths.
const COLUMNS: [(&str, u16); 8] = [
    ("state", 11),
    ("slot", 8),
    ("head", 6),
    ("justified", 9),
    ("finalized", 9),
    ("peers", 5),
    ("proofs", 6),
    ("missed", 6),
];
/// The columns that a narrow terminal leaves out, the first one first.
const LEFT_OUT: [&str; 6] = ["proofs", "peers", "justified", "slot", "missed", "state"];

/// The columns for which there is room.
fn columns(width: u16, name_width: u16) -> Vec<usize> {
    let mut left_out = LEFT_OUT.iter();
    let mut shown: Vec<usize> = (0..COLUMNS.len()).collect();
    while name_width + shown.iter().map(|at| COLUMNS[*at].1 + 1).sum::<u16>() > width {
        let Some(name) = left_out.next() else { break };
        shown.retain(|at| COLUMNS[*at].0 != *name);
    }
    shown
}

fn nodes(nodes: &[NodeView], width: u16) -> Table<'_> {
    let longest = nodes.iter().map(|node| node.name.chars().count()).max().unwrap_or(0);
    let name_width = u16::try_from(longest.max(4)).unwrap_or(u16::MAX);
    let shown = columns(width, name_width);
    let right = |text: String| Cell::from(Line::from(text).alignment(Alignment::Right));
    let name = |at: &usize| match COLUMNS[*at].0 {
        "state" => Cell::from("state"),
        name => right(name.to_owned()),
    };
    let head = Row::new([Cell::from("node")].into_iter().chain(shown.iter().map(name)));
    let head = head.style(Style::new().add_modifier(Modifier::DIM));
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
        let cells = [
            Cell::from(Span::styled(node.word(), Style::new().fg(color(node)))),
            right(format!("{}.{}", overview.clock.slot, overview.clock.interval)),
            point(overview.head.slot, 1),
            point(overview.justified.slot, 4),
            point(overview.finalized.slot, 5),
            right(overview.peers.len().to_string()),
            right(node.proofs.to_string()),
            missed,
        ];
        let cells = cells.into_iter().enumerate().filter(|(at, _)| shown.contains(at));
        Row::new([Cell::from(node.name.as_str())].into_iter().chain(cells.map(|(_, cell)| cell)))
    });
    let rows: Vec<Row<'_>> = rows.collect();
    let widths = shown.iter().map(|at| COLUMNS[*at].1);
    let widths = [name_width].into_iter().chain(widths).map(Constraint::Length);
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
    use ratatui::{Terminal, backend::TestBackend};

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
        lines_of((width, height), nodes)
    }

    fn lines_of((width, height): (u16, u16), nodes: &[NodeView]) -> Vec<String> {
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
    fn a_narrow_terminal_leaves_out_whole_columns() {
        let nodes = [view("quintet_0", Condition::Running, 8000)];
        for (width, expected) in [
            (77, "node state slot head justified finalized peers proofs missed"),
            (76, "node state slot head justified finalized peers missed"),
            (60, "node state slot head finalized missed"),
            (30, "node head finalized"),
        ] {
            let head = &lines(width, &nodes)[2];
            let words: Vec<_> = head.split_whitespace().collect();
            assert_eq!(words.join(" "), expected, "{width}");
        }
    }

    #[test]
    fn a_low_terminal_shows_the_nodes_first() {
        let nodes = [0, 1].map(|at| view(&format!("quintet_{at}"), Condition::Running, 1));
        let first_words = |height| -> Vec<String> {
            let lines = lines_of((80, height), &nodes);
            lines.iter().map(|line| line.split(' ').next().unwrap_or_default().to_owned()).collect()
        };
        assert_eq!(first_words(5), ["title", "slot", "node", "quintet_0", "quintet_1"]);
        assert_eq!(first_words(6), ["title", "slot", "node", "quintet_0", "quintet_1", "foot"]);
        assert_eq!(first_words(8)[5..], ["", "logs", "foot"]);
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
