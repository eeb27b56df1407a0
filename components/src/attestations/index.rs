//! The content of the pools, by attestation.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use bevy_ecs::prelude::*;

use super::{AttestationSignature, Phase, Pool, PooledAttestation};
use crate::{
    containers::{AttestationData, SingleMessageAggregate, Slot, ValidatorIndex},
    coverage::Coverage,
};

/// The number of pools.
const POOLS: usize = 3;

/// Finds an attestation by its data, and the content of the pools for it. `AttestationPool` changes
/// this index at once, and the entities by commands, so that a system immediately finds the items
/// that it added.
#[derive(Resource, Debug, Default)]
pub struct AttestationsByData {
    by_data: HashMap<AttestationData, Entity>,
    held: HashMap<Entity, Held>,
    by_slot: BTreeMap<Slot, Vec<Entity>>,
    contested: BTreeSet<Slot>,
    /// The attestation that each signature and payload belongs to.
    attestation_of: HashMap<Entity, Entity>,
    orders: [BTreeMap<i64, Entity>; POOLS],
    bytes: usize,
}

/// An aggregated payload in a pool.
#[derive(Clone, Debug)]
pub struct PooledPayload {
    /// Its entity.
    pub entity: Entity,
    /// Participants and proof.
    pub payload: Arc<SingleMessageAggregate>,
    /// Says if it counts already.
    pub phase: Phase,
    /// Its participants.
    pub coverage: Coverage,
}

impl PooledPayload {
    /// The bytes of its proof.
    pub fn bytes(&self) -> usize {
        self.payload.proof.as_bytes().len()
    }
}

#[derive(Debug)]
struct Held {
    attestation: PooledAttestation,
    ranks: [Option<i64>; POOLS],
    signatures: Vec<(Entity, AttestationSignature)>,
    signers: Coverage,
    payloads: Vec<PooledPayload>,
    covered: Coverage,
}

impl Held {
    fn new(attestation: PooledAttestation) -> Self {
        Self {
            attestation,
            ranks: [None; POOLS],
            signatures: Vec::new(),
            signers: Coverage::default(),
            payloads: Vec::new(),
            covered: Coverage::default(),
        }
    }

    fn bytes(&self) -> usize {
        let signatures = self.signatures.iter().map(|(_, each)| signature_bytes(each));
        signatures.sum::<usize>() + self.payloads.iter().map(PooledPayload::bytes).sum::<usize>()
    }
}

fn signature_bytes(signature: &AttestationSignature) -> usize {
    signature.signature.as_bytes().len()
}

impl AttestationsByData {
    /// The attestation of this data.
    pub fn get(&self, data: &AttestationData) -> Option<Entity> {
        self.by_data.get(data).copied()
    }

    /// An attestation's data and root; `None` if it is gone.
    pub fn attestation(&self, attestation: Entity) -> Option<&PooledAttestation> {
        self.held.get(&attestation).map(|held| &held.attestation)
    }

    /// The number of attestations.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Returns true if there are none.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// The bytes of all signatures and proofs.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// An attestation's bytes of signatures and proofs.
    pub fn bytes_of(&self, attestation: Entity) -> usize {
        self.held.get(&attestation).map_or(0, Held::bytes)
    }

