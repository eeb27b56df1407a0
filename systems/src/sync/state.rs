//! The state of sync, and the decision whether validators may do their duties.

use bevy_ecs::prelude::*;
use quintet_components::{
    clock::Deadline,
    constants::SLOT_DURATION_MS,
    containers::{Slot, Status},
    duties::MissReason,
    sync::{DutyGate, SyncState, limits},
    tree::BlockTree,
};

use super::{
    roles::{Now, OwnChain, Peers},
    target::{PeerView, choose_target, is_plausible, lead},
};

/// The time since which there has been no peer to ask, in Unix milliseconds.
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Alone(pub Option<u64>);

/// The time since which the node has been awake. Earlier statuses of peers do not count.
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Awake {
    since_ms: Option<u64>,
    /// The time by which the peers must have answered.
    deadline: Option<Entity>,
}

impl Awake {
    /// The time since which it has been awake, in Unix milliseconds.
    pub(super) fn since_ms(&self) -> u64 {
        self.since_ms.unwrap_or(0)
    }

    /// Returns true if the node has been awake for less than a slot, and may therefore be in no
    /// mesh yet.
    pub(super) fn is_fresh(&self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.since_ms()) < SLOT_DURATION_MS
    }

    /// Returns true if it is too early to know the peers' chains.
    fn is_asking(&self, views: &[PeerView], now_ms: u64) -> bool {
        let awake_ms = now_ms.saturating_sub(self.since_ms());
        let is_heard = |view: &PeerView| view.status_age_ms <= awake_ms;
        awake_ms < limits::ASK_WAIT_MS && (views.is_empty() || !views.iter().all(is_heard))
    }
}

/// Notices that the node has started, that its clock was set back, or that slots have passed since
/// the last update. Peers are then asked again, and duties wait for their answers for
/// [`limits::ASK_WAIT_MS`].
pub fn notice_waking(
    now: Now,
    gate: Res<DutyGate>,
    mut awake: ResMut<Awake>,
    deadlines: Query<&Deadline>,
    mut commands: Commands,
) {
    let (now_ms, now_slot) = (now.ms(), now.slot());
    let Awake { since_ms, deadline } = *awake;
    let is_turned_back = since_ms.is_none_or(|since_ms| since_ms > now_ms);
    if is_turned_back || gate.at_slot.saturating_add(1) < now_slot {
        let deadline = deadline.unwrap_or_else(|| commands.spawn_empty().id());
        let at_ms = now_ms.saturating_add(limits::ASK_WAIT_MS);
        commands.entity(deadline).insert(Deadline { at_ms });
        *awake = Awake { since_ms: Some(now_ms), deadline: Some(deadline) };
    } else if let Some(entity) = deadline
        && deadlines.get(entity).is_ok_and(|deadline| deadline.at_ms <= now_ms)
    {
        commands.entity(entity).despawn();
        awake.deadline = None;
    }
}

/// The facts that decide the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The state so far.
    pub state: SyncState,
    /// The slot of the clock.
    pub now_slot: Slot,
    /// The head's slot.
    pub head_slot: Slot,
    /// The number of slots by which the followed chain is ahead, by its head or by its finalized
    /// block.
    pub behind: u64,
    /// True if a peer has recently sent its status.
    pub has_fresh_status: bool,
    /// The time for which there has been no peer to ask, in milliseconds.
    pub alone_ms: u64,
}

/// The state, and the reason duties may not be done in it.
///
/// A head within [`limits::SYNCING_BEHIND_SLOTS`] slots of the clock counts as up to date. If the
/// head is further behind the clock, the node asks its peers. While a followed chain is ahead, the
/// node syncs. If none is ahead, the network stands still and only duties can restart it. If there
/// is no peer to ask, the node waits for [`limits::ALONE_SLOTS`] and then continues alone.
pub fn judge_standing(standing: Standing) -> (SyncState, Option<MissReason>) {
    let Standing { state, now_slot, head_slot, behind, has_fresh_status, alone_ms } = standing;
    let allowed = match state {
        SyncState::Syncing => limits::SYNCED_BEHIND_SLOTS,
        SyncState::Idle | SyncState::Synced => limits::SYNCING_BEHIND_SLOTS,
    };
    if behind > allowed {
        (SyncState::Syncing, Some(MissReason::Syncing))
    } else if has_fresh_status || head_slot.saturating_add(limits::SYNCING_BEHIND_SLOTS) >= now_slot
    {
        (SyncState::Synced, None)
    } else {
        let is_over = alone_ms >= limits::ALONE_SLOTS * SLOT_DURATION_MS;
        (SyncState::Idle, (!is_over).then_some(MissReason::Alone))
    }
}

/// Notes the peers that claim to be ahead.
fn note_claims(peers: &mut Peers, views: &[PeerView], own: &Status, tree: &BlockTree) {
    let (now_ms, now_slot) = (peers.now.ms(), peers.now.slot());
    for view in views {
        let is_ahead = view.status.is_some_and(|status| {
            is_plausible(&status, now_slot)
                && lead(&status, own) > 0
                && !tree.contains(&status.head.root)
        });
        if let Some(mut sync) = peers.sync_mut(&view.id) {
            sync.note_claim(is_ahead, now_ms);
        }
    }
}

