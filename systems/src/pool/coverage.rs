//! Choosing proofs that cover as many validators as possible.

use std::{cmp::Ordering, sync::Arc};

use quintet_components::containers::SingleMessageAggregate;
pub use quintet_components::coverage::Coverage;
use ssz::Encode;

/// Picks, again and again, the proof that adds the most validators, first from the pool with
/// priority, then from the fallback, until no proof adds any. Ties go to the larger encoding, so
/// that every node picks alike. Returns the picks and what they cover.
pub fn select_proofs_for_coverage(
    priority: &[Arc<SingleMessageAggregate>],
    fallback: &[Arc<SingleMessageAggregate>],
) -> (Vec<Arc<SingleMessageAggregate>>, Coverage) {
    let mut selected = Vec::new();
    let mut covered = Coverage::default();
    for pool in [priority, fallback] {
        let mut candidates: Vec<(&Arc<SingleMessageAggregate>, Coverage)> =
            pool.iter().map(|proof| (proof, Coverage::of(&proof.participants))).collect();
        loop {
            // What adds nothing now adds nothing later.
            candidates.retain(|(_, coverage)| coverage.count_beyond(&covered) > 0);
            let gains: Vec<u32> =
                candidates.iter().map(|(_, each)| each.count_beyond(&covered)).collect();
            let Some(best) = (0..candidates.len()).max_by(|one, other| {
                gains[*one]
                    .cmp(&gains[*other])
                    .then_with(|| compare_encodings(candidates[*one].0, candidates[*other].0))
            }) else {
                break;
            };
            let (proof, coverage) = candidates.swap_remove(best);
            covered.add(&coverage);
            selected.push(Arc::clone(proof));
        }
    }
    (selected, covered)
}

fn compare_encodings(one: &SingleMessageAggregate, other: &SingleMessageAggregate) -> Ordering {
    one.as_ssz_bytes().cmp(&other.as_ssz_bytes())
}
