//! The roles that read and change the pools.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use bevy_ecs::{prelude::*, system::SystemParam};
use quintet_components::{
    attestations::{
        AttestationSignature, AttestationsByData, Known, LatestVote, LatestVotes, Member, New, Own,
        Payload, PayloadOf, Phase, Pool, PooledAttestation, PooledPayload, SignatureOf, Signed,
    },
    chain::Finalized,
    containers::{
        AggregationBits, AttestationData, Checkpoint, Signature, SingleMessageAggregate, Slot,
        ValidatorIndex,
    },
    rules::{Rules, VoteTie},
    tree::BlockTree,
};
use tree_hash::TreeHash;

use super::{Coverage, latest_votes, limits};

/// Reads the pools.
#[derive(SystemParam)]
pub struct Attestations<'w> {
    index: Res<'w, AttestationsByData>,
    rules: Res<'w, Rules>,
    finalized: Res<'w, Finalized>,
    tree: Res<'w, BlockTree>,
}

/// Changes the pools. A system finds at once what it added; queries see it when the system's
/// commands are applied.
#[derive(SystemParam)]
pub struct AttestationPool<'w, 's> {
    commands: Commands<'w, 's>,
    index: ResMut<'w, AttestationsByData>,
    latest: ResMut<'w, LatestVotes>,
    rules: Res<'w, Rules>,
    finalized: Res<'w, Finalized>,
    tree: Res<'w, BlockTree>,
}

/// The methods that both roles have to read the pools.
macro_rules! reads {
    () => {
        /// The content of the pools, for iteration.
        pub fn index(&self) -> &AttestationsByData {
            &self.index
        }

        /// The attestation of this data.
        pub fn find(&self, data: &AttestationData) -> Option<Entity> {
            self.index.get(data)
        }

        /// An attestation's data and root.
        ///
        /// Panics if the attestation is gone; those of a pool are not.
        pub fn data(&self, attestation: Entity) -> &PooledAttestation {
            self.index.attestation(attestation).expect("a pool holds attestations")
        }

        /// The attestations of a pool in order.
        pub fn members<P: Pool>(&self) -> Vec<Entity> {
            self.index.members::<P>().collect()
        }

        /// The signatures on an attestation, in order of arrival; one of each validator.
        pub fn signatures(
            &self,
            attestation: Entity,
        ) -> impl Iterator<Item = (Entity, &AttestationSignature)> {
            self.index.signatures(attestation)
        }

        /// An attestation's payloads of one phase, in order of arrival.
        pub fn payloads(
            &self,
            attestation: Entity,
            phase: Phase,
        ) -> impl Iterator<Item = (Entity, &Arc<SingleMessageAggregate>)> {
            let payloads = self.index.payloads(attestation);
            let of_phase = payloads.filter(move |each| each.phase == phase);
            of_phase.map(|each| (each.entity, &each.payload))
        }

        /// An attestation's payloads of both phases, in order of arrival.
        pub fn all_payloads(&self, attestation: Entity) -> impl Iterator<Item = &PooledPayload> {
            self.index.payloads(attestation)
        }

        /// The validators that the payloads for this data cover, new and known ones.
        pub fn covered(&self, data: &AttestationData) -> Coverage {
            let attestation = self.index.get(data);
            attestation.and_then(|id| self.index.covered(id)).cloned().unwrap_or_default()
        }

        /// Returns true if the validator supports this attestation, by signature or payload.
        pub fn is_supporter(&self, data: &AttestationData, validator: ValidatorIndex) -> bool {
            self.index.get(data).is_some_and(|id| self.index.is_supporter(id, validator))
        }

        /// The validators that already support two other attestations of the slot of `data`:
        /// another one of theirs is not kept.
        pub fn equivocators(&self, data: &AttestationData) -> Coverage {
            if self.rules.places > 2 {
                return Coverage::default();
            }
            limits::twice_supporting(&self.index, data)
        }

        /// Returns true if the validator supports two other attestations of the slot.
        pub fn is_equivocator(&self, data: &AttestationData, validator: ValidatorIndex) -> bool {
            limits::supported_beside(&self.index, data, validator) >= self.rules.places
        }

        /// Returns true if finality has advanced past `finalized_before`, so that the attestation
        /// can no longer move the head.
        pub fn is_stale(&self, finalized_before: Slot, data: &AttestationData) -> bool {
            self.finalized.0.slot > finalized_before && self.is_passed(data)
        }

        /// Returns true if the attestation's head does not descend from the finalized block.
        pub fn is_passed(&self, data: &AttestationData) -> bool {
            is_passed(&self.tree, self.finalized.0, data)
        }
    };
}

