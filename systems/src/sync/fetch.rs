//! Fetches missing parents by root: one request per root, a few at a time, and less and less often
//! if no peer has the block.
//!
//! A peer that sent a block, or whose status names a head that descends from it, vouches for the
//! block's missing ancestor and is asked for it first. The vouchers take turns: the next root is
//! the one whose best voucher has the fewest open requests for roots that it vouches for, has
//! failed least, and vouches for the fewest missing roots. A peer that invents many roots therefore
//! delays itself and not others. If no peer has a root that it vouched for, it is penalized.

use std::collections::{BTreeMap, BTreeSet};

use bevy_ecs::prelude::*;
use quintet_components::{
    containers::{Root, Slot},
    messages::{IgnoreReason, InputJudged, Source},
    network::{PeerFault, PeerId},
    planted::{Planted, is_planted},
    sync::{Backoff, MissingParent, Orphans, SyncCounts, limits},
};

use super::{
    orphans::{drop_descendants, ignore},
    peers::{least_busy, requests_in_flight},
    requests::Requests,
    roles::{OwnChain, Peers},
    target::PeerView,
};
use crate::fork_choice::{early::EarlyBlocks, import::ImportQueue};

/// The history of each root that was requested.
#[derive(Resource, Debug, Default)]
pub struct Fetches(BTreeMap<Root, Fetch>);

#[derive(Debug, Default)]
struct Fetch {
    /// The peers that were asked since the last pause.
    tried: Vec<PeerId>,
    /// All peers that were asked so far: at most [`limits::FETCH_TRIES`] in each of
    /// [`limits::FETCH_ROUNDS`] rounds.
    asked: BTreeSet<PeerId>,
    /// True if some peer has sent the block.
    is_found: bool,
    /// The voucher whose turn the newest request used.
    turn_of: Option<Source>,
    /// The number of pauses, and the length of the current one.
    backoff: Backoff,
}

impl Fetch {
    fn pause(&mut self, now_ms: u64) {
        self.backoff.fail(now_ms, limits::FETCH_BACKOFF_MS, limits::MAX_FETCH_BACKOFF_MS);
        self.tried.clear();
    }
}

impl Fetches {
    /// The number of remembered roots.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns true if no root is remembered.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Notes that the root's block has arrived. It is not requested while it is being imported, and
    /// only requested again if it is refused for its proof.
    pub(super) fn note_found(&mut self, root: &Root, now_ms: u64) {
        if let Some(fetch) = self.0.get_mut(root) {
            fetch.is_found = true;
            fetch.pause(now_ms);
        }
    }

    /// Notes that a request for the root has ended. After a few without success there is a pause.
    pub(super) fn note_end(&mut self, root: &Root, now_ms: u64) {
        if let Some(fetch) = self.0.get_mut(root)
            && fetch.tried.len() >= limits::FETCH_TRIES
        {
            fetch.pause(now_ms);
        }
    }

    /// Forgets roots that are no longer missing, after their pause: a block that arrives again does
    /// not start from the beginning.
    fn forget_old(&mut self, missing: &[MissingParent], now_ms: u64) {
        let is_missing =
            |root: &Root| missing.binary_search_by_key(root, |missing| missing.root).is_ok();
        self.0.retain(|root, fetch| fetch.backoff.is_on(now_ms) || is_missing(root));
        while self.0.len() > limits::MAX_FETCH_ENTRIES {
            let first =
                self.0.iter().min_by_key(|(root, fetch)| (fetch.backoff.until_ms(), **root));
            let Some(root) = first.map(|(root, _)| *root) else { return };
            self.0.remove(&root);
        }
    }
}

/// Returns true if so many waiting blocks descend from a missing one that range sync has to fetch
/// it.
pub(super) fn is_deep(missing: &MissingParent) -> bool {
    missing.depth >= limits::MAX_ORPHAN_DEPTH
}

/// Requests the missing parents of waiting blocks, and gives up those that no peer has.
pub fn fetch_missing(
    mut fetches: ResMut<Fetches>,
    mut orphans: ResMut<Orphans>,
    (mut peers, mut requests): (Peers, Requests),
    (chain, queue, early): (OwnChain, Res<ImportQueue>, Res<EarlyBlocks>),
    mut counts: ResMut<SyncCounts>,
    mut judged: MessageWriter<InputJudged>,
) {
    if orphans.is_empty() && fetches.is_empty() {
        return;
    }
    let now_ms = peers.now.ms();
    let missing = orphans.missing();
    fetches.forget_old(&missing, now_ms);
    let head_slot = chain.head().slot;
    let nearest = head_slot.saturating_add(limits::FETCH_WINDOW_SLOTS);
    let mut wanted = Vec::new();
    for each in missing.into_iter().filter(|each| !is_deep(each) && each.child_slot <= nearest) {
        let root = each.root;
        let is_here = chain.tree.contains(&root) || queue.contains(&root) || early.contains(&root);
        if is_here || requests.is_asked_for(&root) {
            continue;
        }
        let fetch = fetches.0.entry(root).or_default();
        if fetch.backoff.is_on(now_ms) {
            continue;
        }
        if fetch.backoff.failures() >= limits::FETCH_ROUNDS {
            fetch.backoff.hold(now_ms, limits::MAX_FETCH_BACKOFF_MS);
            judged.write_batch(give_up(fetch, &mut orphans, &mut counts, &mut peers, &root));
        } else {
            wanted.push(each);
        }
    }
    if wanted.is_empty() {
        return;
    }
    let mut views = peers.views();
    let mut vouchers = Vouchers::of(wanted, &orphans, &fetches, &requests, &views);
    let is_unbounded = is_planted(Planted::FetchesUnbounded);
    while (requests.roots() < limits::MAX_FETCHES || is_unbounded)
        && requests_in_flight(&views) < limits::MAX_REQUESTS
    {
        let Some((root, vouched_by, turn_of)) =
            vouchers.take_next(&fetches, requests.roots(), head_slot)
        else {
            return;
        };
        let fetch = fetches.0.entry(root).or_default();
        if !views.is_empty() && views.iter().all(|view| fetch.tried.contains(&view.id)) {
            fetch.pause(now_ms);
            continue;
        }
        let Some(peer) = whom_to_ask(&views, fetch, &vouched_by) else { continue };
        fetch.tried.push(peer.clone());
        fetch.asked.insert(peer.clone());
        fetch.turn_of = Some(turn_of.clone());
        let asked = views.iter_mut().find(|view| view.id == peer).expect("one of the views");
        asked.in_flight += 1;
        requests.ask_for_root(&mut peers, &peer, root, limits::REQUEST_DEADLINE_MS);
        vouchers.note_asked(turn_of);
        counts.roots_asked += 1;
    }
}

