//! The orphan policy: which blocks without a parent are kept, and which are dropped.
//!
//! - A block whose ancestor was refused is refused.
//! - A block at or before the finalized slot, or after the next slot, is not kept.
//! - Each source has its share of places and bytes. If it sends more, its own block that is
//!   farthest from the head is dropped.
//! - If all sources together send more than there is room for, the source with the most loses its
//!   farthest block. No source can therefore displace blocks of a source that sent fewer.

use bevy_ecs::prelude::*;
use quintet_components::{
    containers::{Root, Slot},
    messages::{
        BlockImported, BlockOrphaned, BlockReceived, BlockRefused, IgnoreReason, InputId,
        InputJudged, Source, Verdict,
    },
    rejection::{Rejection, RejectionReason},
    sync::{
        OrphanShare, Orphans, SyncCounts,
        limits::{
            MAX_ORPHAN_BYTES, MAX_ORPHAN_BYTES_PER_SOURCE, MAX_ORPHANS, MAX_ORPHANS_PER_SOURCE,
        },
    },
};

use super::roles::{ImportDoor, Now, OwnChain};

/// The slots whose blocks are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    /// The finalized slot: a block must be after it.
    finalized_slot: Slot,
    /// The head's slot: blocks farther from it are dropped first.
    head_slot: Slot,
    /// The newest slot that a block may have.
    newest_slot: Slot,
}

impl Window {
    fn of(chain: &OwnChain, now: &Now) -> Self {
        Self {
            finalized_slot: chain.finalized().slot,
            head_slot: chain.head().slot,
            newest_slot: now.slot().saturating_add(1),
        }
    }
}

/// Remembers the blocks that were refused for good: their descendants are refused too. A block is
/// not refused for good for its proof, because the root does not cover the proof, nor for a missing
/// parent, because the parent may still arrive.
pub fn remember_refused(mut refused: MessageReader<BlockRefused>, mut orphans: ResMut<Orphans>) {
    use RejectionReason::{InvalidBlockProof, UnknownParentBlock};
    for BlockRefused { root, reason } in refused.read() {
        if !matches!(reason, InvalidBlockProof | UnknownParentBlock) {
            orphans.note_refused(*root);
        }
    }
}

/// Keeps blocks whose parent is unknown, and judges those that are not kept or are dropped.
pub fn hold_orphans(
    mut arrived: MessageReader<BlockOrphaned>,
    mut orphans: ResMut<Orphans>,
    (chain, now): (OwnChain, Now),
    mut counts: ResMut<SyncCounts>,
    mut judged: MessageWriter<InputJudged>,
) {
    if arrived.is_empty() {
        return;
    }
    let window = Window::of(&chain, &now);
    for BlockOrphaned(block) in arrived.read() {
        judged.write_batch(hold(&mut orphans, &mut counts, window, block.clone()));
    }
}

/// Admits the waiting children of imported blocks again.
pub fn release_orphans(
    mut imported: MessageReader<BlockImported>,
    mut orphans: ResMut<Orphans>,
    mut counts: ResMut<SyncCounts>,
    mut door: ImportDoor,
) {
    let imported = imported.read().map(|BlockImported { root, .. }| *root);
    let released: Vec<BlockReceived> = imported.flat_map(|root| orphans.release(&root)).collect();
    if !released.is_empty() {
        counts.orphans_released += released.len() as u64;
        door.release(released);
    }
}

/// Refuses the descendants of refused blocks, and drops blocks that finality has passed.
pub fn drop_hopeless_orphans(
    mut orphans: ResMut<Orphans>,
    chain: OwnChain,
    mut counts: ResMut<SyncCounts>,
    mut judged: MessageWriter<InputJudged>,
) {
    // This avoids marking unchanged data as changed.
    if orphans.is_empty() && !orphans.has_newly_refused() {
        return;
    }
    for refused in orphans.take_newly_refused() {
        for BlockReceived { id, block, .. } in orphans.release_descendants(&refused) {
            judged.write(refuse(id, block.block.parent_root));
        }
    }
    for root in orphans.up_to(chain.finalized().slot) {
        judged.write_batch(drop_one(&mut orphans, &mut counts, &root, IgnoreReason::FarFromHead));
    }
}

/// Keeps a block. Returns the items that are judged because of it: the block itself if it is not
/// kept, and blocks that it displaces.
fn hold(
    orphans: &mut Orphans,
    counts: &mut SyncCounts,
    window: Window,
    received: BlockReceived,
) -> Vec<InputJudged> {
    let BlockReceived { id, root, .. } = received;
    let (slot, parent) = (received.block.block.slot, received.block.block.parent_root);
    if orphans.is_refused(&parent) {
        orphans.note_refused(root);
        return vec![refuse(id, parent)];
    }
    if orphans.contains(&root) {
        return vec![ignore(id, IgnoreReason::KnownBlock)];
    }
    if slot <= window.finalized_slot || slot > window.newest_slot {
        counts.orphans_dropped += 1;
        return vec![ignore(id, IgnoreReason::FarFromHead)];
    }
    counts.orphans_held += 1;
    let source = received.source.clone();
    orphans.insert(received);
    let mut judged = Vec::new();
    while let Some((giving_way, why)) = who_gives_way(orphans, &source) {
        let Some(root) = farthest_of(orphans, &giving_way, window.head_slot) else { break };
        judged.extend(drop_one(orphans, counts, &root, why));
    }
    judged
}