impl Attestations<'_> {
    reads!();
}

impl AttestationPool<'_, '_> {
    reads!();

    /// The attestation of this data. It is added if it is new.
    pub fn attestation(&mut self, data: &AttestationData) -> Entity {
        if let Some(attestation) = self.index.get(data) {
            return attestation;
        }
        let attestation = PooledAttestation { data: *data, root: data.tree_hash_root() };
        let entity = self.commands.spawn(attestation).id();
        self.index.insert(entity, attestation);
        entity
    }

    fn join<P: Pool>(&mut self, attestation: Entity) {
        if self.index.join::<P>(attestation) {
            self.commands.entity(attestation).insert(Member::<P>::default());
        }
    }

    /// Removes an attestation from a pool. If it is in no pool any more, it is despawned with
    /// everything that belongs to it.
    fn leave<P: Pool>(&mut self, attestation: Entity) {
        self.index.leave::<P>(attestation);
        if self.index.is_homeless(attestation) {
            self.despawn(attestation);
        } else {
            self.commands.entity(attestation).remove::<Member<P>>();
        }
    }

    fn despawn(&mut self, attestation: Entity) {
        self.index.remove(attestation);
        self.commands.entity(attestation).despawn();
    }

    /// Adds a verified signature. Returns true if it is new: the first of its validator on this
    /// attestation, and the validator does not support two other attestations of the slot.
    pub fn add_signature(
        &mut self,
        data: &AttestationData,
        validator_index: ValidatorIndex,
        signature: Signature,
    ) -> bool {
        if self.is_equivocator(data, validator_index) {
            return false;
        }
        let attestation = self.attestation(data);
        if self.index.signers(attestation).is_some_and(|it| it.contains(validator_index)) {
            return false;
        }
        let signature = AttestationSignature { validator_index, signature };
        let entity = self.commands.spawn((signature.clone(), SignatureOf(attestation))).id();
        self.index.add_signature(attestation, entity, signature);
        self.join::<Signed>(attestation);
        true
    }

    /// Adds a verified payload in this phase. Returns its entity; `None` if the attestation already
    /// has it in this phase or has no room for it.
    pub fn add_payload(
        &mut self,
        data: &AttestationData,
        payload: Arc<SingleMessageAggregate>,
        phase: Phase,
    ) -> Option<Entity> {
        let attestation = self.attestation(data);
        match phase {
            Phase::New => self.join::<New>(attestation),
            Phase::Known => self.join::<Known>(attestation),
        }
        if self.payloads(attestation, phase).any(|(_, known)| *known == payload) {
            return None;
        }
        let coverage = Coverage::of(&payload.participants);
        match limits::room_for_payload(self.all_payloads(attestation), &coverage) {
            limits::Room::Free => {}
            limits::Room::Of(worst) => self.drop_of(attestation, &[worst]),
            limits::Room::None => return None,
        }
        let parts = (Payload(Arc::clone(&payload)), phase, PayloadOf(attestation));
        let entity = self.commands.spawn(parts).id();
        if phase == Phase::Known {
            self.count_payload(attestation, &payload.participants);
        }
        self.index.add_payload(attestation, PooledPayload { entity, payload, phase, coverage });
        Some(entity)
    }

    /// Adds a payload that this node has made, like [`Self::add_payload`].
    pub fn add_own_payload(
        &mut self,
        data: &AttestationData,
        payload: Arc<SingleMessageAggregate>,
        phase: Phase,
    ) -> Option<Entity> {
        let entity = self.add_payload(data, payload, phase)?;
        self.commands.entity(entity).insert(Own);
        Some(entity)
    }

