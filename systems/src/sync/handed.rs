//! Blocks that the node requested and passed to the import, until they are judged.

use std::collections::BTreeMap;

use bevy_ecs::prelude::*;
use quintet_components::{containers::Root, messages::InputId, network::PeerId};

/// The origin of requested blocks, until they are judged.
#[derive(Resource, Debug, Default)]
pub struct RequestedBlocks {
    handed_in: u64,
    waiting: BTreeMap<InputId, HandedIn>,
}

/// The origin of a requested block.
#[derive(Clone, Debug)]
pub struct HandedIn {
    /// Its root.
    pub root: Root,
    /// The peer that sent it.
    pub peer: PeerId,
    /// The number of the round, for a block of range sync.
    pub round: Option<u64>,
    /// The peers that said there is no such block. They are blamed if it is valid.
    pub omitted_by: Vec<PeerId>,
}

impl RequestedBlocks {
    /// Notes the origin of a block and returns its id.
    pub(super) fn add(&mut self, handed: HandedIn) -> InputId {
        let id = InputId::requested(self.handed_in);
        self.handed_in += 1;
        self.waiting.insert(id, handed);
        id
    }

    /// Takes the origin of a block that was judged.
    pub(super) fn take(&mut self, id: InputId) -> Option<HandedIn> {
        self.waiting.remove(&id)
    }

    /// The number of blocks of a round that are not judged yet.
    pub(super) fn pending_of(&self, round: u64) -> usize {
        self.waiting.values().filter(|handed| handed.round == Some(round)).count()
    }

    /// The number of blocks that are not judged yet.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Returns true if all blocks are judged.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}
