//! Checks that batches link, and handles those that do not.

use quintet_components::{
    containers::{Checkpoint, Root, Slot},
    network::{PeerFault, PeerId},
    sync::limits,
};

use super::{
    RoundParts,
    round::{BatchState, Retreat, Round, Tip, bytes_of},
};
use crate::sync::handed::HandedIn;

/// The relation of the next batch's first block to the known blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    /// Its parent was passed to the import, or is in the tree.
    Holds,
    /// Its parent is not known.
    Missing,
    /// Its parent is known, but its chain does not contain the finalized block.
    PassesFinalized,
    /// Its parent is known, but is not on the chain that it has to extend.
    OtherFork,
}

impl RoundParts<'_, '_> {
    /// Passes blocks of the next batches to the import, as far as they have arrived, link, and fit.
    pub(super) fn hand_on(&mut self, round: &mut Round) {
        let mut room = self.room(round.number);
        while let Some(batch) = round.batches.front_mut() {
            let (peer, parent, slot, is_linked) = match &batch.state {
                BatchState::Empty => {
                    let last = batch.last();
                    round.believed.extend(batch.empty.drain(..).map(|peer| (peer, last)));
                    round.batches.pop_front();
                    continue;
                }
                BatchState::Received { peer, blocks, is_linked, .. } => match blocks.front() {
                    None => {
                        round.batches.pop_front();
                        continue;
                    }
                    Some((_, first)) => {
                        (peer.clone(), first.block.parent_root, first.block.slot, *is_linked)
                    }
                },
                BatchState::Waiting | BatchState::Asked(_) => {
                    if self.pass_over(round) {
                        continue;
                    }
                    return;
                }
            };
            if !is_linked {
                match self.link(round, parent, slot) {
                    Link::Holds => self.note_linked(round, parent, slot),
                    Link::PassesFinalized => {
                        self.pass_by(round, &peer);
                        return;
                    }
                    Link::OtherFork => {
                        self.peers.blame(&peer, PeerFault::NoAnswer);
                        round.is_lost = true;
                        return;
                    }
                    Link::Missing => {
                        self.note_unlinked(round, peer, parent);
                        return;
                    }
                }
            }
            room = self.hand_on_front(round, &peer, room);
            if room == 0 {
                return;
            }
        }
    }

    fn link(&self, round: &Round, parent: Root, slot: Slot) -> Link {
        if round.tip.as_ref().is_some_and(|tip| tip.root == parent) {
            return Link::Holds;
        }
        let tree = &self.chain.tree;
        let Some(id) = tree.find(&parent) else { return Link::Missing };
        let parent = Checkpoint { root: parent, slot: tree.slot(id) };
        let finalized = self.chain.finalized();
        if slot > finalized.slot && !tree.is_ancestor(finalized, parent) {
            return Link::PassesFinalized;
        }
        match round.extends {
            Some(head) if !tree.is_ancestor(head, parent) => Link::OtherFork,
            _ => Link::Holds,
        }
    }

    /// Skips a first batch that a peer says is empty, if the first block of the next batch descends
    /// directly from a known block. That proves more than a second peer's answer. Returns true if
    /// it did.
    fn pass_over(&mut self, round: &mut Round) -> bool {
        let (Some(first), Some(next)) = (round.batches.front(), round.batches.get(1)) else {
            return false;
        };
        let BatchState::Received { blocks, .. } = &next.state else { return false };
        let Some((_, block)) = blocks.front() else { return false };
        if first.empty.is_empty()
            || self.link(round, block.block.parent_root, block.block.slot) != Link::Holds
        {
            return false;
        }
        if let BatchState::Asked(id) = first.state {
            self.requests.give_up(id);
        }
        round.batches.pop_front();
        true
    }

    /// Passes as much of the first batch to the import as there is room for. Returns the remaining
    /// room.
    fn hand_on_front(&mut self, round: &mut Round, peer: &PeerId, mut room: usize) -> usize {
        let number = round.number;
        let Some(batch) = round.batches.front_mut() else { return room };
        let last_slot = batch.last();
        let BatchState::Received { blocks, bytes, .. } = &mut batch.state else { return room };
        while room > 0 {
            let Some((root, block)) = blocks.pop_front() else { break };
            *bytes = bytes.saturating_sub(bytes_of(&block));
            round.tip = Some(Tip { root, slot: block.block.slot, peer: peer.clone(), last_slot });
            let omitted_by = std::mem::take(&mut round.omitted_by);
            let handed = HandedIn { root, peer: peer.clone(), round: Some(number), omitted_by };
            self.hand_on_block(handed, block);
            room -= 1;
        }
        room
    }

