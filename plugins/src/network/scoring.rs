//! The penalties of peers, and the thresholds at which they are excluded.
//!
//! A peer has two scores. Gossip's score measures how a peer gossips. This node's own score starts
//! at 0, every fault subtracts points, and half of the missing points return in ten minutes. The
//! world sees the sum of both. Only this node's own score leads to a ban, so that gossip cannot
//! make up for a fault.
//!
//! The network penalizes only what the world never sees; these penalties are here. Faults in
//! answers to this node's requests are penalized only by the world, with `NetworkCommand::Penalize`
//! and the points of `PeerFault`.

use std::time::Duration;

use libp2p::gossipsub::{
    IdentTopic, MessageAcceptance, PeerScoreParams, PeerScoreThresholds, TopicScoreParams,
    score_parameter_decay,
};
use quintet_components::{
    messages::{IgnoreReason, Verdict},
    planted::{Planted, is_planted},
    rejection::RejectionReason,
};

/// The points that lead to a ban.
pub(crate) const BAN_POINTS: f64 = 100.0;
/// The time in which half of the missing points return.
const HALF_LIFE: Duration = Duration::from_secs(600);
/// For a gossip message that cannot be decoded, or that the world rejected.
pub(crate) const INVALID_GOSSIP_POINTS: f64 = 20.0;
/// For a request that cannot be decoded, or asks for too little or too much.
pub(crate) const INVALID_REQUEST_POINTS: f64 = 10.0;
/// For a request beyond the rate.
pub(crate) const RATE_LIMIT_POINTS: f64 = 2.0;
/// For not finishing a request, or not reading the answer.
pub(crate) const STALLED_POINTS: f64 = 5.0;

/// The part of missing points that is left after this long.
pub(crate) fn decay(passed: Duration) -> f64 {
    0.5_f64.powf(passed.as_secs_f64() / HALF_LIFE.as_secs_f64())
}

/// The verdict for gossip on a message that was judged.
pub(crate) fn acceptance(verdict: &Verdict) -> MessageAcceptance {
    match verdict {
        Verdict::Accepted => MessageAcceptance::Accept,
        Verdict::Ignored(_) => MessageAcceptance::Ignore,
        Verdict::Rejected(rejection) if blames_sender(rejection.reason) => {
            MessageAcceptance::Reject
        }
        Verdict::Rejected(_) => MessageAcceptance::Ignore,
    }
}

/// Returns true if a refusal is the sender's fault: every node that knows the same blocks refuses
/// the message at any time, so that an honest node neither makes nor forwards it.
///
/// The other reasons can happen to an honest node: it knows blocks that this one does not, its
/// clock differs, or it follows older rules. They cost no points.
pub(crate) fn blames_sender(reason: RejectionReason) -> bool {
    match reason {
        _ if is_planted(Planted::BansHonest) => true,
        // Blocks that may still arrive.
        RejectionReason::UnknownParentBlock
        | RejectionReason::UnknownSourceBlock
        | RejectionReason::UnknownTargetBlock
        | RejectionReason::UnknownHeadBlock
        // Clocks differ. A node whose head is a block from the future attests to it honestly.
        | RejectionReason::AttestationTooFarInFuture
        | RejectionReason::AttestationSlotBeforeHead
        | RejectionReason::BlockTooFarInFuture
        // Finality may be further here than at the sender.
        | RejectionReason::HeadNotDescendantOfFinalized
        // These are about this node's own state.
        | RejectionReason::JustifiedSlotOutOfRange
        | RejectionReason::AnchorStateRootMismatch
        | RejectionReason::MalformedState
        | RejectionReason::JustificationVotesLengthMismatch
        | RejectionReason::ZeroHashJustificationRoot => false,
        RejectionReason::BlockSlotNotInFuture
        | RejectionReason::BlockSlotGapTooLarge
        | RejectionReason::BlockOlderThanLatestHeader
        | RejectionReason::BlockSlotMismatch
        | RejectionReason::ParentRootMismatch
        | RejectionReason::StateRootMismatch
        | RejectionReason::ProposerIndexOutOfRange
        | RejectionReason::EmptyValidatorRegistry
        | RejectionReason::WrongProposer
        | RejectionReason::TooManyAttestationData
        | RejectionReason::DuplicateAttestationData
        | RejectionReason::EmptyAggregationBits
        | RejectionReason::SourceAfterTarget
        | RejectionReason::HeadOlderThanTarget
        | RejectionReason::SourceSlotMismatch
        | RejectionReason::TargetSlotMismatch
        | RejectionReason::HeadSlotMismatch
        | RejectionReason::SourceNotAncestorOfTarget
        | RejectionReason::TargetNotAncestorOfHead
        | RejectionReason::ValidatorNotInState
        | RejectionReason::ValidatorIndexOutOfRange
        | RejectionReason::InvalidSignature
        | RejectionReason::InvalidBlockProof
        | RejectionReason::DecodeError
        | RejectionReason::HistoryLimitExceeded => true,
    }
}