/// The source that has to drop a block, if any, after a block of `newest` arrived.
fn who_gives_way(orphans: &Orphans, newest: &Source) -> Option<(Source, IgnoreReason)> {
    let has_too_much = |share: OrphanShare| {
        share.blocks > MAX_ORPHANS_PER_SOURCE || share.bytes > MAX_ORPHAN_BYTES_PER_SOURCE
    };
    if orphans.shares().any(|(source, share)| source == newest && has_too_much(share)) {
        return Some((newest.clone(), IgnoreReason::SenderFull));
    }
    let size: fn(OrphanShare) -> usize = if orphans.bytes() > MAX_ORPHAN_BYTES {
        |share| share.bytes
    } else if orphans.len() > MAX_ORPHANS {
        |share| share.blocks
    } else {
        return None;
    };
    // If several have the same size, the source of the newest block.
    let most = orphans.shares().max_by_key(|(source, share)| (size(*share), *source == newest));
    most.map(|(source, _)| (source.clone(), IgnoreReason::NoRoom))
}

/// The block of a source that is farthest from the head.
fn farthest_of(orphans: &Orphans, source: &Source, head_slot: Slot) -> Option<Root> {
    let ends = orphans.ends_of(source)?;
    let farthest = ends.into_iter().max_by_key(|(slot, _)| head_slot.abs_diff(*slot));
    farthest.map(|(_, root)| root)
}

fn drop_one(
    orphans: &mut Orphans,
    counts: &mut SyncCounts,
    root: &Root,
    why: IgnoreReason,
) -> Option<InputJudged> {
    let received = orphans.remove(root)?;
    counts.orphans_dropped += 1;
    Some(ignore(received.id, why))
}

/// Drops all descendants of this block, which no peer has. Returns what is dropped.
pub(super) fn drop_descendants(
    orphans: &mut Orphans,
    counts: &mut SyncCounts,
    root: &Root,
) -> Vec<BlockReceived> {
    let gone = orphans.release_descendants(root);
    counts.orphans_dropped += gone.len() as u64;
    gone
}

pub(super) const fn ignore(id: InputId, why: IgnoreReason) -> InputJudged {
    InputJudged { id, verdict: Verdict::Ignored(why) }
}

fn refuse(id: InputId, parent: Root) -> InputJudged {
    let rejection: Rejection =
        RejectionReason::UnknownParentBlock.because(format!("its ancestor {parent} was refused"));
    InputJudged { id, verdict: Verdict::Rejected(rejection) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use quintet_components::containers::{Block, SignedBlock};

    use super::*;

    const WINDOW: Window = Window { finalized_slot: 0, head_slot: 0, newest_slot: 1_000 };

    fn source(number: usize) -> Source {
        Source::Peer((&*format!("p{number:03}")).into())
    }

    fn sent_by(number: usize, slot: Slot) -> BlockReceived {
        let parent_root = Root::left_padding_from(&(number as u64).to_be_bytes());
        let block = Block { slot, parent_root, ..Block::default() };
        let block = SignedBlock { block, proof: Default::default() };
        let received = BlockReceived::new(InputId(slot), Arc::new(block));
        BlockReceived { source: source(number), ..received }
    }

    fn share(orphans: &Orphans, number: usize) -> usize {
        let found = orphans.shares().find(|(each, _)| **each == source(number));
        found.map_or(0, |(_, share)| share.blocks)
    }

    #[test]
    fn a_source_that_sends_too_much_gives_way_with_its_own_farthest_block() {
        let (mut orphans, mut counts) = (Orphans::default(), SyncCounts::default());
        hold(&mut orphans, &mut counts, WINDOW, sent_by(1, 999));
        for slot in (1..=MAX_ORPHANS_PER_SOURCE as u64).rev() {
            assert_eq!(hold(&mut orphans, &mut counts, WINDOW, sent_by(0, slot)), []);
        }
        let beyond = hold(&mut orphans, &mut counts, WINDOW, sent_by(0, 500));
        assert_eq!(beyond, [ignore(InputId(500), IgnoreReason::SenderFull)]);
        assert_eq!((share(&orphans, 0), share(&orphans, 1)), (MAX_ORPHANS_PER_SOURCE, 1));
    }

    #[test]
    fn whoever_has_most_gives_way_and_never_a_source_with_fewer() {
        let (mut orphans, mut counts) = (Orphans::default(), SyncCounts::default());
        hold(&mut orphans, &mut counts, WINDOW, sent_by(0, 999));
        for number in 1..=300 {
            for slot in 1..=8 {
                hold(&mut orphans, &mut counts, WINDOW, sent_by(number, slot));
                assert!(orphans.len() <= MAX_ORPHANS);
            }
        }
        assert_eq!(share(&orphans, 0), 1, "far from the head, and still there");
        let most = orphans.shares().map(|(_, share)| share.blocks).max();
        assert_eq!(most, Some(1), "three hundred sources are more than there is room for");
    }
}
