//! In the place of the table, in a build without the feature `tui`.

use std::io;

use super::status::NodeView;

/// What would be drawn.
#[allow(dead_code, reason = "nobody draws it")]
pub(super) struct Picture<'a> {
    pub(super) title: &'a str,
    pub(super) clock: &'a str,
    pub(super) nodes: &'a [NodeView],
    pub(super) foot: [&'a str; 2],
}

/// There is none.
pub(super) enum LiveTable {}

impl LiveTable {
    pub(super) fn new(_nodes: usize) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn draw(&mut self, _picture: &Picture<'_>) -> io::Result<()> {
        match *self {}
    }
}
