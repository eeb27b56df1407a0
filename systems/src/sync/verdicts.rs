//! Handles verdicts on requested blocks, and blames peers for bad ones.

use bevy_ecs::prelude::*;
use quintet_components::{
    messages::{IgnoreReason, InputJudged, Verdict},
    network::{PeerFault, PeerId},
    rejection::RejectionReason,
    tree::BlockTree,
};

use super::{
    RangeSync,
    handed::HandedIn,
    roles::{ImportDoor, Peers},
};

/// Credits or blames the peers that sent requested blocks, by their verdicts. If this node could
/// not check a block, for example because its storage failed or a check panicked, the peer is not
/// blamed.
pub fn follow_verdicts(
    mut judged: MessageReader<InputJudged>,
    mut door: ImportDoor,
    mut peers: Peers,
    mut range: ResMut<RangeSync>,
    tree: Res<BlockTree>,
) {
    for InputJudged { id, verdict } in judged.read().filter(|judged| judged.id.is_requested()) {
        if let Some(handed) = door.take(*id) {
            follow(&mut peers, &mut range, &tree, handed, verdict);
        }
    }
}

fn follow(
    peers: &mut Peers,
    range: &mut RangeSync,
    tree: &BlockTree,
    handed: HandedIn,
    verdict: &Verdict,
) {
    let is_valid = match verdict {
        Verdict::Accepted => true,
        // The block in the queue may have another proof, which has not been checked.
        Verdict::Ignored(IgnoreReason::KnownBlock) => tree.contains(&handed.root),
        _ => false,
    };
    if is_valid {
        blame_omission(peers, handed.omitted_by);
    }
    match verdict {
        Verdict::Accepted => {
            peers.credit(&handed.peer);
            range.note_progress(handed.round);
        }
        Verdict::Ignored(IgnoreReason::KnownBlock) => {}
        Verdict::Ignored(_) => range.note_lost(handed.round),
        Verdict::Rejected(rejection) => {
            // Its parent was refused, so the sender of the parent is to blame; or the clocks
            // differ.
            use RejectionReason::{BlockTooFarInFuture, UnknownParentBlock};
            if !matches!(rejection.reason, BlockTooFarInFuture | UnknownParentBlock) {
                peers.blame(&handed.peer, PeerFault::InvalidBlock);
            }
            range.note_lost(handed.round);
        }
    }
}

/// Blames the peers that said a valid block does not exist.
pub(super) fn blame_omission(peers: &mut Peers, omitted_by: Vec<PeerId>) {
    for peer in omitted_by {
        peers.blame(&peer, PeerFault::Omitted);
    }
}
