//! The room for attestations in own blocks.

use bevy_ecs::prelude::Resource;

/// The attestations for which the newest own blocks had no room.
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockRoom {
    /// The number of consecutive own blocks, up to the newest, that left out attestations which
    /// would have brought a target nearer to justification.
    pub crowded: u64,
    /// The number of such attestations that the newest own block left out.
    pub left_out: usize,
}

impl BlockRoom {
    /// Notes that an own block left out this many attestations that would have been useful.
    pub const fn note(&mut self, left_out: usize) {
        self.crowded = if left_out == 0 { 0 } else { self.crowded + 1 };
        self.left_out = left_out;
    }
}
