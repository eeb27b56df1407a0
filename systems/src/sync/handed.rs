//! Blocks that the node asked for and handed to its import, until they are judged.

use std::collections::BTreeMap;

use bevy_ecs::prelude::*;
use quintet_components::{containers::Root, messages::InputId, network::PeerId};

/// Where blocks that the node asked for came from, until they are judged.
#[derive(Resource, Debug, Default)]
pub struct RequestedBlocks {
    handed_in: u64,
    waiting: BTreeMap<InputId, HandedIn>,
}

/// Where a block came from that the node asked for.
#[derive(Clone, Debug)]
pub struct HandedIn {
    /// Its root.
    pub root: Root,
    /// Who sent it.
    pub peer: PeerId,
    /// The round of range sync, for its blocks.
    pub round: Option<u64>,
    /// Who said that there is no such block. They are blamed for that if it is valid.
    pub omitted_by: Vec<PeerId>,
}

impl RequestedBlocks {
    /// Names a block that is handed in.
    pub(super) fn add(&mut self, handed: HandedIn) -> InputId {
        let id = InputId::requested(self.handed_in);
        self.handed_in += 1;
        self.waiting.insert(id, handed);
        id
    }

    /// Takes where a block came from that is judged.
    pub(super) fn take(&mut self, id: InputId) -> Option<HandedIn> {
        self.waiting.remove(&id)
    }

    /// Blocks of a round that are not judged yet.
    pub(super) fn pending_of(&self, round: u64) -> usize {
        self.waiting.values().filter(|handed| handed.round == Some(round)).count()
    }

    /// Blocks that are not judged yet.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Returns true if there are none.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}
