//! Replaces the live table in a build without the feature `tui`: the devnet prints lines instead.

use std::io;

use super::status::NodeView;

/// The contents of the table.
#[allow(dead_code, reason = "callers fill it as with `tui`, and nothing reads it here")]
pub(super) struct Picture<'a> {
    pub(super) title: &'a str,
    pub(super) clock: &'a str,
    pub(super) nodes: &'a [NodeView],
    pub(super) foot: [&'a str; 2],
}

/// A table that cannot be made.
pub(super) enum LiveTable {}

impl LiveTable {
    pub(super) fn new(_nodes: usize) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn draw(&mut self, _picture: &Picture<'_>) -> io::Result<()> {
        match *self {}
    }
}
