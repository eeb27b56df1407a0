//! What each interval asks of fork choice.

use bevy_ecs::prelude::*;
use quintet_components::{chain::LandedProposal, clock::CurrentInterval};

use super::{head, safe_target};

/// Interval 0: pending votes count at once when the slot's proposal has landed.
pub fn accept_at_proposal(world: &mut World) {
    let slot = world.resource::<CurrentInterval>().slot();
    if world.resource::<LandedProposal>().0 == Some(slot) {
        head::accept_new(world);
    }
}

/// Interval 3: the safe target follows the slot's votes.
pub fn update_safe_target(world: &mut World) {
    safe_target::update_safe_target(world);
}

/// Interval 4: the votes that came in over the slot begin to count.
pub fn accept_new(world: &mut World) {
    head::accept_new(world);
}