/// Returns true if an item was ignored for lack of room or because of a fault of this node, so that
/// nothing is known about it. Another copy of it is then read.
pub(crate) const fn is_unread(reason: IgnoreReason) -> bool {
    match reason {
        IgnoreReason::NoRoom
        | IgnoreReason::SenderFull
        | IgnoreReason::Early
        | IgnoreReason::StorageBehind
        | IgnoreReason::StorageError
        | IgnoreReason::InternalError => true,
        IgnoreReason::KnownBlock
        | IgnoreReason::KnownAttestation
        | IgnoreReason::AddsNoVoter
        | IgnoreReason::Equivocation
        | IgnoreReason::FarFromHead
        | IgnoreReason::ParentUnavailable => false,
    }
}

/// Below these scores, gossip does not gossip to a peer, does not publish to it, and ignores it. A
/// ban comes before the last one, unless all faults are gossip's.
pub(crate) fn thresholds() -> PeerScoreThresholds {
    PeerScoreThresholds {
        gossip_threshold: -40.0,
        publish_threshold: -80.0,
        graylist_threshold: -160.0,
        accept_px_threshold: 0.0,
        opportunistic_graft_threshold: 1.0,
    }
}

/// Gossip's own score. Time in the mesh and first deliveries add a little; invalid messages
/// subtract the square of their number. No number of messages is expected from a mesh, because most
/// of these topics are silent most of the time. Many nodes at one address are normal on devnets.
pub(crate) fn parameters(topics: impl Iterator<Item = IdentTopic>) -> PeerScoreParams {
    let topic = TopicScoreParams {
        topic_weight: 1.0,
        time_in_mesh_weight: 0.01,
        time_in_mesh_quantum: Duration::from_secs(4),
        time_in_mesh_cap: 300.0,
        first_message_deliveries_weight: 0.1,
        first_message_deliveries_decay: score_parameter_decay(Duration::from_secs(80)),
        first_message_deliveries_cap: 50.0,
        mesh_message_deliveries_weight: 0.0,
        mesh_failure_penalty_weight: 0.0,
        invalid_message_deliveries_weight: -1.0,
        invalid_message_deliveries_decay: score_parameter_decay(HALF_LIFE),
        ..TopicScoreParams::default()
    };
    PeerScoreParams {
        topics: topics.map(|name| (name.hash(), topic.clone())).collect(),
        topic_score_cap: 10.0,
        app_specific_weight: 1.0,
        ip_colocation_factor_weight: 0.0,
        behaviour_penalty_weight: -1.0,
        behaviour_penalty_threshold: 6.0,
        behaviour_penalty_decay: score_parameter_decay(HALF_LIFE),
        retain_score: HALF_LIFE,
        ..PeerScoreParams::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameters_and_thresholds_are_valid() {
        let topic = IdentTopic::new("topic");
        parameters(std::iter::once(topic)).validate().expect("valid");
        thresholds().validate().expect("valid");
    }

    #[test]
    fn half_of_the_missing_points_come_back_in_a_half_life() {
        assert!((decay(HALF_LIFE) - 0.5).abs() < 1e-9);
        assert!((decay(HALF_LIFE * 2) - 0.25).abs() < 1e-9);
    }

    #[test]
    fn what_an_honest_node_can_run_into_costs_no_points() {
        let judged = |reason: RejectionReason| acceptance(&Verdict::Rejected(reason.because("")));
        let ignored: Vec<_> = RejectionReason::ALL
            .into_iter()
            .filter(|reason| matches!(judged(*reason), MessageAcceptance::Ignore))
            .map(RejectionReason::name)
            .collect();
        assert_eq!(
            ignored,
            [
                "UNKNOWN_PARENT_BLOCK",
                "UNKNOWN_SOURCE_BLOCK",
                "UNKNOWN_TARGET_BLOCK",
                "UNKNOWN_HEAD_BLOCK",
                "ATTESTATION_TOO_FAR_IN_FUTURE",
                "ATTESTATION_SLOT_BEFORE_HEAD",
                "JUSTIFIED_SLOT_OUT_OF_RANGE",
                "ANCHOR_STATE_ROOT_MISMATCH",
                "BLOCK_TOO_FAR_IN_FUTURE",
                "HEAD_NOT_DESCENDANT_OF_FINALIZED",
                "JUSTIFICATION_VOTES_LENGTH_MISMATCH",
                "ZERO_HASH_JUSTIFICATION_ROOT",
                "MALFORMED_STATE",
            ]
        );
        assert!(matches!(acceptance(&Verdict::Accepted), MessageAcceptance::Accept));
        assert!(matches!(
            acceptance(&Verdict::Ignored(IgnoreReason::NoRoom)),
            MessageAcceptance::Ignore
        ));
    }
}
