//! Attestations as entities: the attestation data, the signatures and aggregated payloads for it,
//! and the index that finds them.

mod index;

use std::{marker::PhantomData, sync::Arc};

use bevy_ecs::{lifecycle::HookContext, prelude::*, world::DeferredWorld};

pub use index::{AttestationsByData, PooledPayload};

use crate::{
    containers::{AttestationData, Root, Signature, SingleMessageAggregate, Slot, ValidatorIndex},
    tree::NodeId,
};

/// An attestation: its data and the data's root. Only the role `AttestationPool` spawns it.
/// Despawning it despawns its signatures and payloads, and removes all of them from
/// [`AttestationsByData`].
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq)]
#[component(immutable, on_discard = unindex_attestation)]
pub struct PooledAttestation {
    /// The attestation data.
    pub data: AttestationData,
    /// The data's root, which is what validators sign.
    pub root: Root,
}

// `AttestationPool` writes the index before the entity exists. Nothing else adds to the index;
// entities may be despawned in several ways, so a hook removes them from it.
fn unindex_attestation(mut world: DeferredWorld, hook: HookContext) {
    world.resource_mut::<AttestationsByData>().remove(hook.entity);
}

/// One validator's signature on an attestation.
#[derive(Component, Clone, Debug, PartialEq, Eq)]
#[component(immutable)]
pub struct AttestationSignature {
    /// The validator that signed.
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

/// Says if a payload already counts for the head.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq)]
#[component(immutable)]
pub enum Phase {
    /// The payload waits for the next acceptance.
    New,
    /// The payload counts.
    Known,
}

/// A pool of attestations. A type with this trait names a pool and has no values.
pub trait Pool: Send + Sync + 'static {
    /// The index of the pool among all pools.
    const PLACE: usize;
}

/// Attestations with signatures that are in no aggregate yet.
#[derive(Debug)]
pub struct Signed;
/// Attestations with payloads that wait for acceptance.
#[derive(Debug)]
pub struct New;
/// Attestations whose payloads count, and those of imported blocks, with or without payloads.
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

/// Marks an attestation as a member of a pool.
#[derive(Component, Debug)]
#[component(immutable)]
pub struct Member<P: Pool>(PhantomData<P>);

impl<P: Pool> Default for Member<P> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

/// A validator's latest vote in fork choice: its newest counted attestation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LatestVote {
    /// The attestation that it comes from.
    pub attestation: Entity,
    /// The attestation's slot.
    pub slot: Slot,
    /// The root of the attestation data. Of two attestations for one slot, the one with the larger
    /// root counts.
    pub root: Root,
    /// The slot of the attestation's head.
    pub head_slot: Slot,
    /// The attestation's head; `None` if the tree no longer has it.
    pub head: Option<NodeId>,
}

/// Each validator's latest vote, by validator index, and the block for which the tree's weights
/// count it.
#[derive(Resource, Debug, Default)]
pub struct LatestVotes {
    /// Each validator's latest vote among the known payloads whose head is after the cutoff.
    pub votes: Vec<Option<LatestVote>>,
    /// The block for which the tree counts each validator's vote.
    pub counted: Vec<Option<NodeId>>,
    /// Validators whose counted block may differ from that of their vote.
    pub changed: Vec<usize>,
    /// Votes with heads at or before this slot do not count. It is the finalized slot.
    pub cutoff: Slot,
}
