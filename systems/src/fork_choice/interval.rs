//! The parts of fork choice in each interval.

use bevy_ecs::prelude::*;
use quintet_components::{chain::LandedProposal, clock::CurrentInterval};

use crate::pool::AttestationPool;

/// Interval 0: returns true if the slot's own proposal is imported, so that pending payloads count
/// at once.
pub fn has_landed_proposal(landed: Res<LandedProposal>, now: Res<CurrentInterval>) -> bool {
    landed.0 == Some(now.slot())
}

/// Makes the payloads that arrived during the slot count. The head is selected after it.
pub fn accept_new(mut pool: AttestationPool) {
    pool.promote_new();
}
