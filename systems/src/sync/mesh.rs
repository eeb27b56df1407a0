//! Detects a silent mesh: the peers' chain advances, but none of its blocks arrive by gossip.
//!
//! Gossip announces its topics once per connection. If one side has lost them, neither side
//! notices, and blocks arrive only when they are requested, slots late. On a new connection the
//! topics are announced again.

use std::collections::VecDeque;

use bevy_ecs::{prelude::*, system::SystemParam};
use quintet_components::{
    constants::SLOT_DURATION_MS,
    containers::{Root, Slot},
    duties::BlockProduced,
    messages::{BlockImported, BlockReceived},
    network::{NetworkCommand, PeerId},
    sync::{Backoff, SyncCounts, limits},
    tree::BlockTree,
};

use super::{
    roles::Peers,
    state::Awake,
    target::{PeerView, is_plausible},
};

/// The newest block that arrived without being requested.
#[derive(Resource, Clone, Debug, Default)]
pub struct GossipHeard {
    /// The newest slot of a block that arrived by gossip and was imported, or that this node made.
    /// Nothing from before the slot in which the node started or woke could have arrived.
    newest_slot: Slot,
    /// The time of the waking from which the node counts, in Unix milliseconds.
    awake_since_ms: Option<u64>,
    /// Blocks that arrived by gossip and are not imported yet, oldest first, at most
    /// [`MAX_PENDING`].
    pending: VecDeque<Root>,
    /// The number of times in a row that peers were dialled again, and the pause until the next
    /// time.
    backoff: Backoff,
}

/// The largest number of blocks that arrived by gossip and are remembered until they are imported.
/// If the oldest is forgotten, a mesh may be considered silent too early, which costs one new
/// connection.
const MAX_PENDING: usize = 256;

/// Blocks that arrive without being requested.
#[derive(SystemParam)]
pub struct UnaskedBlocks<'w, 's> {
    received: MessageReader<'w, 's, BlockReceived>,
    imported: MessageReader<'w, 's, BlockImported>,
    produced: MessageReader<'w, 's, BlockProduced>,
}

impl GossipHeard {
    /// Notes the blocks that arrived since the last call. A block counts only when it is imported,
    /// because anybody can send blocks.
    fn note(&mut self, unasked: &mut UnaskedBlocks, tree: &BlockTree, now_slot: Slot) {
        let mut newest = self.newest_slot;
        for received in unasked.received.read().filter(|block| !block.id.is_requested()) {
            // It may already be imported, or may have been requested.
            if tree.contains(&received.root) {
                newest = newest.max(received.block.block.slot);
            } else {
                self.pending.push_back(received.root);
            }
        }
        for BlockImported { root, block, .. } in unasked.imported.read() {
            if let Some(at) = self.pending.iter().position(|pending| pending == root) {
                self.pending.remove(at);
                newest = newest.max(block.block.slot);
            }
        }
        if newest > self.newest_slot {
            self.backoff.reset();
        }
        for BlockProduced(block) in unasked.produced.read() {
            newest = newest.max(block.block.slot);
        }
        self.newest_slot = newest.min(now_slot);
        let excess = self.pending.len().saturating_sub(MAX_PENDING);
        self.pending.drain(..excess);
    }
}

/// Makes the network dial again the peers whose chain has advanced for
/// [`limits::SILENT_MESH_SLOTS`] while no block arrived by gossip. The pauses grow while that does
/// not help.
pub fn renew_silent_mesh(
    mut unasked: UnaskedBlocks,
    mut heard: ResMut<GossipHeard>,
    peers: Peers,
    (awake, tree): (Res<Awake>, Res<BlockTree>),
    mut counts: ResMut<SyncCounts>,
    mut network: MessageWriter<NetworkCommand>,
) {
    let (now_ms, now_slot) = (peers.now.ms(), peers.now.slot());
    if heard.awake_since_ms != Some(awake.since_ms()) {
        let awake_since_ms = Some(awake.since_ms());
        *heard = GossipHeard { newest_slot: now_slot, awake_since_ms, ..GossipHeard::default() };
    }
    heard.note(&mut unasked, &tree, now_slot);
    let has_heard_lately = now_slot < heard.newest_slot.saturating_add(limits::SILENT_MESH_SLOTS);
    if has_heard_lately || heard.backoff.is_on(now_ms) {
        return;
    }
    let views = peers.views();
    let silent: Vec<PeerId> = views
        .iter()
        .filter(|view| has_gone_on(view, heard.newest_slot, now_slot))
        .map(|view| view.id.clone())
        .collect();
    if silent.is_empty() {
        return;
    }
    tracing::info!(
        peers = silent.len(),
        since_slot = heard.newest_slot,
        "the chain advances and none of its blocks arrive by gossip: these peers are dialled again"
    );
    heard.backoff.fail(now_ms, limits::RENEW_BACKOFF_MS, limits::MAX_RENEW_BACKOFF_MS);
    counts.mesh_renewals += 1;
    network.write_batch(silent.into_iter().map(NetworkCommand::Reconnect));
}

/// Returns true if a peer has recently said that its chain has advanced since it connected and
/// since the newest block that arrived by gossip.
fn has_gone_on(view: &PeerView, newest_slot: Slot, now_slot: Slot) -> bool {
    let since = newest_slot.max(view.sync.connected_slot);
    let is_new = view.status_age_ms <= limits::STATUS_PERIOD_SLOTS * SLOT_DURATION_MS;
    let status = view.status.filter(|status| is_new && is_plausible(status, now_slot));
    status.is_some_and(|status| status.head.slot >= since.saturating_add(limits::SILENT_MESH_SLOTS))
}
