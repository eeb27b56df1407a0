//! What an aggregate is worth to the chain.

use quintet_components::{
    containers::{AttestationData, Root, State},
    rejection::Rejection,
};

use super::Coverage;
use crate::transition::{ChainView, pending_votes};

/// What a block with the aggregate could do next; greater goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConsensusValue {
    /// Nothing but weight for the head.
    Weight,
    /// Bring a target nearer to justification.
    Build,
    /// Justify a target.
    Justify,
    /// Justify a target and with it finalize the source.
    Finalize,
}

/// Values votes for a block on the head.
pub struct Valuation<'a> {
    head: &'a State,
    view: Option<ChainView>,
}

impl<'a> Valuation<'a> {
    /// Votes as a block at `slot` on the head would see them. A head that no block can be built on
    /// gives every vote the least value.
    pub fn on_head(head: &'a State, head_root: Root, slot: u64) -> Self {
        let view = ChainView::of(head, head_root, slot);
        Self { head, view: view.ok() }
    }

    /// What the vote is worth with these voters, those that the head's state counts already
    /// included.
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
