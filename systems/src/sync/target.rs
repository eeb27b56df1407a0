//! Chooses the chain to follow, from the statuses of peers.

use quintet_components::{
    containers::{Slot, Status},
    network::PeerId,
    sync::{PeerSync, limits},
    tree::BlockTree,
};

/// The data of a peer that sync uses.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerView {
    /// Its id.
    pub id: PeerId,
    /// Its last status.
    pub status: Option<Status>,
    /// The age of its status, in milliseconds.
    pub status_age_ms: u64,
    /// Requests for blocks in flight to it.
    pub in_flight: usize,
    /// Its record.
    pub sync: PeerSync,
    /// True while it is not asked.
    pub is_backed_off: bool,
    /// True if its claim to be ahead has brought nothing.
    pub is_doubted: bool,
}

/// The chain to follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Followed {
    /// A peer's status on this chain, with the head to reach.
    pub status: Status,
    /// The peers that do not contradict it, by id.
    pub peers: Vec<PeerId>,
    /// True if fewer peers claim it than agree with the own head. It may then extend the own head
    /// but not replace it.
    pub is_outvoted: bool,
}

/// Returns true if a status is consistent and agrees with the clock.
pub(super) const fn is_plausible(status: &Status, now_slot: Slot) -> bool {
    status.finalized.slot <= status.head.slot && status.head.slot <= now_slot
}

/// The number of slots by which a status is ahead of the own one, by its head or by its finalized
/// block. A chain that has finalized more is ahead even if it is shorter.
pub(super) fn lead(status: &Status, own: &Status) -> u64 {
    let head = status.head.slot.saturating_sub(own.head.slot);
    head.max(status.finalized.slot.saturating_sub(own.finalized.slot))
}

/// Returns true if two statuses can belong to one chain. They cannot if they have different
/// finalized blocks for one slot, or if one has a head far beyond the other's finalized block
/// without having finalized a block near it.
fn is_compatible(one: &Status, other: &Status) -> bool {
    let margin = limits::STATUS_PERIOD_SLOTS;
    let passes = |one: &Status, other: &Status| {
        one.head.slot > other.finalized.slot + margin
            && one.finalized.slot + margin < other.finalized.slot
    };
    if one.finalized.slot == other.finalized.slot {
        return one.finalized.root == other.finalized.root;
    }
    !passes(one, other) && !passes(other, one)
}

/// Chooses among the plausible heads that are ahead and unknown, of peers that may be asked: the
/// largest group that can be of one chain, among equals the one that has finalized the most, and
/// the slot that most of the group have reached. A single peer far ahead of others therefore sets
/// no target, and a peer that failed does not count. `is_ahead` says which heads are ahead.
///
/// `None` if no peer is ahead.
pub fn choose_target(
    views: &[PeerView],
    tree: &BlockTree,
    now_slot: Slot,
    is_ahead: impl Fn(&Status) -> bool,
) -> Option<Followed> {
    let plausible: Vec<(&PeerId, Status)> = views
        .iter()
        .filter(|view| !view.is_backed_off)
        .filter_map(|view| Some((&view.id, view.status?)))
        .filter(|(_, status)| is_plausible(status, now_slot))
        .collect();
    let (known, unknown): (Vec<_>, Vec<_>) =
        plausible.into_iter().partition(|(_, status)| tree.contains(&status.head.root));
    let ahead: Vec<(&PeerId, Status)> =
        unknown.into_iter().filter(|(_, status)| is_ahead(status)).collect();
    let group_of = |status: &Status| -> Vec<(&PeerId, Status)> {
        ahead.iter().filter(|(_, other)| is_compatible(status, other)).copied().collect()
    };
    let mut group: Vec<(&PeerId, Status)> = Vec::new();
    let mut best = (0, 0);
    for (_, status) in &ahead {
        let candidate = group_of(status);
        let rank = (candidate.len(), status.finalized.slot);
        // Among equals, the lowest peer id.
        if group.is_empty() || rank > best {
            (group, best) = (candidate, rank);
        }
    }
    let mut statuses: Vec<Status> = group.iter().map(|(_, status)| *status).collect();
    statuses.sort_by_key(|status| std::cmp::Reverse((status.head.slot, status.head.root)));
    let status = *statuses.get(statuses.len() / 2)?;
    let is_outvoted = known.len() > group.len();
    Some(Followed {
        status,
        peers: group.into_iter().map(|(id, _)| id.clone()).collect(),
        is_outvoted,
    })
}

#[cfg(test)]
mod tests {
    use quintet_components::containers::{Checkpoint, Root};

    use super::*;

    fn peer(name: &str, finalized: (u8, Slot), head: (u8, Slot)) -> PeerView {
        let checkpoint = |(root, slot)| Checkpoint { root: Root::repeat_byte(root), slot };
        PeerView {
            id: name.into(),
            status: Some(Status { finalized: checkpoint(finalized), head: checkpoint(head) }),
            status_age_ms: 0,
            in_flight: 0,
            sync: PeerSync::default(),
            is_backed_off: false,
            is_doubted: false,
        }
    }

    fn target(views: &[PeerView], now_slot: Slot) -> Option<(Slot, usize)> {
        choose_target(views, &BlockTree::default(), now_slot, |status| status.head.slot > 0)
            .map(|followed| (followed.status.head.slot, followed.peers.len()))
    }

    #[test]
    fn one_peer_is_followed_as_far_as_the_clock_allows() {
        let views = [peer("a", (1, 10), (2, 20))];
        assert_eq!(target(&views, 20), Some((20, 1)));
        assert_eq!(target(&views, 19), None);
        assert_eq!(target(&[peer("a", (1, 21), (2, 20))], 30), None, "finalized after its head");
        assert_eq!(target(&[], 30), None);
    }

    #[test]
    fn most_of_the_peers_have_reached_the_target() {
        let two = [peer("a", (1, 10), (2, 20)), peer("b", (1, 10), (3, 900))];
        assert_eq!(target(&two, 1000), Some((20, 2)));
        let three = [two[0].clone(), two[1].clone(), peer("c", (1, 10), (2, 22))];
        assert_eq!(target(&three, 1000), Some((22, 3)));
    }

    #[test]
    fn the_larger_of_two_chains_is_followed_and_a_peer_left_alone_does_not_count() {
        let mut views = [
            peer("a", (9, 10), (8, 900)),
            peer("b", (1, 10), (2, 20)),
            peer("c", (1, 10), (2, 20)),
        ];
        assert_eq!(target(&views, 1000), Some((20, 2)));
        views[1].is_backed_off = true;
        views[2].is_backed_off = true;
        assert_eq!(target(&views, 1000), Some((900, 1)));
    }

    #[test]
    fn a_chain_that_grows_without_finalizing_is_not_the_chain_that_finalizes() {
        let views = [peer("a", (1, 3), (8, 900)), peer("b", (2, 98), (3, 100))];
        assert_eq!(target(&views, 1000), Some((100, 1)), "the one that finalizes");
        let views = [peer("a", (1, 3), (8, 50)), peer("b", (2, 98), (3, 100))];
        assert_eq!(target(&views, 1000), Some((50, 2)), "one that lags behind");
        let own = peer("c", (1, 3), (9, 400)).status.expect("given");
        let leads = views.map(|view| lead(&view.status.expect("given"), &own));
        assert_eq!(leads, [0, 95]);
    }
}
