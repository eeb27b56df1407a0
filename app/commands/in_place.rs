//! A part of the terminal, below what is there, that is drawn again and again in place.

use std::io::{self, BufWriter};

use ratatui::{Frame, Terminal, TerminalOptions, Viewport, backend::CrosstermBackend};

use crate::output::{self, Stdout, say};

/// Lines of the terminal that belong to the program until this is dropped.
pub(super) struct InPlace(Terminal<CrosstermBackend<BufWriter<Stdout>>>);

impl InPlace {
    /// Makes room for so many lines.
    ///
    /// # Errors
    /// The terminal does not answer.
    pub(super) fn new(lines: u16) -> io::Result<Self> {
        // The terminal is asked where its cursor is.
        output::settle();
        let options = TerminalOptions { viewport: Viewport::Inline(lines) };
        let backend = CrosstermBackend::new(BufWriter::new(Stdout));
        let mut terminal = Terminal::with_options(backend, options)?;
        terminal.hide_cursor()?;
        Ok(Self(terminal))
    }

    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.0.draw(draw).map(|_| ())
    }
}

impl Drop for InPlace {
    fn drop(&mut self) {
        // The cursor is where the last change was. The next text comes below.
        let last = self.0.get_frame().area().bottom().saturating_sub(1);
        let _ = self.0.set_cursor_position((0, last));
        let _ = self.0.show_cursor();
        let _ = say!("");
    }
}
