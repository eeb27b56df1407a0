//! The value of an aggregate for the chain.

use quintet_components::{
    containers::{AttestationData, Root, State},
    rejection::Rejection,
};

use super::Coverage;
use crate::transition::{ChainView, pending_votes};

/// The effect that the aggregate could have in the next block. Greater values go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConsensusValue {
    /// It only adds weight for the head.
    Weight,
    /// It brings a target nearer to justification.
    Build,
    /// It justifies a target.
    Justify,
    /// It justifies a target and thereby finalizes the source.
    Finalize,
}

/// Computes the value of attestations for a block on the head.
pub struct Valuation<'a> {
    head: &'a State,
    view: Option<ChainView>,
}

impl<'a> Valuation<'a> {
    /// For a block at `slot` on the head. If no block can be built on the head, every attestation
    /// has the lowest value.
    pub fn on_head(head: &'a State, head_root: Root, slot: u64) -> Self {
        let view = ChainView::of(head, head_root, slot);
        Self { head, view: view.ok() }
    }

    /// The value of the attestation with these voters, in addition to those that the head's state
    /// counts.
    pub fn of(&self, data: &AttestationData, voters: &Coverage) -> ConsensusValue {
        let Some(view) = &self.view else { return ConsensusValue::Weight };
        self.value(view, data, voters).unwrap_or(ConsensusValue::Weight)
    }

    fn value(
        &self,
        view: &ChainView,
        data: &AttestationData,
        voters: &Coverage,
    ) -> Result<ConsensusValue, Rejection> {
        if !view.wants(data)? || !view.counts(data)? {
            return Ok(ConsensusValue::Weight);
        }
        let mut voters = voters.clone();
        voters.add_words(&pending_votes(self.head, &data.target.root));
        if 3 * voters.count() < 2 * self.head.validators.len() {
            return Ok(ConsensusValue::Build);
        }
        if view.would_finalize(data) {
            Ok(ConsensusValue::Finalize)
        } else {
            Ok(ConsensusValue::Justify)
        }
    }
}
