//! Chooses proofs that cover as many validators as possible.

use std::{
    cmp::{Ordering, Reverse},
    collections::{BinaryHeap, binary_heap::PeekMut},
    sync::Arc,
};

use quintet_components::containers::{AggregationBits, SingleMessageAggregate};
pub use quintet_components::coverage::Coverage;

/// Picks again and again the proof that adds the most validators, first from the pool with
/// priority, then from the fallback, until no proof adds any. Among equals it takes the larger
/// encoding of the participants, so that every node picks the same; among the same participants it
/// takes the first. Proofs themselves are not compared. Returns the picks and the validators that
/// they cover.
pub fn select_proofs_for_coverage(
    priority: &[Arc<SingleMessageAggregate>],
    fallback: &[Arc<SingleMessageAggregate>],
) -> (Vec<Arc<SingleMessageAggregate>>, Coverage) {
    let mut selected = Vec::new();
    let mut covered = Coverage::default();
    for pool in [priority, fallback] {
        let participants: Vec<&AggregationBits> =
            pool.iter().map(|proof| &proof.participants).collect();
        let picks = pick_greedily(&participants, &mut covered, Coverage::count_beyond);
        selected.extend(picks.into_iter().map(|place| Arc::clone(&pool[place])));
    }
    (selected, covered)
}

/// A proof that may still add validators. The greatest one is picked.
struct Candidate<'a> {
    /// The most that it can add: what it added when it was last computed. The covered set only
    /// grows, so it never adds more.
    gain: u32,
    participants: &'a AggregationBits,
    place: usize,
}

impl Candidate<'_> {
    fn rank(&self, other: &Self) -> Ordering {
        (self.gain.cmp(&other.gain))
            .then_with(|| self.participants.cmp_encoded(other.participants))
            .then_with(|| Reverse(self.place).cmp(&Reverse(other.place)))
    }
}

impl Ord for Candidate<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank(other)
    }
}

impl PartialOrd for Candidate<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Candidate<'_> {}

/// The indices of the picks, in their order. `gain` is the number of validators that the first set
/// adds to the second. After a pick only the candidate that seems best is computed again.
fn pick_greedily(
    pool: &[&AggregationBits],
    covered: &mut Coverage,
    mut gain: impl FnMut(&Coverage, &Coverage) -> u32,
) -> Vec<usize> {
    let voters: Vec<Coverage> =
        pool.iter().map(|participants| Coverage::of(participants)).collect();
    let mut candidates: BinaryHeap<Candidate<'_>> = pool
        .iter()
        .zip(&voters)
        .enumerate()
        .map(|(place, (participants, voters))| Candidate {
            gain: gain(voters, covered),
            participants,
            place,
        })
        .filter(|candidate| candidate.gain > 0)
        .collect();
    let mut picks = Vec::new();
    while let Some(mut best) = candidates.peek_mut() {
        let voters = &voters[best.place];
        let adds = gain(voters, covered);
        if adds == best.gain {
            covered.add(voters);
            picks.push(PeekMut::pop(best).place);
        } else if adds > 0 {
            best.gain = adds;
        } else {
            PeekMut::pop(best);
        }
    }
    picks
}

#[cfg(test)]
mod tests {
    use quintet_components::containers::ProofBytes;

    use super::*;

    fn payload(
        validators: impl IntoIterator<Item = u64, IntoIter: Clone> + Clone,
    ) -> Arc<SingleMessageAggregate> {
        let participants = AggregationBits::from_indices(validators).expect("in range");
        let proof = ProofBytes::default();
        Arc::new(SingleMessageAggregate { participants, proof })
    }

    /// The number of gains that are computed for these payloads, and the number of payloads that
    /// are picked.
    fn work(payloads: &[Arc<SingleMessageAggregate>]) -> (usize, usize) {
        let pool: Vec<_> = payloads.iter().map(|payload| &payload.participants).collect();
        let mut looks = 0;
        let picks = pick_greedily(&pool, &mut Coverage::default(), |voters, covered| {
            looks += 1;
            voters.count_beyond(covered)
        });
        (looks, picks.len())
    }

    #[test]
    fn the_work_grows_with_the_payloads_and_not_with_their_pairs() {
        const COUNT: usize = 4096;
        // Split from one aggregate: each has the first half of the validators and one more.
        let cut: Vec<_> =
            (0..COUNT as u64).map(|index| payload((0..2048).chain([2048 + index / 2]))).collect();
        let (looks, picks) = work(&cut);
        assert_eq!(picks, COUNT / 2);
        assert!(looks <= 4 * COUNT, "{looks}");
        // All with the same validators.
        let same: Vec<_> = (0..COUNT).map(|_| payload(0..4096)).collect();
        let (looks, picks) = work(&same);
        assert_eq!(picks, 1);
        assert!(looks <= 2 * COUNT + 1, "{looks}");
        // Pairs.
        let pairs: Vec<_> =
            (0..COUNT as u64 - 1).map(|index| payload([index, index + 1])).collect();
        let (looks, _) = work(&pairs);
        assert!(looks <= 4 * COUNT, "{looks}");
    }

    #[test]
    fn picks_are_those_of_a_literal_greedy_choice() {
        let mut seed = 7_u64;
        let mut next = move || {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            seed >> 33
        };
        for _ in 0..300 {
            let mut pool = || -> Vec<_> {
                let some = |next: &mut dyn FnMut() -> u64| {
                    let voters = (0..1 + next() % 5).map(|_| next() % 12);
                    payload(voters.collect::<Vec<_>>())
                };
                (0..next() % 8).map(|_| some(&mut next)).collect()
            };
            let (new, known) = (pool(), pool());
            let (picks, covered) = select_proofs_for_coverage(&new, &known);
            let (expected, all) = literally(&new, &known);
            assert_eq!(picks.len(), expected.len());
            for (pick, expected) in picks.iter().zip(&expected) {
                assert!(Arc::ptr_eq(pick, expected));
            }
            assert_eq!(covered, all);
        }
    }

    fn literally(
        new: &[Arc<SingleMessageAggregate>],
        known: &[Arc<SingleMessageAggregate>],
    ) -> (Vec<Arc<SingleMessageAggregate>>, Coverage) {
        use ssz::Encode;
        let (mut picks, mut covered) = (Vec::new(), Coverage::default());
        for pool in [new, known] {
            loop {
                let gain = |one: &SingleMessageAggregate| {
                    Coverage::of(&one.participants).count_beyond(&covered)
                };
                // `max` takes the last of equals, so the order is reversed to get the first of the
                // pool.
                let best = pool.iter().rev().max_by_key(|one| (gain(one), one.as_ssz_bytes()));
                let Some(best) = best.filter(|best| gain(best) > 0) else { break };
                picks.push(Arc::clone(best));
                covered.add(&Coverage::of(&best.participants));
            }
        }
        (picks, covered)
    }
}
