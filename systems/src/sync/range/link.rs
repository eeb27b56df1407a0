//! Whether batches link, and what follows when they do not.

use bevy_ecs::prelude::*;
use quintet_components::{
    chain::Finalized,
    containers::{Checkpoint, Root, Slot},
    network::{DisconnectReason, NetworkCommand, PeerId},
    sync::{SyncCounts, limits},
    tree::BlockTree,
};

use super::{
    RangeSync, drop_batches, give_up as give_up_request, hand_on_block, room,
    round::{BatchState, Retreat, Round, Tip, bytes_of},
};
use crate::sync::{
    imports::Source,
    peers::{Fault, blame},
};

/// How the first block of the next batch stands to what is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    /// Its parent was handed on, or is in the tree.
    Holds,
    /// Its parent is not known.
    Missing,
    /// Its parent is known, and the chain passes the finalized block by.
    PassesFinalized,
    /// Its parent is known, and is not on the chain that it has to extend.
    OtherFork,
}

/// Hands blocks of the next batches to the import, as far as they have come, link, and fit.
pub(super) fn hand_on(world: &mut World, range: &mut RangeSync) {
    let Some(round) = &mut range.round else { return };
    let mut room = room(world, round.number);
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
                if pass_over(world, round) {
                    continue;
                }
                return;
            }
        };
        if !is_linked {
            match link(world, round, parent, slot) {
                Link::Holds => note_linked(world, round, parent, slot),
                Link::PassesFinalized => {
                    pass_by(world, round, &peer);
                    return;
                }
                Link::OtherFork => {
                    blame(world, &peer, Fault::NoAnswer);
                    round.is_lost = true;
                    return;
                }
                Link::Missing => {
                    note_unlinked(world, round, peer, parent);
                    return;
                }
            }
        }
        room = hand_on_front(world, round, &peer, room);
        if room == 0 {
            return;
        }
    }
}

fn link(world: &World, round: &Round, parent: Root, slot: Slot) -> Link {
    if round.tip.as_ref().is_some_and(|tip| tip.root == parent) {
        return Link::Holds;
    }
    let tree = world.resource::<BlockTree>();
    let Some(id) = tree.find(&parent) else { return Link::Missing };
    let parent = Checkpoint { root: parent, slot: tree.slot(id) };
    let finalized = world.resource::<Finalized>().0;
    if slot > finalized.slot && !tree.is_ancestor(finalized, parent) {
        return Link::PassesFinalized;
    }
    match round.extends {
        Some(head) if !tree.is_ancestor(head, parent) => Link::OtherFork,
        _ => Link::Holds,
    }
}

/// Passes over a first batch that somebody says is empty when the first block of the next one stands
/// on what is known: that shows it better than a second peer's word. Whether it did.
fn pass_over(world: &mut World, round: &mut Round) -> bool {
    let (Some(first), Some(next)) = (round.batches.front(), round.batches.get(1)) else {
        return false;
    };
    let BatchState::Received { blocks, .. } = &next.state else { return false };
    let Some((_, block)) = blocks.front() else { return false };
    if first.empty.is_empty()
        || link(world, round, block.block.parent_root, block.block.slot) != Link::Holds
    {
        return false;
    }
    if let BatchState::Asked(id) = first.state {
        give_up_request(world, id);
    }
    round.batches.pop_front();
    true
}

/// Hands on as much of the first batch as there is room for. Returns the room left.
fn hand_on_front(world: &mut World, round: &mut Round, peer: &PeerId, mut room: usize) -> usize {
    let number = round.number;
    let Some(batch) = round.batches.front_mut() else { return room };
    let last_slot = batch.last();
    let BatchState::Received { blocks, bytes, .. } = &mut batch.state else { return room };
    while room > 0 {
        let Some((root, block)) = blocks.pop_front() else { break };
        *bytes = bytes.saturating_sub(bytes_of(&block));
        round.tip = Some(Tip { root, slot: block.block.slot, peer: peer.clone(), last_slot });
        let omitted_by = std::mem::take(&mut round.omitted_by);
        let source = Source { root, peer: peer.clone(), round: Some(number), omitted_by };
        hand_on_block(world, source, block);
        room -= 1;
    }
    room
}

