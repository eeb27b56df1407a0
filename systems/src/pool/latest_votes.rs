//! Each validator's latest vote, updated as payloads are added and removed.

use std::cmp::Ordering;

use bevy_ecs::entity::Entity;
use quintet_components::{
    attestations::{LatestVote, LatestVotes},
    containers::ValidatorIndex,
    rules::VoteTie,
};

/// Counts a vote of a validator, unless it has a newer one, or one for the same slot whose
/// attestation data has the larger root. The result depends on what is held and not on the order of
/// arrival. If the rules say that the pool's order decides, `is_earlier_than` decides.
pub(super) fn consider(
    latest: &mut LatestVotes,
    index: ValidatorIndex,
    candidate: LatestVote,
    tie: VoteTie,
    is_earlier_than: impl FnOnce(Entity) -> bool,
) {
    if candidate.head_slot <= latest.cutoff {
        return;
    }
    let index = usize::try_from(index).expect("a registry has at most 4096 validators");
    reach(latest, index);
    let counts =
        latest.votes[index].is_none_or(|current| match candidate.slot.cmp(&current.slot) {
            Ordering::Less => false,
            Ordering::Greater => true,
            Ordering::Equal if candidate.attestation == current.attestation => false,
            Ordering::Equal => match tie {
                VoteTie::LargerRoot => candidate.root > current.root,
                VoteTie::EarlierInPool => is_earlier_than(current.attestation),
            },
        });
    if counts {
        latest.votes[index] = Some(candidate);
        latest.changed.push(index);
    }
}

fn reach(latest: &mut LatestVotes, index: usize) {
    if index >= latest.votes.len() {
        latest.votes.resize(index + 1, None);
        latest.counted.resize(index + 1, None);
    }
}

/// Forgets the votes for which `gone` is true. Returns the validators that lost theirs.
pub(super) fn forget_where(
    latest: &mut LatestVotes,
    gone: impl Fn(&LatestVote) -> bool,
) -> Vec<bool> {
    let LatestVotes { votes, changed, .. } = latest;
    let mut dirty = vec![false; votes.len()];
    for (index, vote) in votes.iter_mut().enumerate() {
        if vote.as_ref().is_some_and(&gone) {
            *vote = None;
            dirty[index] = true;
            changed.push(index);
        }
    }
    dirty
}