    /// Makes every new payload known, so that it counts. Does not select the head.
    pub fn promote_new(&mut self) {
        for attestation in self.members::<New>() {
            self.join::<Known>(attestation);
            let new: Vec<_> = self
                .payloads(attestation, Phase::New)
                .map(|(entity, payload)| (entity, Arc::clone(payload)))
                .collect();
            for (entity, payload) in new {
                if self.payloads(attestation, Phase::Known).any(|(_, known)| *known == payload) {
                    self.drop_of(attestation, &[entity]);
                } else {
                    self.commands.entity(entity).insert(Phase::Known);
                    self.index.make_known(attestation, entity);
                    self.count_payload(attestation, &payload.participants);
                }
            }
            self.leave::<New>(attestation);
        }
    }

    /// Moves the attestations of an imported block before all other known ones, in body order.
    pub fn seed_from_block<'a>(&mut self, body: impl Iterator<Item = &'a AttestationData>) {
        let seeded: Vec<Entity> = body.map(|data| self.attestation(data)).collect();
        self.index.put_first::<Known>(&seeded);
        for attestation in seeded {
            self.commands.entity(attestation).insert(Member::<Known>::default());
            if self.rules.vote_tie == VoteTie::EarlierInPool {
                let known = self.payloads(attestation, Phase::Known);
                let known: Vec<_> = known.map(|(_, payload)| Arc::clone(payload)).collect();
                for payload in known {
                    self.count_payload(attestation, &payload.participants);
                }
            }
        }
    }

    /// Removes signatures, and payloads that are still new, from the pools. Those that are gone or
    /// became known are ignored.
    pub fn drop_inputs(&mut self, inputs: &[Entity]) {
        let mut of_attestations: BTreeMap<usize, (Entity, Vec<Entity>)> = BTreeMap::new();
        let mut places = std::collections::HashMap::new();
        for input in inputs {
            let Some(attestation) = self.index.attestation_of(*input) else { continue };
            let is_known = (self.payloads(attestation, Phase::Known)).any(|(id, _)| id == *input);
            if is_known {
                continue;
            }
            let count = places.len();
            let place = *places.entry(attestation).or_insert(count);
            of_attestations.entry(place).or_insert((attestation, Vec::new())).1.push(*input);
        }
        for (attestation, inputs) in of_attestations.into_values() {
            self.drop_of(attestation, &inputs);
            if self.payloads(attestation, Phase::New).next().is_none() {
                self.leave::<New>(attestation);
            }
            if self.find_entity(attestation) && self.signatures(attestation).next().is_none() {
                self.leave::<Signed>(attestation);
            }
        }
    }

    fn find_entity(&self, attestation: Entity) -> bool {
        self.index.attestation(attestation).is_some()
    }

    fn drop_of(&mut self, attestation: Entity, inputs: &[Entity]) {
        self.index.drop_inputs(attestation, &inputs.iter().copied().collect());
        for input in inputs {
            self.commands.entity(*input).despawn();
        }
    }

    /// Counts a known payload as the vote of each participant, unless the participant has a newer
    /// vote, or one for the same slot whose attestation data has the larger root.
    fn count_payload(&mut self, attestation: Entity, participants: &AggregationBits) {
        let candidate = self.latest_vote(attestation);
        let (index, tie) = (&*self.index, self.rules.vote_tie);
        let rank = |each| index.rank::<Known>(each);
        for validator in participants.indices() {
            latest_votes::consider(&mut self.latest, validator, candidate, tie, |current| {
                rank(attestation) < rank(current)
            });
        }
    }

    /// Counts a vote from a store. It is in no pool, because there is no proof of it to publish.
    pub fn count_saved(&mut self, data: &AttestationData, participants: &AggregationBits) {
        if data.head.slot > self.latest.cutoff {
            let attestation = self.attestation(data);
            self.count_payload(attestation, participants);
        }
    }

    /// The vote that an attestation is for fork choice.
    fn latest_vote(&self, attestation: Entity) -> LatestVote {
        let PooledAttestation { data, root } = *self.data(attestation);
        let head = self.tree.find(&data.head.root);
        LatestVote { attestation, slot: data.slot, root, head_slot: data.head.slot, head }
    }

    /// Follows the finalized slot: votes at or before it do not count. If the slot decreased, votes
    /// that did not count before count again.
    pub fn follow_finality(&mut self) {
        let finalized = self.finalized.0.slot;
        let cutoff = std::mem::replace(&mut self.latest.cutoff, finalized);
        if finalized > cutoff {
            self.recount_where(|vote| vote.head_slot <= finalized);
        } else if finalized < cutoff {
            // A reorganisation lowered the slot.
            let LatestVotes { votes, changed, .. } = &mut *self.latest;
            votes.fill(None);
            changed.extend(0..votes.len());
            self.recount(|_| true);
        }
    }

    /// Forgets the votes for which `gone` is true, and finds the next best one for each of their
    /// validators.
    fn recount_where(&mut self, gone: impl Fn(&LatestVote) -> bool) {
        let dirty = latest_votes::forget_where(&mut self.latest, gone);
        if dirty.contains(&true) {
            self.recount(|index| dirty.get(index).copied().unwrap_or(false));
        }
    }

    /// Searches the known pool for these validators' votes.
    fn recount(&mut self, wanted: impl Fn(usize) -> bool) {
        for attestation in self.members::<Known>() {
            let candidate = self.latest_vote(attestation);
            let known = self.index.payloads(attestation).filter(|each| each.phase == Phase::Known);
            for index in known.flat_map(|each| each.payload.participants.indices()) {
                if usize::try_from(index).is_ok_and(&wanted) {
                    // In pool order, the first of two for one slot is there already.
                    let tie = self.rules.vote_tie;
                    latest_votes::consider(&mut self.latest, index, candidate, tie, |_| false);
                }
            }
        }
    }

    /// Drops from every pool the attestations whose head does not descend from the finalized block,
    /// and forgets the votes for such heads, because they can no longer move the head.
    pub fn prune_stale(&mut self) {
        let stale: Vec<Entity> = self
            .index
            .by_slot()
            .map(|(_, attestation)| attestation)
            .filter(|attestation| self.is_passed(&self.data(*attestation).data))
            .collect();
        for attestation in &stale {
            self.despawn(*attestation);
        }
        let mut gone: HashSet<Entity> = stale.into_iter().collect();
        // The same rule applies to a vote that is in no pool.
        for vote in self.latest.votes.iter().flatten() {
            let head = vote.head.map(|id| self.tree[id]);
            let head = head.map(|block| Checkpoint { root: block.root, slot: block.slot });
            if head.is_some_and(|head| !self.tree.is_ancestor(self.finalized.0, head)) {
                gone.insert(vote.attestation);
            }
        }
        if !gone.is_empty() {
            self.recount_where(|vote| gone.contains(&vote.attestation));
        }
    }

    /// Reduces the pools to their limits. First drops attestations behind the window. Then, while
    /// there are too many attestations or bytes, drops those that only equivocating validators
    /// support, then the oldest. Unlike [`Self::prune_stale`], this drops evidence but not votes:
    /// latest votes stay counted.
    pub fn shrink(&mut self, limits: &limits::PoolLimits, head_slot: Slot) {
        let oldest = head_slot.saturating_sub(limits.window_slots);
        let is_over = |index: &AttestationsByData| {
            index.len() > limits.attestations || index.bytes() > limits.bytes
        };
        while let Some((slot, attestation)) = self.index.oldest()
            && slot < oldest
        {
            self.despawn(attestation);
        }
        if !is_over(&self.index) {
            return;
        }
        for attestation in limits::only_of_equivocators(&self.index) {
            if !is_over(&self.index) {
                return;
            }
            self.despawn(attestation);
        }
        while is_over(&self.index)
            && let Some((_, attestation)) = self.index.oldest()
        {
            self.despawn(attestation);
        }
    }

    /// The number of attestations, and the size of their signatures and proofs in bytes.
    pub fn size(&self) -> (usize, usize) {
        (self.index.len(), self.index.bytes())
    }
}

/// Returns true if the attestation's head does not descend from the finalized block.
pub fn is_passed(tree: &BlockTree, finalized: Checkpoint, data: &AttestationData) -> bool {
    !(data.head.slot > finalized.slot && tree.is_ancestor(finalized, data.head))
}
