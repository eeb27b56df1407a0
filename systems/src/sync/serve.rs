//! Answers requests of peers.

use bevy_ecs::prelude::*;
use quintet_components::{
    constants::MAX_REQUEST_BLOCKS,
    containers::{BlocksByRangeRequest, BlocksByRootRequest, Root, RootList, Slot},
    network::{Answer, NetworkCommand, Request, RequestReceived, ResponseError},
    storage::StoredHistory,
    sync::{SyncCounts, limits},
    tree::BlockTree,
};

use super::{
    chain_check::count_implausible,
    roles::{OwnChain, Peers},
};

/// Answers peers' requests at once. Blocks are named by root, and the network's readers read them.
pub fn answer_requests(
    mut requests: MessageReader<RequestReceived>,
    mut peers: Peers,
    chain: OwnChain,
    stored: Option<Res<StoredHistory>>,
    mut counts: ResMut<SyncCounts>,
    mut network: MessageWriter<NetworkCommand>,
) {
    let now_slot = peers.now.slot();
    for RequestReceived { id, peer, request } in requests.read() {
        let answer = match request {
            Request::Status(status) => {
                count_implausible(&mut counts, status, now_slot);
                peers.note_status(peer, *status);
                Answer::Status(chain.status())
            }
            Request::BlocksByRoot(request) => Answer::Blocks(distinct(request).into()),
            Request::BlocksByRange(request) => {
                match served_range(&chain, stored.as_deref(), *request, now_slot) {
                    Ok(roots) => Answer::Blocks(roots.into()),
                    Err(error) => Answer::Error(error),
                }
            }
        };
        counts.answered += 1;
        if let Answer::Error(error) = &answer {
            tracing::debug!(%peer, %error, "a request is refused");
            counts.refused += 1;
        }
        network.write(NetworkCommand::Respond { id: *id, answer });
    }
}

/// The blocks that the store has from before the tree begins. The head's post-state has the roots.
#[derive(Clone, Copy)]
pub struct ServedHistory<'a> {
    /// The roots of the head's chain by slot, zero for empty slots.
    pub roots: &'a RootList,
    /// The store has every block from this slot on.
    pub from: Slot,
}

fn served_range(
    chain: &OwnChain,
    stored: Option<&StoredHistory>,
    request: BlocksByRangeRequest,
    now_slot: Slot,
) -> Result<Vec<Root>, ResponseError> {
    let head = chain.head().root;
    let history = stored.zip(chain.state(&head)).map(|(stored, state)| ServedHistory {
        roots: &state.historical_block_hashes,
        from: stored.from(),
    });
    range_of(&chain.tree, &head, request, now_slot, history)
}

/// The roots of a request, each once, in the order of the request.
fn distinct(request: &BlocksByRootRequest) -> Vec<Root> {
    let mut seen = std::collections::HashSet::new();
    request.roots.0.iter().filter(|root| seen.insert(**root)).copied().collect()
}

/// The roots of the head's chain in a range of slots, ascending, without empty slots. Roots from
/// before the tree's first block come from the history, as far as the store has the blocks.
///
/// # Errors
/// `InvalidRequest` for a count of zero or above the limit, `ResourceUnavailable` for a start
/// before the slots that are served, or before what is known.
pub fn range_of(
    tree: &BlockTree,
    head: &Root,
    request: BlocksByRangeRequest,
    now_slot: Slot,
    history: Option<ServedHistory<'_>>,
) -> Result<Vec<Root>, ResponseError> {
    let BlocksByRangeRequest { start_slot, count } = request;
    if count == 0 || count > MAX_REQUEST_BLOCKS as u64 {
        return Err(ResponseError::InvalidRequest("Invalid count".into()));
    }
    if start_slot < now_slot.saturating_sub(limits::SERVED_SLOTS) {
        let text = "Requested slot predates history window";
        return Err(ResponseError::ResourceUnavailable(text.into()));
    }
    let last_slot = start_slot.saturating_add(count - 1);
    let mut at = tree.find(head).and_then(|head| tree.ancestor_at(head, last_slot));
    let mut roots = Vec::new();
    // A tree that begins after the start of the range does not have the blocks before it.
    let mut is_complete = false;
    let mut first_known = last_slot.saturating_add(1);
    while let Some(id) = at {
        let slot = tree.slot(id);
        is_complete = slot <= start_slot;
        first_known = slot;
        if slot >= start_slot {
            roots.push(tree[id].root);
        }
        if is_complete {
            break;
        }
        at = tree.parent(id);
    }
    if let Some(history) = history.filter(|each| !is_complete && each.from <= start_slot) {
        let older = (start_slot..first_known).rev().filter_map(|slot| history.roots.get(slot));
        roots.extend(older.filter(|root| **root != Root::ZERO));
        is_complete = true;
    }
    if !is_complete {
        let text = "Requested slot predates the oldest block";
        return Err(ResponseError::ResourceUnavailable(text.into()));
    }
    roots.reverse();
    Ok(roots)
}
