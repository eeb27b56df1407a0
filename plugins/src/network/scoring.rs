//! What peers lose points for, and from where on they are shut out.
//!
//! A peer has two scores. Gossip keeps one of how a peer gossips. The other is this node's own: it
//! starts at 0, every fault takes points, and half of what is missing comes back in ten minutes.
//! The world sees their sum; a ban follows this node's own alone, so that no amount of gossip makes
//! up for a fault.

use std::time::Duration;

use libp2p::gossipsub::{
    IdentTopic, MessageAcceptance, PeerScoreParams, PeerScoreThresholds, TopicScoreParams,
    score_parameter_decay,
};
use quintet_components::{
    messages::Verdict,
    network::{RequestFailure, ResponseError},
    rejection::RejectionReason,
};

/// Points that make a ban.
pub(super) const BAN_POINTS: f64 = 100.0;
/// Until half of the missing points are back.
const HALF_LIFE: Duration = Duration::from_secs(600);
/// For a gossip message that does not decode, or that the world rejected.
pub(super) const INVALID_GOSSIP_POINTS: f64 = 20.0;
/// For a request that does not decode or asks for too little or too much.
pub(super) const INVALID_REQUEST_POINTS: f64 = 10.0;
/// For a request beyond the rate.
pub(super) const RATE_LIMIT_POINTS: f64 = 2.0;
/// For not finishing a request, or not taking an answer that was asked for.
pub(super) const STALLED_POINTS: f64 = 5.0;

/// Points for a request of this node that failed.
pub(super) fn failure_points(failure: &RequestFailure) -> f64 {
    match failure {
        RequestFailure::InvalidAnswer(_) => 25.0,
        RequestFailure::Timeout => 5.0,
        RequestFailure::Refused(ResponseError::ServerError(_)) => 1.0,
        // It said that it cannot, or that this node asked wrongly, or it is gone.
        RequestFailure::Refused(_) | RequestFailure::Unsupported | RequestFailure::Disconnected => {
            0.0
        }
    }
}

/// What is left of missing points after this long.
pub(super) fn decay(passed: Duration) -> f64 {
    0.5_f64.powf(passed.as_secs_f64() / HALF_LIFE.as_secs_f64())
}

/// What gossip is told of a message that was judged.
pub(super) fn acceptance(verdict: &Verdict) -> MessageAcceptance {
    match verdict {
        Verdict::Accepted => MessageAcceptance::Accept,
        Verdict::Ignored(_) => MessageAcceptance::Ignore,
        Verdict::Rejected(rejection) if blames_sender(rejection.reason) => {
            MessageAcceptance::Reject
        }
        Verdict::Rejected(_) => MessageAcceptance::Ignore,
    }
}

/// Whether a refusal says something against whoever sent the message: every node that knows the
/// same blocks refuses it, so that an honest one would not have passed it on. What this node does
/// not know yet, or sees too early by its own clock, says nothing.
pub(super) const fn blames_sender(reason: RejectionReason) -> bool {
    match reason {
        // Blocks that may still arrive.
        RejectionReason::UnknownParentBlock
        | RejectionReason::UnknownSourceBlock
        | RejectionReason::UnknownTargetBlock
        | RejectionReason::UnknownHeadBlock
        // Clocks differ.
        | RejectionReason::AttestationTooFarInFuture
        | RejectionReason::BlockTooFarInFuture
        // About this node's own state.
        | RejectionReason::JustifiedSlotOutOfRange
        | RejectionReason::AnchorStateRootMismatch
        | RejectionReason::MalformedState
        | RejectionReason::JustificationVotesLengthMismatch
        | RejectionReason::ZeroHashJustificationRoot
        // Finality may be further here than there.
        | RejectionReason::HeadNotDescendantOfFinalized => false,
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
        | RejectionReason::AttestationSlotBeforeHead
        | RejectionReason::ValidatorNotInState
        | RejectionReason::ValidatorIndexOutOfRange
        | RejectionReason::InvalidSignature
        | RejectionReason::InvalidBlockProof
        | RejectionReason::DecodeError
        | RejectionReason::HistoryLimitExceeded => true,
    }
}

/// Below these, gossip keeps to itself, does not publish to a peer, and hears nothing from it. A
/// ban comes before the last of them, unless the fault is gossip's alone.
pub(super) fn thresholds() -> PeerScoreThresholds {
    PeerScoreThresholds {
        gossip_threshold: -40.0,
        publish_threshold: -80.0,
        graylist_threshold: -160.0,
        accept_px_threshold: 0.0,
        opportunistic_graft_threshold: 1.0,
    }
}

/// Gossip's own score. Time in the mesh and first deliveries earn a little; invalid messages cost
/// the square of their number. How many messages a mesh should bring is left open, for most of
/// these topics are silent most of the time. Many nodes behind one address are normal on devnets.
pub(super) fn parameters(topics: impl Iterator<Item = IdentTopic>) -> PeerScoreParams {
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
    fn what_is_not_known_yet_says_nothing_against_its_sender() {
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
                "JUSTIFIED_SLOT_OUT_OF_RANGE",
                "ANCHOR_STATE_ROOT_MISMATCH",
                "MALFORMED_STATE",
            ]
        );
        assert!(matches!(acceptance(&Verdict::Accepted), MessageAcceptance::Accept));
        assert!(matches!(
            acceptance(&Verdict::Ignored(quintet_components::messages::IgnoreReason::NoRoom)),
            MessageAcceptance::Ignore
        ));
    }
}
