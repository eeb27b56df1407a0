//! Attestations as entities: what is attested, the signatures on it, the aggregated payloads for
//! it, and the index that finds them.

mod index;

use std::{marker::PhantomData, sync::Arc};

use bevy_ecs::{lifecycle::HookContext, prelude::*, world::DeferredWorld};

pub use index::{AttestationsByData, PooledPayload};

use crate::{
    containers::{AttestationData, Root, Signature, SingleMessageAggregate, Slot, ValidatorIndex},
    tree::NodeId,
};

/// What is attested: attestation data with its root. It is made by the pool's role. Despawning it
/// despawns its signatures and payloads, and takes all of them out of [`AttestationsByData`].
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq)]
#[component(immutable, on_discard = unindex_attestation)]
pub struct PooledAttestation {
    /// What is attested.
    pub data: AttestationData,
    /// The data's root, which is what validators sign.
    pub root: Root,
}

// The pool's role writes the index when it asks for an entity, before the entity is there. It is the
// only way in; out there are others.
fn unindex_attestation(mut world: DeferredWorld, hook: HookContext) {
    world.resource_mut::<AttestationsByData>().remove(hook.entity);
}

/// One validator's signature on an attestation.
#[derive(Component, Clone, Debug, PartialEq, Eq)]
#[component(immutable)]
pub struct AttestationSignature {
    /// Who signed.
    pub validator_index: ValidatorIndex,
    /// The signature.
    pub signature: Signature,
}

/// The attestation that an [`AttestationSignature`] is on.
#[derive(Component, Clone, Copy, Debug)]
#[relationship(relationship_target = AttestationSignatures)]
pub struct SignatureOf(pub Entity);

/// The signatures on an attestation, in order of arrival.
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

/// The attestation that a [`Payload`] is for.
#[derive(Component, Clone, Copy, Debug)]
#[relationship(relationship_target = Payloads)]
pub struct PayloadOf(pub Entity);

/// The payloads for an attestation, in order of arrival.
#[derive(Component, Debug)]
#[relationship_target(relationship = PayloadOf, linked_spawn)]
pub struct Payloads(Vec<Entity>);

/// Tells if a payload counts for the head already.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq)]
#[component(immutable)]
pub enum Phase {
    /// It waits for the next acceptance.
    New,
    /// It counts.
    Known,
}

/// A pool of attestations; a type of this trait only names it.
pub trait Pool: Send + Sync + 'static {
    /// Its place among the pools.
    const PLACE: usize;
}

/// Attestations with signatures that no aggregate has absorbed.
#[derive(Debug)]
pub struct Signed;
/// Attestations with payloads that wait for acceptance.
#[derive(Debug)]
pub struct New;
/// Attestations whose payloads count, and those of imported blocks, payloads or not.
#[derive(Debug)]
pub struct Known;

impl Pool for Signed {
    const PLACE: usize = 0;
}
impl Pool for New {
    const PLACE: usize = 1;
}
impl Pool for Known {
    const PLACE: usize = 2;
}

/// That an attestation is in a pool.
#[derive(Component, Debug)]
#[component(immutable)]
pub struct Member<P: Pool>(PhantomData<P>);

impl<P: Pool> Default for Member<P> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

/// What a validator's newest counted vote says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LatestVote {
    /// The attestation that it comes from.
    pub vote: Entity,
    /// The slot voted in.
    pub slot: Slot,
    /// The root of the attestation data: of two votes for one slot the larger root counts.
    pub root: Root,
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
