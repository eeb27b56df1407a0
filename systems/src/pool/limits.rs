//! What bounds the pools, the tree and the states, whether or not the chain finalizes.
//!
//! Everything is anchored to the head: finality may stall for days. Dropping a known payload
//! takes it from block building only; what it says about the head stays counted.

use bevy_ecs::prelude::*;
use quintet_components::{
    attestations::{
        AttestationSignature, AttestationsByData, Known, LatestVotes, New, Payload,
        PooledAttestation, Signed,
    },
    chain::{Finalized, Head},
    clock::CurrentInterval,
    containers::{AttestationData, Checkpoint, Slot},
    tree::BlockTree,
};

use super::{self as pool, latest_votes};
use crate::admission::gossip;

/// The limits of a node's fork choice.
#[derive(Resource, Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolLimits {
    /// Votes kept, in all pools together.
    pub votes: usize,
    /// Bytes of signatures and proofs kept, in all pools together.
    pub bytes: usize,
    /// A vote goes when its slot is this far behind the head.
    pub window_slots: u64,
    /// Blocks go when their slot is this far behind the finalized one: what peers may still ask
    /// for.
    pub served_slots: u64,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self { votes: 4096, bytes: 128 << 20, window_slots: 3600, served_slots: 3600 }
    }
}

/// Drops, from every pool and on the way there, the votes whose head is not a descendant of the
/// finalized block: they can no longer move the head.
pub fn prune_stale_attestations(world: &mut World) {
    let finalized = world.resource::<Finalized>().0;
    world.resource_scope(|world, tree: Mut<BlockTree>| {
        gossip::mark_stale(world, |data| is_passed(&tree, finalized, data));
    });
    despawn_attestations(world, |data, tree| is_passed(tree, finalized, data));
    // A vote that only fork choice remembers is stale by the same rule.
    let tree = world.resource::<BlockTree>();
    let stale: Vec<bool> = (world.resource::<LatestVotes>().votes.iter())
        .map(|vote| {
            vote.as_ref().and_then(|vote| vote.head).is_some_and(|head| {
                let head = Checkpoint { root: tree[head].root, slot: tree.slot(head) };
                !tree.is_ancestor(finalized, head)
            })
        })
        .collect();
    if stale.contains(&true) {
        let gone: Vec<Entity> = world
            .resource::<LatestVotes>()
            .votes
            .iter()
            .zip(stale)
            .filter_map(|(vote, stale)| vote.filter(|_| stale).map(|vote| vote.vote))
            .collect();
        latest_votes::recount_where(world, |vote| gone.contains(&vote.vote));
    }
}

/// Whether finality has advanced past `finalized_before` and by that passed this vote.
pub fn is_stale(world: &World, finalized_before: Slot, data: &AttestationData) -> bool {
    let finalized = world.resource::<Finalized>().0;
    finalized.slot > finalized_before && is_passed(world.resource::<BlockTree>(), finalized, data)
}

/// Whether the head that is voted for is no descendant of the finalized block.
fn is_passed(tree: &BlockTree, finalized: Checkpoint, data: &AttestationData) -> bool {
    !(data.head.slot > finalized.slot && tree.is_ancestor(finalized, data.head))
}

fn despawn_attestations(world: &mut World, stale: impl Fn(&AttestationData, &BlockTree) -> bool) {
    let mut votes = world.query::<(Entity, &PooledAttestation)>();
    let tree = world.resource::<BlockTree>();
    let gone: Vec<Entity> = votes
        .iter(world)
        .filter(|(_, vote)| stale(&vote.data, tree))
        .map(|(entity, _)| entity)
        .collect();
    for vote in &gone {
        world.despawn(*vote);
    }
    if !gone.is_empty() {
        let gone: std::collections::HashSet<Entity> = gone.into_iter().collect();
        latest_votes::recount_where(world, |vote| gone.contains(&vote.vote));
    }
}

/// Brings the pools back within their limits: votes behind the window first, then the oldest.
/// Unlike [`prune_stale_attestations`] this forgets evidence, not opinions: latest votes stay counted.
///
/// Looks at every vote, so it runs once a slot, and in between only when an eighth more than the
/// limit has come in.
pub fn shrink_pools(world: &mut World, mut checked: Local<Slot>) {
    let limits = *world.get_resource_or_init::<PoolLimits>();
    let slot = world.resource::<CurrentInterval>().slot();
    let crowded = world.resource::<AttestationsByData>().len() > limits.votes + limits.votes / 8;
    if slot == *checked && !crowded {
        return;
    }
    *checked = slot;
    let oldest_slot = world.resource::<Head>().0.slot.saturating_sub(limits.window_slots);
    let mut votes = world.query::<(Entity, &PooledAttestation)>();
    let mut sizes: Vec<(Slot, Entity, usize)> = votes
        .iter(world)
        .map(|(entity, vote)| (vote.data.slot, entity, bytes_of(world, entity)))
        .collect();
    let mut bytes: usize = sizes.iter().map(|(_, _, bytes)| bytes).sum();
    let mut count = sizes.len();
    sizes.sort_unstable();
    for (slot, vote, size) in sizes {
        if slot >= oldest_slot && count <= limits.votes && bytes <= limits.bytes {
            break;
        }
        world.despawn(vote);
        count -= 1;
        bytes -= size;
    }
}

fn bytes_of(world: &World, vote: Entity) -> usize {
    let signatures = pool::signatures(world, vote).map(|(_, each)| signature_bytes(each));
    let payloads = pool::all_payloads(world, vote).map(payload_bytes);
    signatures.sum::<usize>() + payloads.sum::<usize>()
}

fn signature_bytes(signature: &AttestationSignature) -> usize {
    signature.signature.as_bytes().len()
}

fn payload_bytes(payload: &Payload) -> usize {
    payload.0.proof.as_bytes().len()
}

/// How many votes each pool has: signed, new, known.
pub fn pool_sizes(world: &World) -> [usize; 3] {
    [
        pool::members::<Signed>(world).len(),
        pool::members::<New>(world).len(),
        pool::members::<Known>(world).len(),
    ]
}