/// The peers to ask: of those not tried yet, the ones that vouch for the block; if there are none,
/// any.
fn whom_to_ask(views: &[PeerView], fetch: &Fetch, vouched_by: &[Source]) -> Option<PeerId> {
    let untried = || views.iter().filter(|view| !fetch.tried.contains(&view.id));
    let vouches = |view: &&PeerView| vouched_by.iter().any(|each| each.peer() == Some(&view.id));
    least_busy(untried().filter(vouches)).or_else(|| least_busy(untried()))
}

/// Drops the blocks that need a block that no peer has. A peer that sent one of them, was asked for
/// the block and did not have it, is penalized once.
fn give_up(
    fetch: &Fetch,
    orphans: &mut Orphans,
    counts: &mut SyncCounts,
    peers: &mut Peers,
    root: &Root,
) -> Vec<InputJudged> {
    tracing::debug!(%root, "no peer has this block; its descendants are dropped");
    counts.roots_given_up += 1;
    let dropped = drop_descendants(orphans, counts, root);
    let senders: BTreeSet<&PeerId> = dropped.iter().filter_map(|each| each.source.peer()).collect();
    for peer in senders.into_iter().filter(|peer| !fetch.is_found && fetch.asked.contains(*peer)) {
        peers.blame(peer, PeerFault::Unfounded);
    }
    dropped.iter().map(|each| ignore(each.id, IgnoreReason::ParentUnavailable)).collect()
}

/// The wanted roots, and their vouchers.
struct Vouchers {
    wanted: Vec<MissingParent>,
    records: BTreeMap<Source, Record>,
}

/// The state of a voucher.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Record {
    /// It is not connected, or not asked for a while.
    is_away: bool,
    /// The number of open requests that used its turn.
    in_flight: usize,
    /// Failures in a row.
    failures: u32,
    /// The number of missing roots that it vouches for.
    vouched: usize,
}

impl Vouchers {
    fn of(
        mut wanted: Vec<MissingParent>,
        orphans: &Orphans,
        fetches: &Fetches,
        requests: &Requests,
        views: &[PeerView],
    ) -> Self {
        for view in views {
            let Some(head) = view.status.map(|status| status.head.root) else { continue };
            let root = orphans.missing_below(&head);
            if let Ok(at) = wanted.binary_search_by_key(&root, |each| each.root) {
                wanted[at].sources.push(Source::Peer(view.id.clone()));
            }
        }
        let mut records: BTreeMap<Source, Record> = BTreeMap::new();
        for each in &mut wanted {
            each.sources.sort_unstable();
            each.sources.dedup();
            for source in &each.sources {
                records.entry(source.clone()).or_default().vouched += 1;
            }
        }
        for (source, record) in &mut records {
            let Some(peer) = source.peer() else { continue };
            let at = views.binary_search_by(|view| view.id.cmp(peer)).ok();
            let view = at.map(|at| &views[at]);
            record.is_away = view.is_none_or(|view| view.is_backed_off);
            record.failures = view.map_or(0, |view| view.sync.backoff.failures());
        }
        let mut vouchers = Self { wanted, records };
        for (_, fetch) in fetches.0.iter().filter(|(root, _)| requests.is_asked_for(root)) {
            if let Some(turn_of) = &fetch.turn_of {
                vouchers.note_asked(turn_of.clone());
            }
        }
        vouchers
    }

    fn note_asked(&mut self, turn_of: Source) {
        if let Some(record) = self.records.get_mut(&turn_of) {
            record.in_flight += 1;
        }
    }

    /// Takes the next root to request, with its vouchers and the one whose turn it is; `None` if no
    /// voucher may have another open request.
    fn take_next(
        &mut self,
        fetches: &Fetches,
        in_flight: usize,
        head_slot: Slot,
    ) -> Option<(Root, Vec<Source>, Source)> {
        let allowed = match in_flight {
            _ if is_planted(Planted::FetchesUnbounded) => usize::MAX,
            0..limits::SHARED_FETCHES => limits::MAX_FETCHES_PER_SOURCE,
            _ => 1,
        };
        let rank = |each: &MissingParent| {
            let records = each.sources.iter().map(|source| (self.records[source], source));
            let (record, source) = records.min()?;
            let failures = fetches.0.get(&each.root).map_or(0, |fetch| fetch.backoff.failures());
            let distance = each.child_slot.abs_diff(head_slot);
            let rank = (record, failures, distance, each.root);
            (record.in_flight < allowed).then(|| (rank, source.clone()))
        };
        let ranked =
            self.wanted.iter().enumerate().filter_map(|(at, each)| Some((rank(each)?, at)));
        let ((_, turn_of), at) = ranked.min()?;
        let MissingParent { root, sources, .. } = self.wanted.remove(at);
        Some((root, sources, turn_of))
    }
}