/// The first batch links: who said otherwise was wrong, if its first block is valid.
fn note_linked(world: &mut World, round: &mut Round, parent: Root, slot: Slot) {
    let Some(batch) = round.batches.front_mut() else { return };
    if let BatchState::Received { is_linked, .. } = &mut batch.state {
        *is_linked = true;
    }
    let (empty, unlinked) = (std::mem::take(&mut batch.empty), std::mem::take(&mut batch.unlinked));
    round.retreat = Retreat::None;
    round.believed.clear();
    round.omitted_by = empty;
    let suspects = std::mem::take(&mut round.suspects);
    if round.tip.as_ref().is_some_and(|tip| tip.root == parent) {
        let omitted = suspects.into_iter().filter(|(_, last_slot)| slot <= *last_slot);
        round.omitted_by.extend(omitted.map(|(peer, _)| peer));
    }
    // Who said it twice left it out once.
    round.omitted_by.sort_unstable();
    round.omitted_by.dedup();
    for (peer, _) in unlinked {
        blame(world, &peer, Fault::NoAnswer);
    }
}

/// The peer's chain leaves out the finalized block.
fn pass_by(world: &mut World, round: &mut Round, peer: &PeerId) {
    tracing::debug!(%peer, "a peer's chain passes the finalized block by");
    world.resource_mut::<SyncCounts>().wrong_chain += 1;
    world.write_message(NetworkCommand::Disconnect {
        peer: peer.clone(),
        reason: DisconnectReason::WrongChain,
        ban: true,
    });
    blame(world, peer, Fault::NoAnswer);
    if let Some(batch) = round.batches.front_mut() {
        batch.state = BatchState::Waiting;
    }
}

/// The first batch does not link. Another peer is asked for it; when that does not help, the round
/// goes back.
fn note_unlinked(world: &mut World, round: &mut Round, peer: PeerId, parent: Root) {
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
    retreat(world, round, &unlinked, is_agreed);
}

fn retreat(world: &mut World, round: &mut Round, unlinked: &[(PeerId, Root)], is_agreed: bool) {
    let tip = round.tip.clone();
    // From the finalized block on, with nothing left out: who does not link there, never does.
    let finalized_slot = world.resource::<Finalized>().0.slot;
    let is_proven = !is_agreed
        && round.believed.is_empty()
        && round.batches.front().is_some_and(|batch| batch.start == finalized_slot + 1);
    if is_agreed || !round.believed.is_empty() {
        // Some know blocks where others know none. Who is right shows when they come.
        let last = tip.iter().map(|tip| (tip.peer.clone(), tip.last_slot));
        let mut suspects: Vec<(PeerId, Slot)> = round.believed.drain(..).chain(last).collect();
        suspects.retain(|(peer, _)| unlinked.iter().all(|(other, _)| other != peer));
        for (peer, _) in &suspects {
            blame(world, peer, Fault::NoAnswer);
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
            world.resource::<Finalized>().0.slot + 1
        }
        _ => {
            give_up(world, round, unlinked, is_proven);
            return;
        }
    };
    round.retreats += 1;
    if round.retreats > limits::MAX_RETREATS {
        give_up(world, round, unlinked, is_proven);
        return;
    }
    world.resource_mut::<SyncCounts>().retreats += 1;
    drop_batches(world, round);
    round.next_slot = start_slot;
}

/// Nothing links to what the node has: those who say so are left alone for a while.
fn give_up(world: &mut World, round: &mut Round, unlinked: &[(PeerId, Root)], is_proven: bool) {
    let fault = if is_proven { Fault::Unlinked } else { Fault::NoAnswer };
    for (peer, _) in unlinked {
        blame(world, peer, fault);
    }
    round.is_lost = true;
}
