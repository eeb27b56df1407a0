//! Why a node ends that was not asked to.

use std::sync::{Arc, OnceLock};

use bevy_app::AppExit;
use bevy_ecs::prelude::*;

/// Why the node ends, if it does so by itself. The first reason counts. Clones share it, so that it
/// outlives the app.
#[derive(Resource, Clone, Debug, Default)]
pub struct EndReason(Arc<OnceLock<String>>);

impl EndReason {
    /// The world's, which is made if there is none.
    pub fn of(world: &mut World) -> Self {
        world.get_resource_or_init::<Self>().clone()
    }

    /// The reason, once there is one.
    pub fn get(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }

    /// Ends the app with an error, and logs why.
    pub fn end(world: &mut World, reason: String) {
        tracing::error!("{reason}");
        let _ = Self::of(world).0.set(reason);
        world.write_message(AppExit::error());
    }
}
