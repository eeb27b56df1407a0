//! The range of the chain's blocks that the store has.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bevy_ecs::prelude::{Message, Resource};

use crate::containers::{Root, SignedBlock, Slot};

/// The slot from which on the store has every canonical block. It is shared between the world and
/// the writer, which changes it. Blocks from before the anchor are fetched from peers, newest
/// first.
#[derive(Resource, Clone, Debug)]
pub struct StoredHistory {
    from: Arc<AtomicU64>,
    /// The number of slots behind the finalized one for which blocks are kept; `None` keeps all.
    pub window_slots: Option<u64>,
}

impl StoredHistory {
    /// A store that has every canonical block from this slot on.
    pub fn new(from: Slot, window_slots: Option<u64>) -> Self {
        Self { from: Arc::new(AtomicU64::new(from)), window_slots }
    }

    /// The first slot from which on no block is missing.
    pub fn from(&self) -> Slot {
        self.from.load(Ordering::Acquire)
    }

    /// Notes that no block is missing from this slot on.
    pub fn set(&self, from: Slot) {
        self.from.store(from, Ordering::Release);
    }

    /// The first slot whose block should be stored while this slot is finalized. It is at least 1,
    /// because nobody can send the block of slot 0.
    pub fn wanted_from(&self, finalized: Slot) -> Slot {
        self.window_slots.map_or(1, |window| finalized.saturating_sub(window).max(1))
    }
}

/// Blocks from before the anchor that are to be stored. Their roots are those of the finalized
/// chain.
#[derive(Message, Clone, Debug, PartialEq, Eq)]
pub struct HistoryBatch {
    /// The blocks, by ascending slot.
    pub blocks: Vec<(Root, Arc<SignedBlock>)>,
    /// With this batch, no block is missing from this slot on, up to the previous batch.
    pub from: Slot,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_follows_finality() {
        let window = StoredHistory::new(5_000, Some(3_600));
        let wanted = [0, 3_600, 3_605, 9_000].map(|finalized| window.wanted_from(finalized));
        assert_eq!(wanted, [1, 1, 5, 5_400]);
        assert_eq!(StoredHistory::new(5_000, None).wanted_from(9_000), 1);
        window.clone().set(4_936);
        assert_eq!(window.from(), 4_936);
    }
}
