//! Missing parents, asked for by root: one request a root, a few at a time, and ever more seldom
//! where nobody has it.

use std::collections::BTreeMap;

use bevy_ecs::prelude::*;
use quintet_components::{
    chain::Head,
    containers::{BlocksByRootRequest, RequestedRoots, Root},
    network::{PeerId, Request},
    sync::{Backoff, MissingParent, Orphans, RequestsByRoot, RootRequest, SyncCounts, limits},
    tree::BlockTree,
};

use super::peers::{ask, least_busy, peer_views, requests_in_flight, time_of};
use crate::fork_choice::import::ImportQueue;

/// How it went with each root that was asked for.
#[derive(Resource, Debug, Default)]
pub struct Fetches(BTreeMap<Root, Fetch>);

#[derive(Debug, Default)]
struct Fetch {
    /// Who was asked since the last pause.
    tried: Vec<PeerId>,
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

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The root's block has come: it is left alone while it is on its way into the tree, and asked for
/// again only if it is refused for its proof.
pub(super) fn note_found(world: &mut World, root: &Root) {
    let (now_ms, _) = time_of(world);
    if let Some(fetch) = world.resource_mut::<Fetches>().0.get_mut(root) {
        fetch.pause(now_ms);
    }
}

/// A request for the root has ended: after a few that brought nothing the root is left alone.
pub(super) fn note_end(world: &mut World, root: &Root) {
    let (now_ms, _) = time_of(world);
    if let Some(fetch) = world.resource_mut::<Fetches>().0.get_mut(root)
        && fetch.tried.len() >= limits::FETCH_TRIES
    {
        fetch.pause(now_ms);
    }
}

/// Whether so many held blocks stand on a missing one that range sync is the way to it.
pub(super) fn is_deep(missing: &MissingParent) -> bool {
    missing.depth >= limits::MAX_ORPHAN_DEPTH
}

/// Asks for the missing parents of held blocks.
pub fn fetch_missing(world: &mut World) {
    world.resource_scope(|world, mut fetches: Mut<Fetches>| fetch(world, &mut fetches));
}

fn fetch(world: &mut World, fetches: &mut Fetches) {
    let (now_ms, _) = time_of(world);
    let missing = world.resource::<Orphans>().missing();
    if missing.is_empty() && fetches.is_empty() {
        return;
    }
    forget_old(fetches, &missing, now_ms);
    let head_slot = world.resource::<Head>().0.slot;
    let nearest = head_slot.saturating_add(limits::FETCH_WINDOW_SLOTS);
    let mut views = None;
    for MissingParent { root, .. } in
        missing.iter().filter(|each| !is_deep(each) && each.child_slot <= nearest).copied()
    {
        if world.resource::<BlockTree>().contains(&root)
            || world.resource::<ImportQueue>().contains(&root)
            || world.resource::<RequestsByRoot>().get(&root).is_some()
        {
            continue;
        }
        let entry = fetches.0.entry(root).or_default();
        if entry.backoff.is_on(now_ms) {
            continue;
        }
        if entry.backoff.failures() >= limits::FETCH_ROUNDS {
            entry.backoff.hold(now_ms, limits::MAX_FETCH_BACKOFF_MS);
            give_up(world, &root);
            continue;
        }
        let views = views.get_or_insert_with(|| peer_views(world));
        if world.resource::<RequestsByRoot>().len() >= limits::MAX_FETCHES
            || requests_in_flight(views) >= limits::MAX_REQUESTS
        {
            return;
        }
        if !views.is_empty() && views.iter().all(|view| entry.tried.contains(&view.id)) {
            entry.pause(now_ms);
            continue;
        }
        let untried = views.iter().filter(|view| !entry.tried.contains(&view.id));
        let Some(peer) = least_busy(untried) else { continue };
        entry.tried.push(peer.clone());
        let asked = views.iter_mut().find(|view| view.id == peer).expect("one of the views");
        asked.in_flight += 1;
        let roots = RequestedRoots(vec![root].try_into().expect("one root is within the limit"));
        let request = Request::BlocksByRoot(BlocksByRootRequest { roots });
        ask(world, &peer, request, limits::REQUEST_DEADLINE_MS, RootRequest(root));
        world.resource_mut::<SyncCounts>().roots_asked += 1;
    }
}

/// Drops what needs a block that nobody has.
fn give_up(world: &mut World, root: &Root) {
    tracing::debug!(%root, "nobody has this block; what needs it is dropped");
    let judged = world.resource_mut::<Orphans>().give_up(root);
    world.resource_mut::<SyncCounts>().roots_given_up += 1;
    world.write_message_batch(judged);
}

/// A root that is no longer missing is remembered while it is left alone, so that a block that
/// arrives again does not start it anew.
fn forget_old(fetches: &mut Fetches, missing: &[MissingParent], now_ms: u64) {
    let is_missing =
        |root: &Root| missing.binary_search_by_key(root, |missing| missing.root).is_ok();
    fetches.0.retain(|root, fetch| fetch.backoff.is_on(now_ms) || is_missing(root));
    while fetches.0.len() > limits::MAX_FETCH_ENTRIES {
        let first = fetches.0.iter().min_by_key(|(root, fetch)| (fetch.backoff.until_ms(), **root));
        let Some(root) = first.map(|(root, _)| *root) else { return };
        fetches.0.remove(&root);
    }
}
