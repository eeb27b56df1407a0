//! The reason why a node ended by itself.

use std::sync::{Arc, OnceLock};

use bevy_app::AppExit;
use bevy_ecs::prelude::*;

/// The reason the node ends, if it ends by itself. The first reason is kept. Clones share it, so
/// that it can be read after the app is gone.
#[derive(Resource, Clone, Debug, Default)]
pub struct EndReason(Arc<OnceLock<String>>);

impl EndReason {
    /// The reason of this world, which is added if there is none.
    pub fn of(world: &mut World) -> Self {
        world.get_resource_or_init::<Self>().clone()
    }

    /// The reason, if there is one.
    pub fn get(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }

    /// Ends the app with an error and logs the reason.
    pub fn end(world: &mut World, reason: String) {
        tracing::error!("{reason}");
        let _ = Self::of(world).0.set(reason);
        world.write_message(AppExit::error());
    }
}
