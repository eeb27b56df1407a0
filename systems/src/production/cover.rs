//! Finds payloads that justify a target and fit into a block.

use std::cmp::Reverse;

use super::draft::{Draft, Item};
use crate::pool::Coverage;

/// The largest number of choices that are tried for one target. The first descent always takes the
/// payload that adds the most voters; others are tried only if that does not fit. If there are few
/// payloads, all choices are tried.
pub(super) const MAX_STEPS: usize = 2048;

/// A choice: the payloads taken, and the payloads that are left.
struct Node<'a, 'i> {
    draft: Draft<'a>,
    counted: Coverage,
    left: Vec<&'i Item<'a>>,
}

/// The draft with payloads added until `counted` has `needed` voters; `None` if no choice that was
/// tried reaches that and fits. Subtracts the number of tries from `steps`.
pub(super) fn cover<'a>(
    draft: &Draft<'a>,
    counted: &Coverage,
    items: &[&Item<'a>],
    needed: usize,
    steps: &mut usize,
) -> Option<Draft<'a>> {
    let mut path =
        vec![Node { draft: draft.clone(), counted: counted.clone(), left: items.to_vec() }];
    while let Some(node) = path.last_mut() {
        if node.counted.count() >= needed {
            return path.pop().map(|node| node.draft);
        }
        // A payload that adds no voter, or does not fit, will not later on this path.
        node.left.retain(|item| {
            item.voters.count_beyond(&node.counted) > 0 && node.draft.check(item).is_ok()
        });
        let mut most = node.counted.clone();
        node.left.iter().for_each(|item| most.add(&item.voters));
        if most.count() < needed {
            path.pop();
            continue;
        }
        let gain = |item: &Item<'_>| item.voters.count_beyond(&node.counted);
        let best = (0..node.left.len())
            .max_by_key(|at| (gain(node.left[*at]), Reverse(node.left[*at].place)))?;
        *steps = steps.checked_sub(1)?;
        let item = node.left.remove(best);
        let (mut draft, mut counted) = (node.draft.clone(), node.counted.clone());
        let fits = draft.add(item);
        debug_assert!(fits.is_ok(), "it was checked");
        counted.add(&item.voters);
        let left = node.left.clone();
        path.push(Node { draft, counted, left });
    }
    None
}