    /// Notes that the first batch links: peers that said otherwise were wrong, if its first block
    /// is valid.
    fn note_linked(&mut self, round: &mut Round, parent: Root, slot: Slot) {
        let Some(batch) = round.batches.front_mut() else { return };
        if let BatchState::Received { is_linked, .. } = &mut batch.state {
            *is_linked = true;
        }
        let (empty, unlinked) =
            (std::mem::take(&mut batch.empty), std::mem::take(&mut batch.unlinked));
        round.retreat = Retreat::None;
        round.believed.clear();
        round.omitted_by = empty;
        let suspects = std::mem::take(&mut round.suspects);
        if round.tip.as_ref().is_some_and(|tip| tip.root == parent) {
            let omitted = suspects.into_iter().filter(|(_, last_slot)| slot <= *last_slot);
            round.omitted_by.extend(omitted.map(|(peer, _)| peer));
        }
        // A peer that said it twice is blamed once.
        round.omitted_by.sort_unstable();
        round.omitted_by.dedup();
        for (peer, _) in unlinked {
            self.peers.blame(&peer, PeerFault::NoAnswer);
        }
    }

    /// Handles a peer whose chain does not contain the finalized block. If the peer has finalized
    /// as much as this node, it is on another chain. A peer that has finalized less was cut off and
    /// built on its old head. It follows this node's chain once it has caught up.
    fn pass_by(&mut self, round: &mut Round, peer: &PeerId) {
        tracing::debug!(%peer, "a peer's chain does not contain the finalized block");
        if !self.peers.has_finalized(peer, self.chain.finalized().slot) {
            self.peers.blame(peer, PeerFault::NoAnswer);
            round.is_lost = true;
            return;
        }
        self.peers.blame(peer, PeerFault::WrongChain);
        if let Some(batch) = round.batches.front_mut() {
            batch.state = BatchState::Waiting;
        }
    }

    /// Notes that the first batch does not link. Another peer is asked for it; if that does not
    /// help, the round goes back.
    fn note_unlinked(&mut self, round: &mut Round, peer: PeerId, parent: Root) {
        let others = round.peers.len();
        let Some(batch) = round.batches.front_mut() else { return };
        batch.state = BatchState::Waiting;
        let is_repeated = batch.unlinked.iter().any(|(other, _)| *other == peer);
        if !is_repeated {
            batch.unlinked.push((peer, parent));
        }
        let has_other = !is_repeated && batch.unlinked.len() < 2 && others > batch.unlinked.len();
        if has_other {
            return;
        }
        let last_slot = batch.last();
        round.believed.extend(batch.empty.drain(..).map(|peer| (peer, last_slot)));
        let unlinked = batch.unlinked.clone();
        let is_agreed = unlinked.len() >= 2 && unlinked.iter().all(|(_, other)| *other == parent);
        self.retreat(round, &unlinked, is_agreed);
    }

    fn retreat(&mut self, round: &mut Round, unlinked: &[(PeerId, Root)], is_agreed: bool) {
        let tip = round.tip.clone();
        // The batch starts right after the finalized block, and no block before it is left out.
        // Blocks that do not link here never will.
        let finalized_slot = self.chain.finalized().slot;
        let is_proven = !is_agreed
            && round.believed.is_empty()
            && round.batches.front().is_some_and(|batch| batch.start == finalized_slot + 1);
        if is_agreed || !round.believed.is_empty() {
            // The peers contradict each other. When the blocks arrive, they show who is right.
            let last = tip.iter().map(|tip| (tip.peer.clone(), tip.last_slot));
            let mut suspects: Vec<(PeerId, Slot)> = round.believed.drain(..).chain(last).collect();
            suspects.retain(|(peer, _)| unlinked.iter().all(|(other, _)| other != peer));
            for (peer, _) in &suspects {
                self.peers.blame(peer, PeerFault::NoAnswer);
            }
            round.suspects = suspects;
        }
        // Nothing has linked since the round began at the finalized block.
        let is_exhausted = round.from_finalized && tip.is_none();
        let start_slot = match tip {
            Some(tip) if round.retreat == Retreat::None => {
                round.retreat = Retreat::Tip;
                tip.slot + 1
            }
            _ if !is_exhausted && round.extends.is_none() => {
                round.from_finalized = true;
                round.retreat = Retreat::None;
                round.tip = None;
                round.suspects.clear();
                finalized_slot + 1
            }
            _ => {
                self.give_up_round(round, unlinked, is_proven);
                return;
            }
        };
        round.retreats += 1;
        if round.retreats > limits::MAX_RETREATS {
            self.give_up_round(round, unlinked, is_proven);
            return;
        }
        self.counts.retreats += 1;
        self.drop_batches(round);
        round.next_slot = start_slot;
    }

    /// Ends a round in which no block links to the known ones: the peers that sent such blocks are
    /// not asked for a while.
    fn give_up_round(&mut self, round: &mut Round, unlinked: &[(PeerId, Root)], is_proven: bool) {
        let finalized_slot = self.chain.finalized().slot;
        for (peer, _) in unlinked {
            // A peer that has finalized less may have left this chain before the finalized block.
            let is_at_fault = is_proven && self.peers.has_finalized(peer, finalized_slot);
            let fault = if is_at_fault { PeerFault::Unlinked } else { PeerFault::NoAnswer };
            self.peers.blame(peer, fault);
        }
        round.is_lost = true;
    }
}
