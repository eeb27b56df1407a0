//! Which votes a block carries.

use std::{collections::HashSet, sync::Arc};

use quintet_components::{
    constants::MAX_ATTESTATIONS_DATA,
    containers::{
        AggregatedAttestation, AggregatedAttestations, AttestationData, Block, BlockBody,
        Checkpoint, JustifiedSlots, Root, RootList, SingleMessageAggregate, Slot, State,
    },
    rejection::Rejection,
};

use crate::{
    aggregation::select_proofs_for_coverage,
    transition::{
        extended_history, is_slot_justified, justified_index_after, lies_on_chain, process_block,
    },
};

/// A vote with the payloads that a block could carry for it.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The vote.
    pub data: AttestationData,
    /// Its payloads.
    pub payloads: Vec<Arc<SingleMessageAggregate>>,
}

/// What the chain holds justified as votes are added.
struct View {
    justified: Checkpoint,
    finalized_slot: Slot,
    justified_slots: JustifiedSlots,
    history: RootList,
}

impl View {
    fn of(parent: &State, parent_root: Root, slot: Slot) -> Result<Self, Rejection> {
        let genesis = parent.latest_block_header.slot == 0;
        let finalized_slot = parent.latest_finalized.slot;
        let mut justified_slots = parent.justified_slots.clone();
        let history = extended_history(parent, parent_root, slot)?;
        if let Some(index) = justified_index_after(slot.saturating_sub(1), finalized_slot) {
            justified_slots.extend_to(index + 1).expect("the history was checked");
        }
        Ok(Self {
            // Genesis is justified by the first block on it.
            justified: if genesis {
                Checkpoint { root: parent_root, slot: 0 }
            } else {
                parent.latest_justified
            },
            finalized_slot,
            justified_slots,
            history,
        })
    }

    /// Whether a block on this chain gains from a vote.
    fn wants(&self, data: &AttestationData) -> Result<bool, Rejection> {
        let justified = |slot| is_slot_justified(&self.justified_slots, self.finalized_slot, slot);
        // A vote from genesis for genesis justifies nothing, and carries weight for the head.
        let genesis_self_vote = data.source.slot == 0 && data.target.slot == 0;
        Ok(data.source.slot == self.justified.slot
            && lies_on_chain(data, &self.history)
            && justified(data.source.slot)?
            && (genesis_self_vote || !justified(data.target.slot)?))
    }

    /// Follows a trial block's post-state. Whether it moved.
    fn advance(&mut self, post: &State) -> bool {
        let moved = post.latest_justified != self.justified
            || post.latest_finalized.slot != self.finalized_slot;
        if moved {
            self.justified = post.latest_justified;
            self.finalized_slot = post.latest_finalized.slot;
            self.justified_slots = post.justified_slots.clone();
        }
        moved
    }
}

/// Selects a block's votes: including votes justifies checkpoints, which makes further votes
/// eligible, so passes over the candidates repeat until one adds nothing. `advanced` is the
/// parent's post-state at the block's slot; candidates are in pool order, and the node knows their
/// heads.
///
/// # Errors
/// What the transition of a trial block says.
pub fn select_attestations(
    parent: &State,
    advanced: &State,
    block: &Block,
    candidates: &[Candidate],
) -> Result<Vec<Candidate>, Rejection> {
    let mut ordered: Vec<&Candidate> = candidates.iter().collect();
    ordered.sort_by_key(|candidate| candidate.data.target.slot);
    let mut view = View::of(parent, block.parent_root, block.slot)?;
    let mut selected: Vec<Candidate> = Vec::new();
    let mut taken: HashSet<AttestationData> = HashSet::new();
    loop {
        let before = selected.len();
        for candidate in &ordered {
            if selected.len() >= MAX_ATTESTATIONS_DATA {
                break;
            }
            let data = candidate.data;
            if taken.contains(&data) || !view.wants(&data)? {
                continue;
            }
            taken.insert(data);
            let (payloads, _) = select_proofs_for_coverage(&candidate.payloads, &[]);
            selected.push(Candidate { data, payloads });
        }
        if selected.len() == before {
            break;
        }
        let mut post = advanced.clone();
        let trial = Block { body: body_of(&selected), ..block.clone() };
        process_block(&mut post, &trial)?;
        if !view.advance(&post) {
            break;
        }
    }
    // A vote without a payload has nothing to put into a block.
    selected.retain(|candidate| !candidate.payloads.is_empty());
    Ok(selected)
}

/// One attestation a payload, in order of selection.
fn body_of(selected: &[Candidate]) -> BlockBody {
    let attestations = selected.iter().flat_map(|candidate| {
        candidate.payloads.iter().map(|payload| AggregatedAttestation {
            aggregation_bits: payload.participants.clone(),
            data: candidate.data,
        })
    });
    BlockBody {
        attestations: AggregatedAttestations::new(attestations.collect())
            .expect("eight votes have fewer than 4096 payloads that add coverage"),
    }
}
