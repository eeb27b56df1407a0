//! What the import of blocks brings about: held blocks and votes are released, and whoever sent a
//! bad block is blamed.

use std::{collections::BTreeMap, sync::Arc};

use bevy_ecs::{message::MessageCursor, message::Messages, prelude::*};
use quintet_components::{
    chain::{Finalized, Head},
    clock::CurrentInterval,
    containers::{Root, SignedBlock},
    messages::{BlockImported, BlockReceived, IgnoreReason, InputId, InputJudged, Verdict},
    network::PeerId,
    rejection::RejectionReason,
    sync::{OrphanWindow, Orphans, Released, SyncCounts, WaitingAttestations},
    tree::BlockTree,
    waker::NodeWaker,
};

use super::{
    peers::{Fault, blame, credit, time_of},
    range,
};

/// Where blocks that the node asked for came from, until they are judged.
#[derive(Resource, Debug, Default)]
pub struct RequestedBlocks {
    handed_in: u64,
    sources: BTreeMap<InputId, Source>,
}

/// Where a block came from that the node asked for.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) root: Root,
    pub(super) peer: PeerId,
    /// The round of range sync, for its blocks.
    pub(super) round: Option<u64>,
    /// Who said that there is no such block. They are blamed for that if it is valid.
    pub(super) omitted_by: Vec<PeerId>,
}

impl RequestedBlocks {
    /// Blocks of a round that are not judged yet.
    pub(super) fn pending_of(&self, round: u64) -> usize {
        self.sources.values().filter(|source| source.round == Some(round)).count()
    }

    /// Blocks that are not judged yet.
    pub fn len(&self) -> usize {
        self.sources.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }
}

/// Hands a block that was asked for to the import. It is admitted in the next update, which is
/// asked for.
pub(super) fn hand_in(world: &mut World, source: Source, block: Arc<SignedBlock>) {
    let root = source.root;
    let mut requested = world.resource_mut::<RequestedBlocks>();
    let id = InputId::requested(requested.handed_in);
    requested.handed_in += 1;
    requested.sources.insert(id, source);
    world.write_message(BlockReceived { id, root, block });
    world.resource::<NodeWaker>().wake();
}

/// Reads what was imported and judged since the last update.
pub fn follow_imports(
    world: &mut World,
    mut imported: Local<MessageCursor<BlockImported>>,
    mut judged: Local<MessageCursor<InputJudged>>,
) {
    let verdicts: Vec<InputJudged> = judged
        .read(world.resource::<Messages<InputJudged>>())
        .filter(|judged| judged.id.is_requested())
        .cloned()
        .collect();
    for InputJudged { id, verdict } in verdicts {
        if let Some(source) = world.resource_mut::<RequestedBlocks>().sources.remove(&id) {
            follow_verdict(world, source, &verdict);
        }
    }
    let imported: Vec<Root> = imported
        .read(world.resource::<Messages<BlockImported>>())
        .map(|BlockImported { root, .. }| *root)
        .collect();
    release(world, &imported);
    drop_hopeless(world);
}

fn follow_verdict(world: &mut World, source: Source, verdict: &Verdict) {
    let is_valid = match verdict {
        Verdict::Accepted => true,
        // In the queue it may have another proof, which nobody has checked.
        Verdict::Ignored(IgnoreReason::KnownBlock) => {
            world.resource::<BlockTree>().contains(&source.root)
        }
        _ => false,
    };
    if is_valid {
        blame_omission(world, source.omitted_by);
    }
    match verdict {
        Verdict::Accepted => {
            credit(world, &source.peer);
            range::note_progress(world, source.round);
        }
        Verdict::Ignored(IgnoreReason::KnownBlock) => {}
        Verdict::Ignored(_) => range::note_lost(world, source.round),
        Verdict::Rejected(rejection) => {
            // Its parent was refused: who sent that is to blame.
            if rejection.reason != RejectionReason::UnknownParentBlock {
                blame(world, &source.peer, Fault::InvalidBlock);
            }
            range::note_lost(world, source.round);
        }
    }
}

/// These said that a block does not exist which is valid.
pub(super) fn blame_omission(world: &mut World, peers: Vec<PeerId>) {
    for peer in peers {
        blame(world, &peer, Fault::Omitted);
    }
}

/// What waited for these blocks arrives again.
fn release(world: &mut World, imported: &[Root]) {
    if imported.is_empty() {
        return;
    }
    let mut orphans = world.resource_mut::<Orphans>();
    let blocks: Vec<BlockReceived> =
        imported.iter().flat_map(|root| orphans.release(root)).collect();
    let released = world.resource_scope(|world, mut waiting: Mut<WaitingAttestations>| {
        let tree = world.resource::<BlockTree>();
        if waiting.is_empty() {
            return Released::default();
        }
        waiting.release(|root| tree.contains(root))
    });
    let Released { votes, aggregates } = released;
    let mut counts = world.resource_mut::<SyncCounts>();
    counts.orphans_released += blocks.len() as u64;
    counts.votes_released += (votes.len() + aggregates.len()) as u64;
    if !(blocks.is_empty() && votes.is_empty() && aggregates.is_empty()) {
        world.resource::<NodeWaker>().wake();
    }
    world.write_message_batch(blocks);
    world.write_message_batch(aggregates);
    world.write_message_batch(votes);
}

/// What waits for a block that was refused, that finality has passed, or for too long, is judged.
fn drop_hopeless(world: &mut World) {
    let (_, now_slot) = time_of(world);
    let window = OrphanWindow {
        finalized_slot: world.resource::<Finalized>().0.slot,
        head_slot: world.resource::<Head>().0.slot,
        newest_slot: now_slot.saturating_add(1),
    };
    let now = world.resource::<CurrentInterval>().count;
    let mut orphans = world.resource_mut::<Orphans>();
    let mut judged = orphans.refuse_descendants();
    judged.extend(orphans.set_window(window));
    let (held, dropped) = orphans.counts();
    let mut waiting = world.resource_mut::<WaitingAttestations>();
    let expired = waiting.expire(now);
    let votes_held = waiting.held();
    let mut counts = world.resource_mut::<SyncCounts>();
    (counts.orphans_held, counts.orphans_dropped) = (held, dropped);
    counts.votes_held = votes_held;
    counts.votes_expired += expired.len() as u64;
    world.write_message_batch(judged);
    world.write_message_batch(expired);
}
