//! A mesh that has gone silent: the peers' chain goes on, and no block of it comes by gossip.
//!
//! Gossip tells its topics once a connection. When one side has lost them, neither notices, and the
//! blocks come only when they are asked for, slots late. A new connection begins anew.

use std::collections::VecDeque;

use bevy_ecs::{prelude::*, system::SystemParam};
use quintet_components::{
    constants::SLOT_DURATION_MS,
    containers::{Root, Slot},
    duties::BlockProduced,
    messages::{BlockImported, BlockReceived},
    network::{NetworkCommand, PeerId},
    sync::{Backoff, SyncCounts, limits},
};

use super::{
    roles::Peers,
    state::Awake,
    target::{PeerView, is_plausible},
};

/// What was last heard of the chain without asking for it.
#[derive(Resource, Clone, Debug, Default)]
pub struct GossipHeard {
    /// The newest slot of a block that came by gossip and was imported, or that this node made. Nothing
    /// from before the slot in which the node began or woke could have come.
    newest_slot: Slot,
    /// The waking that it counts from, in Unix milliseconds.
    awake_since_ms: Option<u64>,
    /// Blocks that came by gossip and are not imported yet, oldest first; [`MAX_PENDING`] at most.
    pending: VecDeque<Root>,
    /// How often in a row peers were called anew, and for how long none is.
    backoff: Backoff,
}

/// Blocks that came by gossip and are remembered until they are imported, at most. When the oldest is
/// forgotten, a mesh is taken for silent too early, which costs one new connection.
const MAX_PENDING: usize = 256;

/// Blocks that come without being asked for.
#[derive(SystemParam)]
pub struct UnaskedBlocks<'w, 's> {
    received: MessageReader<'w, 's, BlockReceived>,
    imported: MessageReader<'w, 's, BlockImported>,
    produced: MessageReader<'w, 's, BlockProduced>,
}

impl GossipHeard {
    /// Notes what came since the last call. What was only sent says nothing: anybody can send.
    fn note(&mut self, unasked: &mut UnaskedBlocks, now_slot: Slot) {
        let received = unasked.received.read().filter(|block| !block.id.is_requested());
        self.pending.extend(received.map(|block| block.root));
        let mut newest = self.newest_slot;
        for BlockImported { root, block, .. } in unasked.imported.read() {
            if let Some(at) = self.pending.iter().position(|pending| pending == root) {
                self.pending.remove(at);
                self.backoff.reset();
                newest = newest.max(block.block.slot);
            }
        }
        for BlockProduced(block) in unasked.produced.read() {
            newest = newest.max(block.block.slot);
        }
        self.newest_slot = newest.min(now_slot);
        let excess = self.pending.len().saturating_sub(MAX_PENDING);
        self.pending.drain(..excess);
    }
}

/// Has the network call anew the peers whose chain has gone on for
/// [`limits::SILENT_MESH_SLOTS`] while nothing came by gossip, ever more seldom while that does not help.
pub fn renew_silent_mesh(
    mut unasked: UnaskedBlocks,
    mut heard: ResMut<GossipHeard>,
    peers: Peers,
    awake: Res<Awake>,
    mut counts: ResMut<SyncCounts>,
    mut network: MessageWriter<NetworkCommand>,
) {
    let (now_ms, now_slot) = (peers.now.ms(), peers.now.slot());
    if heard.awake_since_ms != Some(awake.since_ms()) {
        let awake_since_ms = Some(awake.since_ms());
        *heard = GossipHeard { newest_slot: now_slot, awake_since_ms, ..GossipHeard::default() };
    }
    heard.note(&mut unasked, now_slot);
    let silent_from = heard.newest_slot.saturating_add(limits::SILENT_MESH_SLOTS);
    if now_slot < silent_from || heard.backoff.is_on(now_ms) {
        return;
    }
    let views = peers.views();
    let silent: Vec<PeerId> = views
        .iter()
        .filter(|view| has_gone_on(view, silent_from, now_slot))
        .map(|view| view.id.clone())
        .collect();
    if silent.is_empty() {
        return;
    }
    tracing::info!(
        peers = silent.len(),
        since_slot = heard.newest_slot,
        "the chain goes on and no block of it comes by gossip: these peers are called anew"
    );
    heard.backoff.fail(now_ms, limits::RENEW_BACKOFF_MS, limits::MAX_RENEW_BACKOFF_MS);
    counts.mesh_renewals += 1;
    network.write_batch(silent.into_iter().map(NetworkCommand::Reconnect));
}

/// Returns true if a peer has lately said that its head is at this slot or after it.
fn has_gone_on(view: &PeerView, slot: Slot, now_slot: Slot) -> bool {
    let is_new = view.status_age_ms <= limits::STATUS_PERIOD_SLOTS * SLOT_DURATION_MS;
    is_new
        && view
            .status
            .is_some_and(|status| is_plausible(&status, now_slot) && status.head.slot >= slot)
}
