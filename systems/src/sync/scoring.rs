//! The only system that penalizes peers for their faults.

use bevy_ecs::prelude::*;
use quintet_components::{
    network::{DisconnectReason, NetworkCommand, PeerFault, PeerFaulted},
    sync::SyncCounts,
};

/// Subtracts points from peers for their faults, each fault once. [`PeerFault`] lists the points.
/// The network bans a peer that has lost 100 points, and at once a peer that follows another chain.
pub fn score_peers(
    mut faults: MessageReader<PeerFaulted>,
    mut counts: ResMut<SyncCounts>,
    mut network: MessageWriter<NetworkCommand>,
) {
    for PeerFaulted { peer, fault } in faults.read() {
        let (points, why) = (fault.points(), fault.name());
        tracing::debug!(%peer, why, points, "a peer failed");
        counts.faults += 1;
        let peer = peer.clone();
        if *fault == PeerFault::WrongChain {
            counts.wrong_chain += 1;
            let reason = DisconnectReason::WrongChain;
            network.write(NetworkCommand::Disconnect { peer, reason, ban: true });
        } else if points > 0.0 {
            network.write(NetworkCommand::Penalize { peer, points, why });
        }
    }
}
