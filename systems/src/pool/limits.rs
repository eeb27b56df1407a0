//! The limits of the pools. They hold whether or not the chain finalizes.
//!
//! Everything is relative to the head, because finality may stall for days. A dropped known payload
//! can no longer enter a block, but its votes stay counted.

use bevy_ecs::prelude::*;
use quintet_components::{
    attestations::{AttestationsByData, PooledPayload},
    chain::Head,
    clock::CurrentInterval,
    containers::{AttestationData, Slot, ValidatorIndex},
};

use super::{AttestationPool, Coverage};

/// The largest number of payloads of one attestation, of both phases. It is more than a network has
/// aggregators. One more payload replaces the one that adds the least.
pub const MAX_PAYLOADS: usize = 64;

/// The limits of the pools and of the tree.
#[derive(Resource, Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolLimits {
    /// The largest number of attestations in all pools together.
    pub attestations: usize,
    /// The largest size of the signatures and proofs in all pools together, in bytes.
    pub bytes: usize,
    /// An attestation is dropped when its slot is this far behind the head.
    pub window_slots: u64,
    /// Blocks are dropped when their slot is this far behind the finalized one: peers may request
    /// blocks up to there.
    pub served_slots: u64,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self { attestations: 4096, bytes: 128 << 20, window_slots: 3600, served_slots: 3600 }
    }
}

/// Reduces the pools to their limits, once per slot, and earlier if an eighth more than a limit has
/// arrived.
pub fn shrink_pools(
    mut pool: AttestationPool,
    limits: Res<PoolLimits>,
    head: Res<Head>,
    now: Res<CurrentInterval>,
    mut checked: Local<Slot>,
) {
    let (count, bytes) = pool.size();
    let is_crowded = count > limits.attestations + limits.attestations / 8
        || bytes > limits.bytes.saturating_add(limits.bytes / 8);
    if now.slot() == *checked && !is_crowded {
        return;
    }
    *checked = now.slot();
    pool.shrink(&limits, head.0.slot);
}

/// Says if there is room for a payload.
pub(super) enum Room {
    /// There is room.
    Free,
    /// It replaces this one, which adds less.
    Of(Entity),
    /// There is none: every other payload adds as much or more.
    None,
}

/// Finds room for a payload among others of its attestation. The payload that covers the fewest
/// validators that no other covers is replaced, if that is fewer than the new one adds; among
/// equals, the oldest.
pub(super) fn room_for_payload<'a>(
    payloads: impl Iterator<Item = &'a PooledPayload>,
    coverage: &Coverage,
) -> Room {
    let payloads: Vec<&PooledPayload> = payloads.collect();
    if payloads.len() < MAX_PAYLOADS {
        return Room::Free;
    }
    let (mut once, mut twice) = (coverage.clone(), Coverage::default());
    for each in &payloads {
        twice.add(&once.common(&each.coverage));
        once.add(&each.coverage);
    }
    let own = |coverage: &Coverage| coverage.count_beyond(&twice);
    let least = payloads.iter().map(|each| (own(&each.coverage), each.entity));
    match least.reduce(|least, each| if each.0 < least.0 { each } else { least }) {
        Some((count, worst)) if count < own(coverage).max(1) => Room::Of(worst),
        _ => Room::None,
    }
}

/// The validators that support two other attestations of the slot of `data`.
pub(super) fn twice_supporting(index: &AttestationsByData, data: &AttestationData) -> Coverage {
    supporters_of_slot(index, index.of_slot(data.slot), |other| Some(other) != index.get(data))
}

/// The number of other attestations of the slot of `data` that the validator supports.
pub(super) fn supported_beside(
    index: &AttestationsByData,
    data: &AttestationData,
    validator: ValidatorIndex,
) -> usize {
    let others = index.of_slot(data.slot).filter(|other| Some(*other) != index.get(data));
    others.filter(|other| index.is_supporter(*other, validator)).count()
}

/// The validators that support at least two of these attestations.
fn supporters_of_slot(
    index: &AttestationsByData,
    attestations: impl Iterator<Item = Entity>,
    counts: impl Fn(Entity) -> bool,
) -> Coverage {
    let (mut once, mut twice) = (Coverage::default(), Coverage::default());
    for attestation in attestations.filter(|each| counts(*each)) {
        let supporters = supporters(index, attestation);
        twice.add(&once.common(&supporters));
        once.add(&supporters);
    }
    twice
}

fn supporters(index: &AttestationsByData, attestation: Entity) -> Coverage {
    let mut supporters = index.signers(attestation).cloned().unwrap_or_default();
    if let Some(covered) = index.covered(attestation) {
        supporters.add(covered);
    }
    supporters
}

/// The attestations that only equivocating validators support, the oldest first. An equivocating
/// validator supports another attestation of the same slot. Within a slot the last that arrived
/// come first.
pub(super) fn only_of_equivocators(index: &AttestationsByData) -> Vec<Entity> {
    let mut found = Vec::new();
    for slot in index.contested() {
        let equivocators = supporters_of_slot(index, index.of_slot(slot), |_| true);
        let mut of_slot: Vec<Entity> = index.of_slot(slot).collect();
        of_slot.reverse();
        found.extend(of_slot.into_iter().filter(|each| {
            let supporters = supporters(index, *each);
            !supporters.is_empty() && supporters.beyond(&equivocators).is_empty()
        }));
    }
    found
}
