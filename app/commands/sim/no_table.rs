//! Replaces the live table in a build without the feature `tui`: lines are printed instead.

use std::io;

use quintet_plugins::sim::NodeReport;

/// A table that cannot be made.
pub(super) enum LiveTable {}

impl LiveTable {
    pub(super) fn new(_nodes: usize) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn draw(&mut self, _: &str, _: &str, _: &[NodeReport]) -> io::Result<()> {
        match *self {}
    }
}
