//! Chooses the attestations of a block.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, btree_map::Entry as MapEntry},
    sync::Arc,
};

use quintet_components::{
    constants::MAX_ATTESTATIONS_DATA,
    containers::{AttestationData, Block, Root, SingleMessageAggregate, Slot, State},
    rejection::Rejection,
};
use quintet_prover::ProofSystem;

use super::{
    block::BlockInputs,
    cover::{MAX_STEPS, cover},
    draft::{Budget, Draft, Full, Item},
};
use crate::{
    pool::{Coverage, select_proofs_for_coverage},
    transition::{ChainView, pending_votes, process_block},
};

/// The largest number of choices that are tried for all targets of a block.
const MAX_BLOCK_STEPS: usize = 4 * MAX_STEPS;

/// An attestation with the payloads that a block may use for it.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The attestation data.
    pub data: AttestationData,
    /// Its payloads.
    pub payloads: Vec<Arc<SingleMessageAggregate>>,
}

/// The attestations that go first if a block has no room for all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preference {
    /// Those that advance finality, and at most one attestation data per slot, because provers in
    /// use cannot seal two.
    #[default]
    Worth,
    /// As in leanSpec: the lowest target slot, then the pool's order.
    Spec,
}

/// Attestations that are not in a block, or only partly, because it had no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Those that would have brought a target nearer to justification.
    pub useful: usize,
    /// The others.
    pub idle: usize,
}

/// The content of a block.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// The attestations in the body's order, each with the payloads to join.
    pub attestations: Vec<Candidate>,
    /// The attestations for which it has no room.
    pub left_out: LeftOut,
}

/// Selects a block's attestations. They justify checkpoints, which makes further attestations
/// eligible, so rounds over the candidates repeat until one adds nothing. `advanced` is the
/// parent's post-state at the block's slot. The inputs' candidates are in pool order, and the node
/// knows their heads.
///
/// If everything fits, the body is the same as leanSpec's. If not, [`Preference::Worth`] takes
/// first what finalizes, then what justifies, the newest target first; then what adds voters to
/// targets that are not justified yet, the most voters first; then the rest in leanSpec's order,
/// and last what adds no voter. The body is always in leanSpec's order: by round, target slot and
/// position in the pool.
///
/// # Errors
/// The refusal of a trial block by the transition.
pub fn select_attestations(
    inputs: &BlockInputs,
    advanced: &State,
    proofs: &dyn ProofSystem,
) -> Result<Selection, Rejection> {
    // An attestation without a payload cannot be in a block.
    let mut candidates: Vec<&Candidate> =
        inputs.candidates.iter().filter(|candidate| !candidate.payloads.is_empty()).collect();
    candidates.sort_by_key(|candidate| candidate.data.target.slot);
    let is_spec = inputs.preference == Preference::Spec;
    let budget = Budget::new(proofs, inputs.max_working_bytes, !is_spec);
    let site = Site { inputs, advanced };
    let (draft, all_fit) = in_spec_order(&site, &candidates, budget, !is_spec)?;
    if all_fit || is_spec {
        let left_out = LeftOut::default();
        return Ok(Selection { attestations: draft.into_candidates(), left_out });
    }
    Worth::new(&site, candidates, budget)?.select()
}

/// The position of the block in the chain.
struct Site<'a> {
    inputs: &'a BlockInputs,
    advanced: &'a State,
}

impl Site<'_> {
    fn view(&self) -> Result<ChainView, Rejection> {
        let BlockInputs { parent, parent_root, slot, .. } = self.inputs;
        ChainView::of(parent, *parent_root, *slot)
    }

    /// The post-state of a block with this draft.
    fn post_state(&self, draft: &Draft<'_>) -> Result<State, Rejection> {
        let BlockInputs { slot, proposer_index, parent_root, .. } = *self.inputs;
        let body = draft.body();
        let trial = Block { slot, proposer_index, parent_root, body, ..Block::default() };
        let mut post = self.advanced.clone();
        process_block(&mut post, &trial)?;
        Ok(post)
    }
}

