//! Whether a peer is on this node's chain, as far as its status tells.

use bevy_ecs::prelude::*;
use quintet_components::{
    chain::{Finalized, Head, States},
    containers::{Checkpoint, Root, State, Status},
    network::{DisconnectReason, LastStatus, NetworkCommand, Peer},
    sync::SyncCounts,
    tree::BlockTree,
};

use super::{peers::time_of, target::is_plausible};

/// Whether a status names, as finalized, a block that this node's finalized chain excludes. The
/// head's post-state knows the root of every slot before it, empty slots as zero.
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
    // Their finality is ahead: their chain has to pass through ours where it is known.
    tree.find(&theirs.root).is_some_and(|id| {
        let known = Checkpoint { root: theirs.root, slot: tree.slot(id) };
        !tree.is_ancestor(finalized, known)
    })
}

/// Drops and bans peers whose new status shows that they are on another chain.
pub fn check_chains(
    peers: Query<(&Peer, &LastStatus), Changed<LastStatus>>,
    (tree, states): (Res<BlockTree>, Res<States>),
    (finalized, head): (Res<Finalized>, Res<Head>),
    mut counts: ResMut<SyncCounts>,
    mut commands: MessageWriter<NetworkCommand>,
) {
    let head_state = states.get(&head.0.root).map(AsRef::as_ref);
    let mut wrong: Vec<&Peer> = peers
        .iter()
        .filter(|(_, last)| is_other_chain(&last.status, finalized.0, &tree, head_state))
        .map(|(peer, _)| peer)
        .collect();
    wrong.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    for peer in wrong {
        tracing::debug!(peer = %peer.id, "a peer follows another chain");
        counts.wrong_chain += 1;
        commands.write(NetworkCommand::Disconnect {
            peer: peer.id.clone(),
            reason: DisconnectReason::WrongChain,
            ban: true,
        });
    }
}

/// Counts a status that is not to be believed.
pub(super) fn count_implausible(world: &mut World, status: &Status) {
    let (_, now_slot) = time_of(world);
    if !is_plausible(status, now_slot) {
        world.resource_mut::<SyncCounts>().implausible_statuses += 1;
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
