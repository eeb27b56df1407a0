//! Missing parents, asked for by root: one request a root, a few at a time, and ever more seldom
//! where nobody has it.
//!
//! Who sent a block, or claims in its status a head that stands on it, vouches for the block's
//! missing ancestor, and is asked for it first. The vouchers take turns: that root is asked for
//! next of whose vouchers the best has fewest requests under way for what it vouches for, has
//! failed least, and vouches for fewest missing roots. So a peer that invents roots, however many,
//! waits behind itself and not before others; and when nobody has a root that it vouched for, the
//! peer is charged.

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
use crate::fork_choice::import::ImportQueue;

/// How it went with each root that was asked for.
#[derive(Resource, Debug, Default)]
pub struct Fetches(BTreeMap<Root, Fetch>);

#[derive(Debug, Default)]
struct Fetch {
    /// Who was asked since the last pause.
    tried: Vec<PeerId>,
    /// Who was ever asked: [`limits::FETCH_TRIES`] each of [`limits::FETCH_ROUNDS`] times at most.
    asked: BTreeSet<PeerId>,
    /// Somebody has sent the block.
    is_found: bool,
    /// The voucher whose turn the newest request was.
    turn_of: Option<Source>,
    /// How often it was left alone, and for how long it is.
    backoff: Backoff,
}

impl Fetch {
    fn pause(&mut self, now_ms: u64) {
        self.backoff.fail(now_ms, limits::FETCH_BACKOFF_MS, limits::MAX_FETCH_BACKOFF_MS);
        self.tried.clear();
    }
}

impl Fetches {
    /// How many roots are remembered.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns true if there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The root's block has come: it is left alone while it is on its way into the tree, and asked
    /// for again only if it is refused for its proof.
    pub(super) fn note_found(&mut self, root: &Root, now_ms: u64) {
        if let Some(fetch) = self.0.get_mut(root) {
            fetch.is_found = true;
            fetch.pause(now_ms);
        }
    }

    /// A request for the root has ended: after a few that brought nothing the root is left alone.
    pub(super) fn note_end(&mut self, root: &Root, now_ms: u64) {
        if let Some(fetch) = self.0.get_mut(root)
            && fetch.tried.len() >= limits::FETCH_TRIES
        {
            fetch.pause(now_ms);
        }
    }

    /// A root that is no longer missing is remembered while it is left alone, so that a block that
    /// arrives again does not start it anew.
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

/// Returns true if so many held blocks stand on a missing one that range sync is the way to it.
pub(super) fn is_deep(missing: &MissingParent) -> bool {
    missing.depth >= limits::MAX_ORPHAN_DEPTH
}

/// Asks for the missing parents of held blocks, and gives up those that nobody has.
pub fn fetch_missing(
    mut fetches: ResMut<Fetches>,
    mut orphans: ResMut<Orphans>,
    (mut peers, mut requests): (Peers, Requests),
    (chain, queue): (OwnChain, Res<ImportQueue>),
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
        if chain.tree.contains(&root) || queue.contains(&root) || requests.is_asked_for(&root) {
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

/// Of those that were not tried: who vouches for the block, else anybody.
fn whom_to_ask(views: &[PeerView], fetch: &Fetch, vouched_by: &[Source]) -> Option<PeerId> {
    let untried = || views.iter().filter(|view| !fetch.tried.contains(&view.id));
    let vouches = |view: &&PeerView| vouched_by.iter().any(|each| each.peer() == Some(&view.id));
    least_busy(untried().filter(vouches)).or_else(|| least_busy(untried()))
}

/// Drops what needs a block that nobody has. Whoever sent it, was asked for the block and did not
/// have it either, is charged once.
fn give_up(
    fetch: &Fetch,
    orphans: &mut Orphans,
    counts: &mut SyncCounts,
    peers: &mut Peers,
    root: &Root,
) -> Vec<InputJudged> {
    tracing::debug!(%root, "nobody has this block; what needs it is dropped");
    counts.roots_given_up += 1;
    let dropped = drop_descendants(orphans, counts, root);
    let senders: BTreeSet<&PeerId> = dropped.iter().filter_map(|each| each.source.peer()).collect();
    for peer in senders.into_iter().filter(|peer| !fetch.is_found && fetch.asked.contains(*peer)) {
        peers.blame(peer, PeerFault::Unfounded);
    }
    dropped.iter().map(|each| ignore(each.id, IgnoreReason::ParentUnavailable)).collect()
}

/// What is wanted, and who vouches for it.
struct Vouchers {
    wanted: Vec<MissingParent>,
    records: BTreeMap<Source, Record>,
}

/// How a voucher stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Record {
    /// It is not connected, or left alone.
    is_away: bool,
    /// Requests under way whose turn was its.
    in_flight: usize,
    /// Failures in a row.
    failures: u32,
    /// Missing roots that it vouches for.
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

    /// Takes the root that is asked for next, with who vouches for it and whose turn it is; `None`
    /// when no voucher may have one more request under way.
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
