//! Reasons for refusing an input, with leanSpec's names.

use std::fmt;

/// The reason of a refusal. [`RejectionReason::name`] is leanSpec's name for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RejectionReason {
    /// The block's slot is not after the state's.
    BlockSlotNotInFuture,
    /// The block's slot is not after the latest header's.
    BlockOlderThanLatestHeader,
    /// The block's slot is not the slot the state was advanced to.
    BlockSlotMismatch,
    /// The block's parent root is not the root of the latest header.
    ParentRootMismatch,
    /// The block's state root is not the root of its post-state.
    StateRootMismatch,
    /// The block's parent, or its post-state, is not known.
    UnknownParentBlock,
    /// The proposer index is outside the registry.
    ProposerIndexOutOfRange,
    /// The registry is empty, so no slot has a proposer.
    EmptyValidatorRegistry,
    /// Another validator proposes in this slot.
    WrongProposer,
    /// The block has more distinct attestation data than allowed.
    TooManyAttestationData,
    /// A block has the same attestation data twice.
    DuplicateAttestationData,
    /// An aggregate has no participants.
    EmptyAggregationBits,
    /// The source block is not known.
    UnknownSourceBlock,
    /// The target block is not known.
    UnknownTargetBlock,
    /// The head block is not known.
    UnknownHeadBlock,
    /// The source's slot is after the target's.
    SourceAfterTarget,
    /// The head's slot is before the target's.
    HeadOlderThanTarget,
    /// The source checkpoint's slot is not its block's.
    SourceSlotMismatch,
    /// The target checkpoint's slot is not its block's.
    TargetSlotMismatch,
    /// The head checkpoint's slot is not its block's.
    HeadSlotMismatch,
    /// The source is not an ancestor of the target.
    SourceNotAncestorOfTarget,
    /// The target is not an ancestor of the head.
    TargetNotAncestorOfHead,
    /// The attestation's slot starts too far ahead of the local clock.
    AttestationTooFarInFuture,
    /// The attestation's slot is before its head's.
    AttestationSlotBeforeHead,
    /// The validator is not in the target state's registry.
    ValidatorNotInState,
    /// A participant's index is outside the registry.
    ValidatorIndexOutOfRange,
    /// The slot is beyond the tracked justification window.
    JustifiedSlotOutOfRange,
    /// A signature or an aggregate proof does not verify.
    InvalidSignature,
    /// The block's proof does not verify.
    InvalidBlockProof,
    /// The anchor block does not commit to the anchor state.
    AnchorStateRootMismatch,
    /// The block is more than 2^18 slots after its parent.
    BlockSlotGapTooLarge,
    /// The block's slot is more than one after the current slot.
    BlockTooFarInFuture,
    /// The attestation's head does not descend from the latest finalized block.
    HeadNotDescendantOfFinalized,
    /// The state's pending votes are not one bit for each root and validator.
    JustificationVotesLengthMismatch,
    /// The state has votes for the zero root.
    ZeroHashJustificationRoot,
    /// The bytes cannot be decoded.
    DecodeError,
    /// The block would make the state's history longer than its limit. leanSpec fails in its list
    /// type here without a reason; this name is Quintet's own.
    HistoryLimitExceeded,
    /// The state contradicts itself, which no transition produces. leanSpec asserts here without a
    /// reason; this name is Quintet's own.
    MalformedState,
}

impl RejectionReason {
    /// Every reason.
    pub const ALL: [Self; 38] = [
        Self::BlockSlotNotInFuture,
        Self::BlockOlderThanLatestHeader,
        Self::BlockSlotMismatch,
        Self::ParentRootMismatch,
        Self::StateRootMismatch,
        Self::UnknownParentBlock,
        Self::ProposerIndexOutOfRange,
        Self::EmptyValidatorRegistry,
        Self::WrongProposer,
        Self::TooManyAttestationData,
        Self::DuplicateAttestationData,
        Self::EmptyAggregationBits,
        Self::UnknownSourceBlock,
        Self::UnknownTargetBlock,
        Self::UnknownHeadBlock,
        Self::SourceAfterTarget,
        Self::HeadOlderThanTarget,
        Self::SourceSlotMismatch,
        Self::TargetSlotMismatch,
        Self::HeadSlotMismatch,
        Self::SourceNotAncestorOfTarget,
        Self::TargetNotAncestorOfHead,
        Self::AttestationTooFarInFuture,
        Self::AttestationSlotBeforeHead,
        Self::ValidatorNotInState,
        Self::ValidatorIndexOutOfRange,
        Self::JustifiedSlotOutOfRange,
        Self::InvalidSignature,
        Self::InvalidBlockProof,
        Self::AnchorStateRootMismatch,
        Self::BlockSlotGapTooLarge,
        Self::BlockTooFarInFuture,
        Self::HeadNotDescendantOfFinalized,
        Self::JustificationVotesLengthMismatch,
        Self::ZeroHashJustificationRoot,
        Self::DecodeError,
        Self::HistoryLimitExceeded,
        Self::MalformedState,
    ];

