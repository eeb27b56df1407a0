//! Each validator's newest counted vote, kept as payloads come and go.

use bevy_ecs::prelude::*;
use quintet_components::{
    attestations::{Known, LatestVote, LatestVotes, Member, Phase, PooledAttestation},
    chain::Finalized,
    containers::AggregationBits,
    tree::{BlockTree, VoteMove},
};

use super as pool;

/// What a vote says, as the fork choice counts it.
fn latest_vote(world: &World, vote: Entity) -> LatestVote {
    let data = world.get::<PooledAttestation>(vote).expect("a pool holds votes").data;
    let head = world.resource::<BlockTree>().find(&data.head.root);
    LatestVote { vote, slot: data.slot, head_slot: data.head.slot, head }
}

/// Counts a known payload: each participant votes for it, unless it has a newer vote, or one for
/// the same slot that is earlier in the pool.
pub(super) fn count_payload(world: &mut World, vote: Entity, participants: &AggregationBits) {
    let candidate = latest_vote(world, vote);
    world.resource_scope(|world, mut latest: Mut<LatestVotes>| {
        for index in participants.indices() {
            consider(&mut latest, index, candidate, |current| {
                let rank = |vote| world.get::<Member<Known>>(vote).map(|member| member.rank);
                rank(candidate.vote) < rank(current)
            });
        }
    });
}

fn consider(
    latest: &mut LatestVotes,
    index: u64,
    candidate: LatestVote,
    earlier_than: impl FnOnce(Entity) -> bool,
) {
    if candidate.head_slot <= latest.cutoff {
        return;
    }
    let index = usize::try_from(index).expect("a registry has at most 4096 validators");
    if index >= latest.votes.len() {
        latest.votes.resize(index + 1, None);
        latest.counted.resize(index + 1, None);
    }
    let better = latest.votes[index].is_none_or(|current| {
        candidate.slot > current.slot
            || candidate.slot == current.slot
                && candidate.vote != current.vote
                && earlier_than(current.vote)
    });
    if better {
        latest.votes[index] = Some(candidate);
        latest.changed.push(index);
    }
}

/// Forgets the votes for which `gone` holds, and finds each of their validators the next best.
pub(super) fn recount_where(world: &mut World, gone: impl Fn(&LatestVote) -> bool) {
    let mut latest = world.resource_mut::<LatestVotes>();
    let LatestVotes { votes, changed, .. } = &mut *latest;
    let mut dirty = vec![false; votes.len()];
    for (index, vote) in votes.iter_mut().enumerate() {
        if vote.as_ref().is_some_and(&gone) {
            *vote = None;
            dirty[index] = true;
            changed.push(index);
        }
    }
    if dirty.contains(&true) {
        recount(world, |index| dirty.get(index).copied().unwrap_or(false));
    }
}

/// Walks the known pool in order for these validators.
fn recount(world: &mut World, wanted: impl Fn(usize) -> bool) {
    world.resource_scope(|world, mut latest: Mut<LatestVotes>| {
        for vote in pool::members::<Known>(world) {
            let candidate = latest_vote(world, vote);
            for (_, payload) in pool::payloads(world, vote, Phase::Known) {
                for index in payload.participants.indices() {
                    if usize::try_from(index).is_ok_and(&wanted) {
                        // In pool order, the first of two for one slot is already there.
                        consider(&mut latest, index, candidate, |_| false);
                    }
                }
            }
        }
    });
}

/// Brings the tree's weights up to date with the votes and the finalized slot.
pub fn count_votes(world: &mut World) {
    let finalized_slot = world.resource::<Finalized>().0.slot;
    let cutoff = std::mem::replace(&mut world.resource_mut::<LatestVotes>().cutoff, finalized_slot);
    if finalized_slot > cutoff {
        recount_where(world, |vote| vote.head_slot <= finalized_slot);
    } else if finalized_slot < cutoff {
        // A reorganisation lowered it: votes that were skipped count again.
        let mut latest = world.resource_mut::<LatestVotes>();
        let LatestVotes { votes, changed, .. } = &mut *latest;
        votes.fill(None);
        changed.extend(0..votes.len());
        recount(world, |_| true);
    }
    world.resource_scope(|world, mut latest: Mut<LatestVotes>| {
        let LatestVotes { votes, counted, changed, .. } = &mut *latest;
        let mut moves = Vec::with_capacity(changed.len());
        for index in changed.drain(..) {
            let to = votes[index].and_then(|vote| vote.head);
            let from = std::mem::replace(&mut counted[index], to);
            if from != to {
                moves.push(VoteMove { from, to });
            }
        }
        world.resource_mut::<BlockTree>().move_votes(&moves);
    });
}