    /// Every attestation, the oldest slots first.
    pub fn by_slot(&self) -> impl Iterator<Item = (Slot, Entity)> + '_ {
        self.by_slot.iter().flat_map(|(slot, each)| each.iter().map(|entity| (*slot, *entity)))
    }

    /// An attestation of the oldest slot.
    pub fn oldest(&self) -> Option<(Slot, Entity)> {
        self.by_slot().next()
    }

    /// The attestations of a slot, in order of arrival.
    pub fn of_slot(&self, slot: Slot) -> impl Iterator<Item = Entity> + '_ {
        self.by_slot.get(&slot).into_iter().flatten().copied()
    }

    /// The slots in which a validator has supported two attestations, in order. A slot stays among
    /// them until its last attestation is gone.
    pub fn contested(&self) -> impl Iterator<Item = Slot> + '_ {
        self.contested.iter().copied()
    }

    /// Notes that a slot is contested if one of its other attestations fulfils this.
    fn note_contest(&mut self, attestation: Entity, is_shared: impl Fn(&Held) -> bool) {
        let Some(held) = self.held.get(&attestation) else { return };
        let slot = held.attestation.data.slot;
        let others = self.of_slot(slot).filter(|other| *other != attestation);
        if others.filter_map(|other| self.held.get(&other)).any(is_shared) {
            self.contested.insert(slot);
        }
    }

    /// The attestations of a pool in order.
    pub fn members<P: Pool>(&self) -> impl DoubleEndedIterator<Item = Entity> + '_ {
        self.orders[P::PLACE].values().copied()
    }

    /// The number of attestations in a pool.
    pub fn member_count<P: Pool>(&self) -> usize {
        self.orders[P::PLACE].len()
    }

    /// An attestation's position in a pool's order; lower is earlier.
    pub fn rank<P: Pool>(&self, attestation: Entity) -> Option<i64> {
        self.held.get(&attestation).and_then(|held| held.ranks[P::PLACE])
    }

    /// Returns true if the attestation is in the pool.
    pub fn is_member<P: Pool>(&self, attestation: Entity) -> bool {
        self.rank::<P>(attestation).is_some()
    }

    /// Returns true if the attestation is in no pool.
    pub fn is_homeless(&self, attestation: Entity) -> bool {
        self.held.get(&attestation).is_none_or(|held| held.ranks == [None; POOLS])
    }

    /// The signatures on an attestation, in order of arrival; one of each validator.
    pub fn signatures(
        &self,
        attestation: Entity,
    ) -> impl Iterator<Item = (Entity, &AttestationSignature)> {
        let held = self.held.get(&attestation).into_iter();
        held.flat_map(|held| held.signatures.iter().map(|(entity, each)| (*entity, each)))
    }

    /// An attestation's payloads of both phases, in order of arrival.
    pub fn payloads(&self, attestation: Entity) -> impl Iterator<Item = &PooledPayload> {
        self.held.get(&attestation).into_iter().flat_map(|held| &held.payloads)
    }

    /// The validators that an attestation's payloads cover, of both phases.
    pub fn covered(&self, attestation: Entity) -> Option<&Coverage> {
        self.held.get(&attestation).map(|held| &held.covered)
    }

    /// The validators whose signature on an attestation is held.
    pub fn signers(&self, attestation: Entity) -> Option<&Coverage> {
        self.held.get(&attestation).map(|held| &held.signers)
    }

    /// Returns true if the validator supports the attestation, by signature or payload.
    pub fn is_supporter(&self, attestation: Entity, validator: ValidatorIndex) -> bool {
        self.held.get(&attestation).is_some_and(|held| {
            held.signers.contains(validator) || held.covered.contains(validator)
        })
    }

    /// Adds an attestation that is in no pool yet, unless it exists.
    pub fn insert(&mut self, entity: Entity, attestation: PooledAttestation) {
        if self.held.contains_key(&entity) {
            return;
        }
        self.by_data.insert(attestation.data, entity);
        self.by_slot.entry(attestation.data.slot).or_default().push(entity);
        self.held.insert(entity, Held::new(attestation));
    }

    /// Removes an attestation with everything that belongs to it, if it exists.
    pub fn remove(&mut self, entity: Entity) {
        let Some(held) = self.held.remove(&entity) else { return };
        let data = held.attestation.data;
        if let Some(of_slot) = self.by_slot.get_mut(&data.slot) {
            of_slot.retain(|each| *each != entity);
            if of_slot.is_empty() {
                self.by_slot.remove(&data.slot);
                self.contested.remove(&data.slot);
            }
        }
        if self.by_data.get(&data) == Some(&entity) {
            self.by_data.remove(&data);
        }
        for (order, rank) in self.orders.iter_mut().zip(held.ranks) {
            rank.and_then(|rank| order.remove(&rank));
        }
        self.bytes -= held.bytes();
        let signatures = held.signatures.iter().map(|(entity, _)| entity);
        for input in signatures.chain(held.payloads.iter().map(|payload| &payload.entity)) {
            self.attestation_of.remove(input);
        }
    }

    /// Adds an attestation at the end of a pool. Returns false if it was in the pool already.
    pub fn join<P: Pool>(&mut self, attestation: Entity) -> bool {
        let last = self.orders[P::PLACE].last_key_value();
        let rank = last.map_or(0, |(rank, _)| rank + 1);
        !self.is_member::<P>(attestation) && self.put::<P>(attestation, rank)
    }

    /// Moves attestations, in this order, to the front of a pool.
    pub fn put_first<P: Pool>(&mut self, attestations: &[Entity]) {
        for attestation in attestations.iter().rev() {
            let first = self.orders[P::PLACE].first_key_value();
            let rank = first.map_or(0, |(rank, _)| rank - 1);
            self.put::<P>(*attestation, rank);
        }
    }

    fn put<P: Pool>(&mut self, attestation: Entity, rank: i64) -> bool {
        let Some(held) = self.held.get_mut(&attestation) else { return false };
        let order = &mut self.orders[P::PLACE];
        if let Some(old) = held.ranks[P::PLACE].replace(rank) {
            order.remove(&old);
        }
        order.insert(rank, attestation);
        true
    }

    /// Removes an attestation from a pool.
    pub fn leave<P: Pool>(&mut self, attestation: Entity) {
        if let Some(held) = self.held.get_mut(&attestation)
            && let Some(rank) = held.ranks[P::PLACE].take()
        {
            self.orders[P::PLACE].remove(&rank);
        }
    }

    /// Adds a signature, unless there is one of this validator.
    pub fn add_signature(
        &mut self,
        attestation: Entity,
        entity: Entity,
        signature: AttestationSignature,
    ) {
        let Some(held) = self.held.get_mut(&attestation) else { return };
        if held.signers.contains(signature.validator_index) {
            return;
        }
        let validator = signature.validator_index;
        held.signers.insert(validator);
        self.bytes += signature_bytes(&signature);
        held.signatures.push((entity, signature));
        self.attestation_of.insert(entity, attestation);
        self.note_contest(attestation, |other| {
            other.signers.contains(validator) || other.covered.contains(validator)
        });
    }

    /// Adds a payload.
    pub fn add_payload(&mut self, attestation: Entity, payload: PooledPayload) {
        let Some(held) = self.held.get_mut(&attestation) else { return };
        self.bytes += payload.bytes();
        held.covered.add(&payload.coverage);
        self.attestation_of.insert(payload.entity, attestation);
        let coverage = payload.coverage.clone();
        held.payloads.push(payload);
        self.note_contest(attestation, |other| {
            coverage.intersects(&other.signers) || coverage.intersects(&other.covered)
        });
    }

    /// Makes a payload known.
    pub fn make_known(&mut self, attestation: Entity, payload: Entity) {
        let payloads = self.held.get_mut(&attestation).into_iter().flat_map(|it| &mut it.payloads);
        for each in payloads.filter(|each| each.entity == payload) {
            each.phase = Phase::Known;
        }
    }

    /// The attestation that a signature or payload belongs to.
    pub fn attestation_of(&self, input: Entity) -> Option<Entity> {
        self.attestation_of.get(&input).copied()
    }

    /// Removes signatures and payloads of one attestation.
    pub fn drop_inputs(&mut self, attestation: Entity, inputs: &HashSet<Entity>) {
        let Some(held) = self.held.get_mut(&attestation) else { return };
        let before = held.bytes();
        held.signatures.retain(|(entity, _)| !inputs.contains(entity));
        held.payloads.retain(|payload| !inputs.contains(&payload.entity));
        held.signers = Coverage::default();
        for (_, signature) in &held.signatures {
            held.signers.insert(signature.validator_index);
        }
        held.covered = Coverage::default();
        for payload in &held.payloads {
            held.covered.add(&payload.coverage);
        }
        self.bytes -= before - held.bytes();
        for input in inputs {
            self.attestation_of.remove(input);
        }
    }
}