/// leanSpec's selection, as far as it fits, and true if everything fits. With `or_none`, the first
/// payload that does not fit ends it.
fn in_spec_order<'a>(
    site: &Site<'_>,
    candidates: &[&'a Candidate],
    budget: Budget<'a>,
    or_none: bool,
) -> Result<(Draft<'a>, bool), Rejection> {
    let (mut draft, mut view) = (Draft::new(budget), site.view()?);
    let mut all_fit = true;
    let mut seen = vec![false; candidates.len()];
    for round in 0.. {
        let mut has_grown = false;
        for (place, candidate) in candidates.iter().enumerate() {
            if seen[place] || !view.wants(&candidate.data)? {
                continue;
            }
            seen[place] = true;
            for payload in select_proofs_for_coverage(&candidate.payloads, &[]).0 {
                match draft.add(&Item::new((round, place), candidate, payload)) {
                    Ok(()) => has_grown = true,
                    Err(_) if or_none => return Ok((draft, false)),
                    Err(_) => all_fit = false,
                }
            }
        }
        if !has_grown || !view.advance(&site.post_state(&draft)?) {
            break;
        }
    }
    Ok((draft, all_fit))
}

/// An attestation that a block on this parent may gain from.
struct Eligible<'a> {
    items: Vec<Item<'a>>,
    data: AttestationData,
    /// Its position in the body: a round, then its position among the candidates.
    place: (usize, usize),
    candidate: &'a Candidate,
}

impl Eligible<'_> {
    fn move_to(&mut self, round: usize) {
        self.place.0 = round;
        self.items.iter_mut().for_each(|item| item.place.0 = round);
    }
}

/// A selection by the value of attestations.
struct Worth<'a, 's> {
    site: &'s Site<'s>,
    candidates: Vec<&'a Candidate>,
    /// For each candidate, true if it is among the eligible ones.
    seen: Vec<bool>,
    eligible: Vec<Eligible<'a>>,
    /// The slot that was final when they were looked at last.
    finalized: Slot,
    draft: Draft<'a>,
    view: ChainView,
    /// The post-state of a block with the draft.
    post: State,
}

/// A target that is not justified yet.
struct Goal<'a, 'i> {
    finalizes: bool,
    slot: u64,
    counted: Coverage,
    items: Vec<&'i Item<'a>>,
}

impl Goal<'_, '_> {
    /// The number of its voters if everything is taken.
    fn reach(&self) -> usize {
        let mut all = self.counted.clone();
        self.items.iter().for_each(|item| all.add(&item.voters));
        all.count()
    }
}

impl<'a, 's> Worth<'a, 's> {
    fn new(
        site: &'s Site<'s>,
        candidates: Vec<&'a Candidate>,
        budget: Budget<'a>,
    ) -> Result<Self, Rejection> {
        let (draft, view) = (Draft::new(budget), site.view()?);
        let post = site.post_state(&draft)?;
        let seen = vec![false; candidates.len()];
        let (eligible, finalized) = (Vec::new(), view.finalized_slot);
        Ok(Self { site, candidates, seen, eligible, finalized, draft, view, post })
    }

    fn select(mut self) -> Result<Selection, Rejection> {
        let mut steps = MAX_BLOCK_STEPS;
        // A round that justifies takes new attestation data.
        for round in 0..=MAX_ATTESTATIONS_DATA {
            self.enter(round)?;
            let Some(draft) = self.justify(&mut steps)? else { break };
            self.draft = draft;
            self.post = self.site.post_state(&self.draft)?;
            self.view.advance(&self.post);
        }
        self.build()?;
        let left_out = self.fill()?;
        Ok(Selection { attestations: self.draft.into_candidates(), left_out })
    }

    /// Adds what has become eligible. Attestations stay eligible, because the chain still counts
    /// them. When the draft finalizes, they move behind it: finality decides which targets count.
    fn enter(&mut self, round: usize) -> Result<(), Rejection> {
        let finalized = self.view.finalized_slot;
        if std::mem::replace(&mut self.finalized, finalized) != finalized {
            for eligible in &mut self.eligible {
                if !self.draft.has(eligible.place) {
                    eligible.move_to(round);
                }
            }
        }
        for (at, candidate) in self.candidates.iter().copied().enumerate() {
            if self.seen[at] || !self.view.wants(&candidate.data)? {
                continue;
            }
            self.seen[at] = true;
            let (place, data) = ((round, at), candidate.data);
            let payloads = candidate.payloads.iter();
            let items = payloads.map(|each| Item::new(place, candidate, Arc::clone(each)));
            self.eligible.push(Eligible { items: items.collect(), data, place, candidate });
        }
        Ok(())
    }

