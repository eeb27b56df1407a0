//! What each interval asks of fork choice.

use bevy_ecs::prelude::*;
use quintet_components::{chain::LandedProposal, clock::CurrentInterval};

use crate::pool::AttestationPool;

/// Interval 0: pending payloads count at once when the slot's proposal has landed.
pub fn has_landed_proposal(landed: Res<LandedProposal>, now: Res<CurrentInterval>) -> bool {
    landed.0 == Some(now.slot())
}

/// The payloads that came in over the slot begin to count. The head is selected after it.
pub fn accept_new(mut pool: AttestationPool) {
    pool.promote_new();
}
