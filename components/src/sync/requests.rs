//! Requests as entities.

use std::{collections::HashMap, sync::Arc};

use bevy_ecs::{lifecycle::HookContext, prelude::*, world::DeferredWorld};

use crate::{
    containers::{Root, SignedBlock, Slot},
    network::{NetworkCommand, PeerId, RequestId},
};

/// An open request. Despawning it cancels it: the network is told, unless the request has
/// [`Ended`].
#[derive(Component, Clone, Debug, PartialEq, Eq)]
#[component(immutable, on_insert = index_request, on_discard = unindex_request)]
pub struct Asked {
    /// Its id.
    pub id: RequestId,
    /// The peer.
    pub peer: PeerId,
    /// The time at which it times out, in Unix milliseconds.
    pub deadline_ms: u64,
}

/// The network has reported the end of a request.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended;

/// The request asks for a status.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusRequest;

/// The request asks for one block by its root.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq)]
#[component(immutable, on_insert = index_root, on_discard = unindex_root)]
pub struct RootRequest(pub Root);

/// The request asks for a batch of blocks. It has the blocks that have arrived.
#[derive(Component, Clone, Debug, PartialEq, Eq)]
pub struct BatchRequest {
    /// The first requested slot.
    pub start_slot: Slot,
    /// The number of slots.
    pub count: u64,
    /// The blocks that have arrived, by ascending slot, each the parent of the next.
    pub received: Vec<(Root, Arc<SignedBlock>)>,
    /// Their size in bytes.
    pub bytes: usize,
}

/// The request asks for blocks from before the anchor, whose roots are known.
#[derive(Component, Clone, Debug, PartialEq, Eq)]
pub struct HistoryRequest {
    /// The requested blocks, at most [`BATCH_SLOTS`](super::limits::BATCH_SLOTS).
    pub wanted: Vec<Root>,
    /// The blocks that have arrived.
    pub received: Vec<(Root, Arc<SignedBlock>)>,
}

/// Finds a request by its id. Hooks keep it exact.
#[derive(Resource, Debug, Default)]
pub struct RequestsById(HashMap<RequestId, Entity>);

impl RequestsById {
    /// Notes the entity of a request that is about to be spawned by a command, so that it is found
    /// at once. The hook notes it again when the command is applied.
    pub fn note_spawned(&mut self, id: RequestId, entity: Entity) {
        self.0.insert(id, entity);
    }

    /// Forgets a request that is about to be despawned by a command.
    pub fn note_despawned(&mut self, id: RequestId) {
        self.0.remove(&id);
    }

    /// The request's entity while it is open.
    pub fn get(&self, id: RequestId) -> Option<Entity> {
        self.0.get(&id).copied()
    }

    /// The number of open requests.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns true if no request is open.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Finds the one request for a root. Hooks keep it exact.
#[derive(Resource, Debug, Default)]
pub struct RequestsByRoot(HashMap<Root, Entity>);

impl RequestsByRoot {
    /// Like [`RequestsById::note_spawned`].
    pub fn note_spawned(&mut self, root: Root, entity: Entity) {
        self.0.insert(root, entity);
    }

    /// Like [`RequestsById::note_despawned`].
    pub fn note_despawned(&mut self, root: &Root) {
        self.0.remove(root);
    }

    /// The request's entity while it is open.
    pub fn get(&self, root: &Root) -> Option<Entity> {
        self.0.get(root).copied()
    }

    /// The number of requested roots.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns true if no root is requested.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn index_request(mut world: DeferredWorld, hook: HookContext) {
    let id = world.get::<Asked>(hook.entity).expect("just inserted").id;
    world.resource_mut::<RequestsById>().0.insert(id, hook.entity);
}

fn unindex_request(mut world: DeferredWorld, hook: HookContext) {
    let id = world.get::<Asked>(hook.entity).expect("still present").id;
    world.resource_mut::<RequestsById>().0.remove(&id);
    if world.get::<Ended>(hook.entity).is_none() {
        world.write_message(NetworkCommand::Cancel(id));
    }
}

fn index_root(mut world: DeferredWorld, hook: HookContext) {
    let RootRequest(root) = *world.get(hook.entity).expect("just inserted");
    let before = world.resource_mut::<RequestsByRoot>().0.insert(root, hook.entity);
    let is_one = before.is_none_or(|before| before == hook.entity);
    debug_assert!(is_one, "{root} is asked for already");
}

fn unindex_root(mut world: DeferredWorld, hook: HookContext) {
    let RootRequest(root) = *world.get(hook.entity).expect("still present");
    world.resource_mut::<RequestsByRoot>().0.remove(&root);
}