    /// The voters that count for a target of the draft's block.
    fn counted(&self, target: &Root) -> Coverage {
        let mut counted = Coverage::default();
        counted.add_words(&pending_votes(&self.post, target));
        counted
    }

    /// The draft with attestations that justify one more target: first a target that finalizes,
    /// then the newest.
    fn justify(&self, steps: &mut usize) -> Result<Option<Draft<'a>>, Rejection> {
        let needed = (2 * self.post.validators.len()).div_ceil(3);
        let mut goals: BTreeMap<Root, Goal<'a, '_>> = BTreeMap::new();
        for Eligible { items, data, .. } in &self.eligible {
            if self.view.counts(data)? {
                let goal = goals.entry(data.target.root).or_insert_with(|| Goal {
                    finalizes: false,
                    slot: data.target.slot,
                    counted: self.counted(&data.target.root),
                    items: Vec::new(),
                });
                goal.finalizes |= self.view.would_finalize(data);
                goal.items.extend(items);
            }
        }
        let mut goals: Vec<_> = goals.into_values().filter(|goal| goal.reach() >= needed).collect();
        goals.sort_by_key(|goal| Reverse((goal.finalizes, goal.slot)));
        for Goal { counted, items, .. } in goals {
            let mut mine = MAX_STEPS.min(*steps);
            let before = mine;
            let found = cover(&self.draft, &counted, &items, needed, &mut mine);
            *steps -= before - mine;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Adds attestations that bring targets nearer to justification: the most new voters first,
    /// then the target that is nearest.
    fn build(&mut self) -> Result<(), Rejection> {
        let mut counted: BTreeMap<Root, Coverage> = BTreeMap::new();
        let mut items = Vec::new();
        for Eligible { items: each, data, .. } in &self.eligible {
            if self.view.counts(data)? {
                if let MapEntry::Vacant(entry) = counted.entry(data.target.root) {
                    entry.insert(self.counted(&data.target.root));
                }
                items.extend(each);
            }
        }
        loop {
            items.retain(|item| {
                let counted = &counted[&item.candidate.data.target.root];
                item.voters.count_beyond(counted) > 0 && self.draft.check(item).is_ok()
            });
            let best = items.iter().max_by_key(|item| {
                let counted = &counted[&item.candidate.data.target.root];
                let gain = item.voters.count_beyond(counted);
                (gain, counted.count(), Reverse(item.place))
            });
            let Some(best) = best.copied() else { break };
            self.draft.add(best).expect("it was checked");
            let target = best.candidate.data.target.root;
            counted.get_mut(&target).expect("every target is there").add(&best.voters);
        }
        self.post = self.site.post_state(&self.draft)?;
        self.view.advance(&self.post);
        Ok(())
    }

    /// Fills the remaining room, and counts what does not fit.
    fn fill(&mut self) -> Result<LeftOut, Rejection> {
        let mut ordered = Vec::new();
        for (at, Eligible { items, data, .. }) in self.eligible.iter().enumerate() {
            let counted = self.counted(&data.target.root);
            let adds = items.iter().any(|item| item.voters.count_beyond(&counted) > 0);
            let adds = adds && !self.view.is_justified(data.target.slot)?;
            ordered.push((!adds, at));
        }
        ordered.sort_by_key(|(is_idle, at)| (*is_idle, self.eligible[*at].place));
        let mut left_out = LeftOut::default();
        for (is_idle, at) in ordered {
            let Eligible { candidate, place, data, .. } = &self.eligible[at];
            let mut lacks = false;
            for payload in select_proofs_for_coverage(&candidate.payloads, &[]).0 {
                let item = Item::new(*place, candidate, payload);
                if !self.draft.covers(&item) {
                    lacks |= self.draft.add(&item) == Err(Full::Room);
                }
            }
            if lacks && !is_idle && self.view.counts(data)? {
                left_out.useful += 1;
            } else if lacks {
                left_out.idle += 1;
            }
        }
        Ok(left_out)
    }
}