/// The peers whose claims hold duties back, of those that have sent a status since the node woke.
///
/// While some peer agrees with the own head, peers that have failed and peers whose claims brought
/// no block do not count. While no peer agrees, the own head is probably old, even if requests have
/// failed. Then peers that have failed count too, and a claim that brought no block is ignored only
/// if it is the only claim.
fn witnesses(views: &[PeerView], tree: &BlockTree, awake_ms: u64) -> Vec<PeerView> {
    let is_heard = |view: &&PeerView| view.status_age_ms <= awake_ms;
    let mut heard: Vec<PeerView> = views.iter().filter(is_heard).cloned().collect();
    let agrees = |view: &PeerView| {
        !view.is_backed_off && view.status.is_some_and(|status| tree.contains(&status.head.root))
    };
    let is_agreed = heard.iter().any(agrees);
    let claims = heard.iter().filter(|view| view.sync.claims_since_ms.is_some()).count();
    if is_agreed || claims == 1 {
        heard.retain(|view| !view.is_doubted);
    }
    if !is_agreed {
        heard.iter_mut().for_each(|view| view.is_backed_off = false);
    }
    heard
}

/// Updates the state of sync, and the gate of duties.
pub fn update_sync_state(
    mut peers: Peers,
    chain: OwnChain,
    (awake, mut alone): (Res<Awake>, ResMut<Alone>),
    mut sync_state: ResMut<SyncState>,
    mut gate: ResMut<DutyGate>,
) {
    let (now_ms, now_slot) = (peers.now.ms(), peers.now.slot());
    let views = peers.views();
    let (own, tree) = (chain.status(), &*chain.tree);
    note_claims(&mut peers, &views, &own, tree);
    let witnesses = witnesses(&views, tree, now_ms.saturating_sub(awake.since_ms()));
    let followed = choose_target(&witnesses, tree, now_slot, |status| lead(status, &own) > 0)
        .filter(|followed| !followed.is_outvoted);
    let head = own.head;
    let fresh_ms = limits::STATUS_FRESH_SLOTS * SLOT_DURATION_MS;
    let has_fresh_status = views.iter().any(|view| {
        view.status_age_ms <= fresh_ms
            && view.status.is_some_and(|status| is_plausible(&status, now_slot))
    });
    let alone_since_ms = if has_fresh_status { None } else { Some(alone.0.unwrap_or(now_ms)) };
    alone.set_if_neq(Alone(alone_since_ms));
    let alone_ms = alone_since_ms.map_or(0, |since| now_ms.saturating_sub(since));
    let state = *sync_state;
    let behind = followed.map_or(0, |followed| lead(&followed.status, &own));
    let (next, closed) = judge_standing(Standing {
        state,
        now_slot,
        head_slot: head.slot,
        behind,
        has_fresh_status,
        alone_ms,
    });
    if next != state {
        tracing::info!(from = ?state, to = ?next, head = head.slot, now_slot, "sync");
        *sync_state = next;
    }
    // If the head is at the clock, no peer can be ahead.
    let is_asking = head.slot < now_slot && awake.is_asking(&views, now_ms);
    let closed = closed.or(is_asking.then_some(MissReason::Unsure));
    gate.set_if_neq(DutyGate { closed, at_slot: now_slot, behind });
}

#[cfg(test)]
mod tests {
    use super::*;

    const STANDING: Standing = Standing {
        state: SyncState::Synced,
        now_slot: 100,
        head_slot: 90,
        behind: 0,
        has_fresh_status: true,
        alone_ms: 0,
    };

    fn ahead(state: SyncState, by: u64) -> SyncState {
        judge_standing(Standing { state, behind: by, ..STANDING }).0
    }

    #[test]
    fn a_synced_node_syncs_five_behind_and_a_syncing_one_is_synced_one_behind() {
        use SyncState::{Idle, Synced, Syncing};
        assert_eq!([4, 5].map(|by| ahead(Synced, by)), [Synced, Syncing]);
        assert_eq!([4, 5].map(|by| ahead(Idle, by)), [Synced, Syncing]);
        assert_eq!([5, 2, 1, 0].map(|by| ahead(Syncing, by)), [Syncing, Syncing, Synced, Synced]);
    }

    #[test]
    fn a_network_that_stands_still_does_its_duties() {
        assert_eq!(judge_standing(STANDING), (SyncState::Synced, None));
    }

    #[test]
    fn a_node_alone_waits_and_then_does_its_duties() {
        let alone =
            |alone_ms| judge_standing(Standing { has_fresh_status: false, alone_ms, ..STANDING });
        assert_eq!(alone(15_999), (SyncState::Idle, Some(MissReason::Alone)));
        assert_eq!(alone(16_000), (SyncState::Idle, None));
    }

    #[test]
    fn a_head_near_the_clock_needs_nobody() {
        let near = Standing { has_fresh_status: false, head_slot: 96, ..STANDING };
        assert_eq!(judge_standing(near), (SyncState::Synced, None));
        let genesis = Standing { now_slot: 0, head_slot: 0, ..near };
        assert_eq!(judge_standing(genesis), (SyncState::Synced, None));
    }
}
