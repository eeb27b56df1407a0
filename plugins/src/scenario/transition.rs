//! Runs blocks through the state transition, and checks the proof of a block.

use quintet_components::{
    chain::Registry,
    containers::{Block, Root, SignedBlock, Slot, State},
    preset::SignaturePreset,
    rejection::{Rejection, RejectionReason},
};
use quintet_prover::{Multisig, ProofSystem};
use quintet_systems::{
    transition::{process_block, process_slots, proposer_for_slot, state_transition},
    verification::{scheme_of, verify_block},
};
use serde::Serialize;
use serde_json::Value;
use tree_hash::TreeHash;

use super::{
    placeholder::PlaceholderProofs,
    proofs::{ProofKind, preset_of},
    read::{ReadError, field, optional},
};

/// A running case: a state, and the blocks that are left to apply.
#[derive(Clone, Debug)]
pub struct TransitionRun {
    /// The current state.
    pub state: State,
    blocks: Vec<Block>,
    next: usize,
    reason: Option<String>,
    /// True if a case without blocks still has to be refused.
    refuse_first: bool,
}

impl TransitionRun {
    /// Reads `{pre, blocks}` and, if it is there, the `rejectionReason`, which decides what is
    /// checked if the blocks do not show it.
    ///
    /// # Errors
    /// A field is missing or has another form.
    pub fn read(case: &Value) -> Result<Self, ReadError> {
        let blocks: Vec<Block> = field(case, "blocks")?;
        let reason: Option<String> = optional(case, "rejectionReason")?;
        let refuse_first = blocks.is_empty() && reason.is_some();
        Ok(Self { state: field(case, "pre")?, blocks, next: 0, reason, refuse_first })
    }

    /// The blocks of the case.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Applies the next block. After a refusal the state is unchanged.
    pub fn advance(&mut self) -> Option<Result<(), Rejection>> {
        if std::mem::take(&mut self.refuse_first) {
            return self.before_a_block().err().map(Err);
        }
        let block = self.blocks.get(self.next)?;
        self.next += 1;
        Some(self.apply(block).map(|post| self.state = post))
    }

    /// Applies every block.
    ///
    /// # Errors
    /// The first refusal.
    pub fn run(mut self) -> Result<State, Rejection> {
        while let Some(outcome) = self.advance() {
            outcome?;
        }
        Ok(self.state)
    }

    /// Slot processing is skipped if the reason can only be reached without it. No field of a
    /// vector says so.
    fn apply(&self, block: &Block) -> Result<State, Rejection> {
        let skipped = [
            RejectionReason::BlockSlotMismatch.name(),
            RejectionReason::BlockOlderThanLatestHeader.name(),
        ];
        let last = self.next == self.blocks.len();
        if self.reason.as_deref().is_some_and(|reason| skipped.contains(&reason))
            && (last || block.slot <= self.state.slot)
        {
            let mut post = self.state.clone();
            return process_block(&mut post, block).map(|()| post);
        }
        state_transition(&self.state, block)
    }

    /// A case without blocks was refused while its block was being made: the state was advanced, or
    /// the proposer was computed.
    fn before_a_block(&self) -> Result<(), Rejection> {
        let empty = RejectionReason::EmptyValidatorRegistry.name();
        if self.reason.as_deref() == Some(empty) {
            return proposer_for_slot(
                self.state.slot.saturating_add(1),
                self.state.validators.len(),
            )
            .map(|_| ());
        }
        process_slots(&mut self.state.clone(), self.state.slot)
    }
}

/// The driver's answer about a post-state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PostState {
    /// The state's slot.
    pub slot: Slot,
    /// The slot of the latest block.
    pub latest_block_header_slot: Slot,
    /// The header's state root, which is zero after the transition.
    pub latest_block_header_state_root: Root,
    /// Slots of history.
    pub historical_block_hashes_count: usize,
}

impl From<&State> for PostState {
    fn from(state: &State) -> Self {
        Self {
            slot: state.slot,
            latest_block_header_slot: state.latest_block_header.slot,
            latest_block_header_state_root: state.latest_block_header.state_root,
            historical_block_hashes_count: state.historical_block_hashes.len(),
        }
    }
}

/// Checks the proof of `{anchorState, signedBlock}` as a placeholder or with the embedded proof
/// system, according to its `proofSetting`, or else to how it begins. The preset is that of
/// `leanEnv`, or else this one.
///
/// # Errors
/// The inner error is the refusal.
pub fn verify_signatures(
    case: &Value,
    preset: SignaturePreset,
) -> Result<Result<(), Rejection>, ReadError> {
    let state: State = field(case, "anchorState")?;
    let signed: SignedBlock = field(case, "signedBlock")?;
    let real = Multisig::new(scheme_of(preset_of(case, preset)?));
    let placeholder = ProofKind::read(case)?.wants_placeholder(signed.proof.proof.as_bytes());
    let proofs: &dyn ProofSystem = if placeholder { &PlaceholderProofs } else { &real };
    let root = signed.block.tree_hash_root();
    Ok(verify_block(&signed, root, &Registry::new(&state.validators), proofs))
}
