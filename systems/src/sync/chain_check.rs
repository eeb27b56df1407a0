//! Checks that a peer is on this node's chain, as far as its status shows.

use bevy_ecs::prelude::*;
use quintet_components::{
    containers::{Checkpoint, Root, Slot, State, Status},
    network::{LastStatus, Peer, PeerFault, PeerFaulted, PeerId},
    sync::SyncCounts,
    tree::BlockTree,
};

use super::{roles::OwnChain, target::is_plausible};

/// Returns true if the finalized block of a status cannot be on this node's finalized chain. The
/// head's post-state has the root of every earlier slot; empty slots are zero.
fn is_other_chain(
    status: &Status,
    finalized: Checkpoint,
    tree: &BlockTree,
    head_state: Option<&State>,
) -> bool {
    let theirs = status.finalized;
    // A node that has not seen a block yet may not know its genesis block's root.
    if theirs.slot == 0 && theirs.root == Root::ZERO {
        return false;
    }
    if theirs.slot == finalized.slot {
        return theirs.root != finalized.root;
    }
    if theirs.slot < finalized.slot {
        let ours = head_state.and_then(|state| state.historical_block_hashes.get(theirs.slot));
        return ours.is_some_and(|ours| *ours != theirs.root);
    }
    // The peer has finalized more: its chain has to contain this node's finalized block, as far as
    // its blocks are known.
    tree.find(&theirs.root).is_some_and(|id| {
        let known = Checkpoint { root: theirs.root, slot: tree.slot(id) };
        !tree.is_ancestor(finalized, known)
    })
}

/// Announces the peers whose new status shows that they are on another chain.
pub fn check_chains(
    changed: Query<(&Peer, &LastStatus), Changed<LastStatus>>,
    chain: OwnChain,
    mut faults: MessageWriter<PeerFaulted>,
) {
    let head_state = chain.state(&chain.head().root);
    let is_wrong = |last: &LastStatus| {
        is_other_chain(&last.status, chain.finalized(), &chain.tree, head_state)
    };
    let wrong = changed.iter().filter(|(_, last)| is_wrong(last));
    let mut wrong: Vec<PeerId> = wrong.map(|(peer, _)| peer.id.clone()).collect();
    wrong.sort_unstable();
    let fault = PeerFault::WrongChain;
    faults.write_batch(wrong.into_iter().map(|peer| PeerFaulted { peer, fault }));
}

/// Counts a status that is not believed.
pub(super) fn count_implausible(counts: &mut SyncCounts, status: &Status, now_slot: Slot) {
    if !is_plausible(status, now_slot) {
        counts.implausible_statuses += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_root_at_a_finalized_slot_is_another_chain() {
        let at = |byte: u8, slot| Checkpoint { root: Root::repeat_byte(byte), slot };
        let ours = at(7, 2);
        let mut state = State::default();
        let history = [1, 0, 7].map(Root::repeat_byte);
        state.historical_block_hashes.extend(history.into_iter()).expect("three roots");
        let other = |finalized: Checkpoint| {
            let status = Status { finalized, head: at(9, 9) };
            is_other_chain(&status, ours, &BlockTree::default(), Some(&state))
        };
        assert!(!other(at(7, 2)) && other(at(8, 2)), "the finalized slot itself");
        assert!(!other(at(1, 0)) && other(at(2, 0)), "genesis");
        assert!(!other(Checkpoint::default()), "a peer that does not know its genesis root");
        assert!(other(at(5, 1)), "a slot that is empty on our chain");
        assert!(!other(at(5, 3)), "ahead of us nobody can tell");
    }
}
