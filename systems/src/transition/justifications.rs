//! The votes for targets that are not justified yet, in the format of the state: ascending roots,
//! and for each a run of bits as long as the registry.

use std::{cmp::Ordering, collections::BTreeMap};

use quintet_components::{
    containers::{AggregationBits, JustificationVotes, Root, RootList, State},
    rejection::{Rejection, RejectionReason},
};

/// The validators that have voted for a pending target of a state whose targets ascend, as words of
/// 64; empty for a target without votes.
pub fn pending_votes(state: &State, target: &Root) -> Vec<u64> {
    let roots = &state.justifications_roots;
    let (mut low, mut high) = (0, roots.len());
    while low < high {
        let middle = usize::midpoint(low, high);
        match roots.get(middle as u64).map(|root| root.cmp(target)) {
            Some(Ordering::Equal) => {
                let count = state.validators.len();
                return state.justifications_validators.words(middle * count..(middle + 1) * count);
            }
            Some(Ordering::Less) => low = middle + 1,
            _ => high = middle,
        }
    }
    Vec::new()
}

/// The pending targets of a state, and how a block changes them.
///
/// Votes stay in the persistent list; only the targets that a block votes for or decides are copied
/// out of it. The list is written once, at the end.
pub(super) struct Justifications<'a> {
    state: &'a State,
    validator_count: usize,
    /// The targets in the state, ascending, each with the position of its votes.
    stored: BTreeMap<Root, usize>,
    /// The changed targets: their votes, or `None` if they were removed.
    edits: BTreeMap<Root, Option<Vec<u64>>>,
}

impl<'a> Justifications<'a> {
    /// The pending justifications of a state.
    pub(super) fn of(state: &'a State) -> Result<Self, Rejection> {
        use RejectionReason::{
            JustificationVotesLengthMismatch, MalformedState, ZeroHashJustificationRoot,
        };
        let validator_count = state.validators.len();
        let stored: BTreeMap<Root, usize> = state
            .justifications_roots
            .iter()
            .enumerate()
            .map(|(index, root)| (*root, index * validator_count))
            .collect();
        if stored.contains_key(&Root::ZERO) {
            return Err(ZeroHashJustificationRoot.because("a pending target has the zero root"));
        }
        if stored.len() != state.justifications_roots.len() {
            return Err(MalformedState.because("a pending target occurs twice"));
        }
        if state.justifications_validators.len() != stored.len() * validator_count {
            return Err(JustificationVotesLengthMismatch.because(format!(
                "{} vote bits for {} targets of {validator_count} validators",
                state.justifications_validators.len(),
                stored.len()
            )));
        }
        Ok(Self { state, validator_count, stored, edits: BTreeMap::new() })
    }

    fn stored_votes(&self, start: usize) -> Vec<u64> {
        self.state.justifications_validators.words(start..start + self.validator_count)
    }

    /// Adds these voters for a target; voting again changes nothing. Returns the number of its
    /// voters. The voters must be in the registry.
    pub(super) fn vote(&mut self, target: Root, voters: &AggregationBits) -> usize {
        let mut votes = match self.edits.remove(&target) {
            Some(edited) => edited,
            None => self.stored.get(&target).map(|start| self.stored_votes(*start)),
        }
        .unwrap_or_else(|| vec![0; self.validator_count.div_ceil(64)]);
        for (mine, theirs) in votes.iter_mut().zip(voters.words()) {
            *mine |= theirs;
        }
        let count = votes.iter().map(|word| word.count_ones() as usize).sum();
        self.edits.insert(target, Some(votes));
        count
    }

    /// Removes a target.
    pub(super) fn remove(&mut self, target: Root) {
        self.edits.insert(target, None);
    }

    /// The pending targets.
    pub(super) fn targets(&self) -> Vec<Root> {
        let kept = self.stored.keys().filter(|target| !self.edits.contains_key(*target));
        let edited = self.edits.iter().filter(|(_, votes)| votes.is_some()).map(|(root, _)| root);
        kept.chain(edited).copied().collect()
    }

    /// The lists after the block: ascending roots, and votes in the same order.
    pub(super) fn finish(self) -> Result<(RootList, JustificationVotes), Rejection> {
        if self.edits.is_empty() {
            let State { justifications_roots, justifications_validators, .. } = self.state;
            return Ok((justifications_roots.clone(), justifications_validators.clone()));
        }
        let in_place = self.state.justifications_roots.iter().is_sorted()
            && self
                .edits
                .iter()
                .all(|(root, votes)| votes.is_some() && self.stored.contains_key(root));
        let mut votes = self.state.justifications_validators.clone();
        if in_place {
            for (root, words) in self.edits {
                votes.set_all(self.stored[&root], words.into_iter().flatten());
            }
            return Ok((self.state.justifications_roots.clone(), votes));
        }
        let too_many = |what: &str, count: usize| {
            RejectionReason::HistoryLimitExceeded.because(format!("{count} pending {what}"))
        };
        let mut targets = self.targets();
        targets.sort_unstable();
        // Everything before the first change stays as it is.
        let same = targets
            .iter()
            .zip(self.state.justifications_roots.iter())
            .take_while(|(target, stored)| target == stored && !self.edits.contains_key(*target))
            .count();
        let runs = targets[same..].iter().map(|target| {
            let words = match self.edits.get(target) {
                Some(edited) => edited.clone().expect("a pending target has votes"),
                None => self.stored_votes(self.stored[target]),
            };
            (words, self.validator_count)
        });
        votes
            .replace_from(same * self.validator_count, runs)
            .map_err(|limit| too_many("vote bits, more than the limit", limit))?;
        let roots = RootList::new(targets).map_err(|count| too_many("targets", count))?;
        Ok((roots, votes))
    }
}
