//! Votes as entities: a vote's content, the signatures on it, the aggregated payloads for it,
//! and the indices that find them.

use std::{
    collections::{BTreeMap, HashMap},
    marker::PhantomData,
    sync::Arc,
};

use bevy_ecs::{lifecycle::HookContext, prelude::*, world::DeferredWorld};

use crate::{
    containers::{AttestationData, Root, Signature, SingleMessageAggregate, Slot, ValidatorIndex},
    tree::NodeId,
};

/// A vote's content: attestation data with its root. Despawning it despawns its signatures and
/// payloads.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq)]
#[component(immutable, on_insert = index_attestation, on_discard = unindex_attestation)]
pub struct PooledAttestation {
    /// What is voted.
    pub data: AttestationData,
    /// The data's root, which is what validators sign.
    pub root: Root,
}

/// Finds a vote by its content.
#[derive(Resource, Debug, Default)]
pub struct AttestationsByData(HashMap<AttestationData, Entity>);

impl AttestationsByData {
    /// The vote of this content.
    pub fn get(&self, data: &AttestationData) -> Option<Entity> {
        self.0.get(data).copied()
    }

    /// How many votes there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn index_attestation(mut world: DeferredWorld, hook: HookContext) {
    let data = world.get::<PooledAttestation>(hook.entity).expect("just inserted").data;
    world.resource_mut::<AttestationsByData>().0.insert(data, hook.entity);
}

fn unindex_attestation(mut world: DeferredWorld, hook: HookContext) {
    let data = world.get::<PooledAttestation>(hook.entity).expect("still present").data;
    world.resource_mut::<AttestationsByData>().0.remove(&data);
}

/// One validator's signature on a vote.
#[derive(Component, Clone, Debug, PartialEq, Eq)]
#[component(immutable)]
pub struct AttestationSignature {
    /// Who signed.
    pub validator_index: ValidatorIndex,
    /// The signature.
    pub signature: Signature,
}

/// The vote that a [`AttestationSignature`] is on.
#[derive(Component, Clone, Copy, Debug)]
#[relationship(relationship_target = AttestationSignatures)]
pub struct SignatureOf(pub Entity);

/// The signatures on a vote, in order of arrival.
#[derive(Component, Debug)]
#[relationship_target(relationship = SignatureOf, linked_spawn)]
pub struct AttestationSignatures(Vec<Entity>);

/// An aggregated payload: participants and their proof.
#[derive(Component, Clone, Debug, PartialEq, Eq)]
#[component(immutable)]
pub struct Payload(pub Arc<SingleMessageAggregate>);

/// Marks a payload that this node made itself.
#[derive(Component, Clone, Copy, Debug)]
pub struct Own;

/// The vote that a [`Payload`] is for.
#[derive(Component, Clone, Copy, Debug)]
#[relationship(relationship_target = Payloads)]
pub struct PayloadOf(pub Entity);

/// The payloads for a vote, in order of arrival.
#[derive(Component, Debug)]
#[relationship_target(relationship = PayloadOf, linked_spawn)]
pub struct Payloads(Vec<Entity>);

/// Whether a payload counts for the head already.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq)]
#[component(immutable)]
pub enum Phase {
    /// It waits for the next acceptance.
    New,
    /// It counts.
    Known,
}

/// A pool of votes; a type of this trait only names it.
pub trait Pool: Send + Sync + 'static {}

/// Votes with signatures that no aggregate has absorbed.
#[derive(Debug)]
pub struct Signed;
/// Votes with payloads that wait for acceptance.
#[derive(Debug)]
pub struct New;
/// Votes whose payloads count, and votes of imported blocks, payloads or not.
#[derive(Debug)]
pub struct Known;

impl Pool for Signed {}
impl Pool for New {}
impl Pool for Known {}

/// That a vote is in a pool, and where. The order of a pool shows: of two votes for one slot by
/// one validator, the first counts.
#[derive(Component, Debug)]
#[component(immutable, on_insert = index_member::<P>, on_discard = unindex_member::<P>)]
pub struct Member<P: Pool> {
    /// Its place; lower is earlier.
    pub rank: i64,
    pool: PhantomData<P>,
}

impl<P: Pool> Member<P> {
    /// Membership at this place, which no other vote of the pool may have.
    pub const fn at(rank: i64) -> Self {
        Self { rank, pool: PhantomData }
    }
}

/// The votes of a pool in order.
#[derive(Resource, Debug)]
pub struct PoolOrder<P: Pool> {
    by_rank: BTreeMap<i64, Entity>,
    pool: PhantomData<P>,
}

impl<P: Pool> PoolOrder<P> {
    /// The votes, first to last.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Entity> + '_ {
        self.by_rank.values().copied()
    }

    /// How many votes there are.
    pub fn len(&self) -> usize {
        self.by_rank.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_rank.is_empty()
    }

    /// A place behind all others.
    pub fn back(&self) -> i64 {
        self.by_rank.last_key_value().map_or(0, |(rank, _)| rank + 1)
    }

    /// The first of `count` free places before all others.
    pub fn front(&self, count: usize) -> i64 {
        let first = self.by_rank.first_key_value().map_or(0, |(rank, _)| *rank);
        first - i64::try_from(count).expect("a block's attestations are few")
    }
}

impl<P: Pool> Default for PoolOrder<P> {
    fn default() -> Self {
        Self { by_rank: BTreeMap::new(), pool: PhantomData }
    }
}

fn index_member<P: Pool>(mut world: DeferredWorld, hook: HookContext) {
    let rank = world.get::<Member<P>>(hook.entity).expect("just inserted").rank;
    let taken = world.resource_mut::<PoolOrder<P>>().by_rank.insert(rank, hook.entity);
    debug_assert!(taken.is_none(), "rank {rank} is taken");
}

fn unindex_member<P: Pool>(mut world: DeferredWorld, hook: HookContext) {
    let rank = world.get::<Member<P>>(hook.entity).expect("still present").rank;
    world.resource_mut::<PoolOrder<P>>().by_rank.remove(&rank);
}

/// What a validator's newest counted vote says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LatestVote {
    /// The vote.
    pub vote: Entity,
    /// The slot voted in.
    pub slot: Slot,
    /// The slot of the head voted for.
    pub head_slot: Slot,
    /// The head voted for; `None` when the tree no longer has it.
    pub head: Option<NodeId>,
}

/// Each validator's newest counted vote, by validator index, and the block that the tree's
/// weights count it for.
#[derive(Resource, Debug, Default)]
pub struct LatestVotes {
    /// What each validator voted last among the known payloads whose head is after the cutoff.
    pub votes: Vec<Option<LatestVote>>,
    /// Where the tree counts each validator's vote.
    pub counted: Vec<Option<NodeId>>,
    /// Validators whose counted block may differ from their vote's.
    pub changed: Vec<usize>,
    /// Votes with heads at or before this slot do not count: the finalized slot.
    pub cutoff: Slot,
}