    /// The name in leanSpec's vectors and in the test driver.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BlockSlotNotInFuture => "BLOCK_SLOT_NOT_IN_FUTURE",
            Self::BlockOlderThanLatestHeader => "BLOCK_OLDER_THAN_LATEST_HEADER",
            Self::BlockSlotMismatch => "BLOCK_SLOT_MISMATCH",
            Self::ParentRootMismatch => "PARENT_ROOT_MISMATCH",
            Self::StateRootMismatch => "STATE_ROOT_MISMATCH",
            Self::UnknownParentBlock => "UNKNOWN_PARENT_BLOCK",
            Self::ProposerIndexOutOfRange => "PROPOSER_INDEX_OUT_OF_RANGE",
            Self::EmptyValidatorRegistry => "EMPTY_VALIDATOR_REGISTRY",
            Self::WrongProposer => "WRONG_PROPOSER",
            Self::TooManyAttestationData => "TOO_MANY_ATTESTATION_DATA",
            Self::DuplicateAttestationData => "DUPLICATE_ATTESTATION_DATA",
            Self::EmptyAggregationBits => "EMPTY_AGGREGATION_BITS",
            Self::UnknownSourceBlock => "UNKNOWN_SOURCE_BLOCK",
            Self::UnknownTargetBlock => "UNKNOWN_TARGET_BLOCK",
            Self::UnknownHeadBlock => "UNKNOWN_HEAD_BLOCK",
            Self::SourceAfterTarget => "SOURCE_AFTER_TARGET",
            Self::HeadOlderThanTarget => "HEAD_OLDER_THAN_TARGET",
            Self::SourceSlotMismatch => "SOURCE_SLOT_MISMATCH",
            Self::TargetSlotMismatch => "TARGET_SLOT_MISMATCH",
            Self::HeadSlotMismatch => "HEAD_SLOT_MISMATCH",
            Self::SourceNotAncestorOfTarget => "SOURCE_NOT_ANCESTOR_OF_TARGET",
            Self::TargetNotAncestorOfHead => "TARGET_NOT_ANCESTOR_OF_HEAD",
            Self::AttestationTooFarInFuture => "ATTESTATION_TOO_FAR_IN_FUTURE",
            Self::AttestationSlotBeforeHead => "ATTESTATION_SLOT_BEFORE_HEAD",
            Self::ValidatorNotInState => "VALIDATOR_NOT_IN_STATE",
            Self::ValidatorIndexOutOfRange => "VALIDATOR_INDEX_OUT_OF_RANGE",
            Self::JustifiedSlotOutOfRange => "JUSTIFIED_SLOT_OUT_OF_RANGE",
            Self::InvalidSignature => "INVALID_SIGNATURE",
            Self::InvalidBlockProof => "INVALID_BLOCK_PROOF",
            Self::AnchorStateRootMismatch => "ANCHOR_STATE_ROOT_MISMATCH",
            Self::BlockSlotGapTooLarge => "BLOCK_SLOT_GAP_TOO_LARGE",
            Self::BlockTooFarInFuture => "BLOCK_TOO_FAR_IN_FUTURE",
            Self::HeadNotDescendantOfFinalized => "HEAD_NOT_DESCENDANT_OF_FINALIZED",
            Self::JustificationVotesLengthMismatch => "JUSTIFICATION_VOTES_LENGTH_MISMATCH",
            Self::ZeroHashJustificationRoot => "ZERO_HASH_JUSTIFICATION_ROOT",
            Self::DecodeError => "DECODE_ERROR",
            Self::HistoryLimitExceeded => "HISTORY_LIMIT_EXCEEDED",
            Self::MalformedState => "MALFORMED_STATE",
        }
    }

    /// Adds details for the log to this reason.
    pub fn because(self, detail: impl Into<String>) -> Rejection {
        Rejection { reason: self, detail: detail.into() }
    }
}

impl fmt::Display for RejectionReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A refusal: its reason and the details.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {detail}")]
pub struct Rejection {
    /// The reason, for the sender and for tests.
    pub reason: RejectionReason,
    /// The details, for the log.
    pub detail: String,
}
