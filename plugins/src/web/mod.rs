//! Common parts of everything that is served over HTTP: routes of other plugins, answers, errors,
//! pages.

pub(crate) mod answer;
pub(crate) mod error;
pub(crate) mod pages;

use axum::Router;
use bevy_ecs::prelude::Resource;

/// Routes of other plugins, which the servers serve in addition to their own. Add them in a
/// plugin's `build`.
#[derive(Resource, Debug, Default)]
pub struct HttpRoutes {
    open: Router,
    guarded: Router,
}

impl HttpRoutes {
    /// Adds routes beside the API's. They need their own limits of size and time.
    pub fn add(&mut self, routes: Router) {
        self.open = std::mem::take(&mut self.open).merge(routes);
    }

    /// Adds routes that are guarded like the admin surface, and have the API's limits.
    pub fn add_guarded(&mut self, routes: Router) {
        self.guarded = std::mem::take(&mut self.guarded).merge(routes);
    }

    /// The open routes, and the guarded ones.
    pub(crate) fn into_parts(self) -> (Router, Router) {
        (self.open, self.guarded)
    }
}
