//! The votes for targets that are not justified yet, as the state keeps them: ascending roots,
//! and for each a run of bits as long as the registry.

use quintet_components::{
    containers::{AggregationBits, JustificationVotes, Root, RootList, State},
    rejection::{Rejection, RejectionReason},
};

/// A working copy. The bits stay in the persistent list, of which only the changed runs are
/// copied; the roots, a few hundred at most while finality stalls, are a plain vector.
pub(super) struct Justifications {
    roots: Vec<Root>,
    roots_changed: bool,
    votes: JustificationVotes,
    validator_count: usize,
}

impl Justifications {
    /// Takes the pending justifications of a state.
    pub(super) fn of(state: &State) -> Result<Self, Rejection> {
        let malformed = |detail: String| Err(RejectionReason::MalformedState.because(detail));
        let validator_count = state.validators.len();
        let mut this = Self {
            roots: state.justifications_roots.iter().copied().collect(),
            roots_changed: false,
            votes: state.justifications_validators.clone(),
            validator_count,
        };
        if this.roots.contains(&Root::ZERO) {
            return malformed("a pending target has the zero root".into());
        }
        if this.votes.len() != this.roots.len() * validator_count {
            return malformed(format!(
                "{} vote bits for {} targets of {validator_count} validators",
                this.votes.len(),
                this.roots.len()
            ));
        }
        if !this.roots.is_sorted() {
            this.sort()?;
        }
        Ok(this)
    }

    /// No transition leaves the roots out of order; a state from elsewhere may.
    fn sort(&mut self) -> Result<(), Rejection> {
        let mut runs: Vec<(Root, Vec<u64>)> = Vec::with_capacity(self.roots.len());
        for (index, root) in self.roots.iter().enumerate() {
            let start = index * self.validator_count;
            let ones =
                self.votes.ones_from(start).take_while(|bit| *bit < start + self.validator_count);
            runs.push((*root, ones.map(|bit| (bit - start) as u64).collect()));
        }
        runs.sort_unstable();
        self.roots.clear();
        self.votes = JustificationVotes::default();
        for (root, voters) in runs {
            let voters = AggregationBits::from_indices(voters.iter().copied());
            let index = self.insert(root)?;
            if let Ok(voters) = voters {
                self.votes.set_all(index * self.validator_count, voters.words());
            }
        }
        Ok(())
    }

    fn insert(&mut self, root: Root) -> Result<usize, Rejection> {
        let index = match self.roots.binary_search(&root) {
            Ok(index) => return Ok(index),
            Err(index) => index,
        };
        let start = index * self.validator_count;
        self.votes.splice(start..start, self.validator_count).map_err(|limit| {
            RejectionReason::HistoryLimitExceeded
                .because(format!("more than {limit} pending justification bits"))
        })?;
        self.roots.insert(index, root);
        self.roots_changed = true;
        Ok(index)
    }

    /// Counts these voters for a target; voting again changes nothing. Returns how many have
    /// voted for it.
    pub(super) fn vote(
        &mut self,
        target: Root,
        voters: &AggregationBits,
    ) -> Result<usize, Rejection> {
        let start = self.insert(target)? * self.validator_count;
        self.votes.set_all(start, voters.words());
        Ok(self.votes.count_ones(start..start + self.validator_count))
    }

    /// Forgets a target.
    pub(super) fn remove(&mut self, target: Root) {
        if let Ok(index) = self.roots.binary_search(&target) {
            let start = index * self.validator_count;
            self.votes
                .splice(start..start + self.validator_count, 0)
                .expect("a removal stays within the limit");
            self.roots.remove(index);
            self.roots_changed = true;
        }
    }

    /// The pending targets, ascending.
    pub(super) fn targets(&self) -> &[Root] {
        &self.roots
    }

    /// Puts the working copy back.
    pub(super) fn store_in(self, state: &mut State) -> Result<(), Rejection> {
        if self.roots_changed {
            state.justifications_roots = RootList::new(self.roots).map_err(|count| {
                RejectionReason::HistoryLimitExceeded.because(format!("{count} pending targets"))
            })?;
        }
        state.justifications_validators = self.votes;
        Ok(())
    }
}
