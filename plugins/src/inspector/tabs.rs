//! Tabs of a client's own.

use bevy_ecs::prelude::*;
use serde::Serialize;
use serde_json::Value;

/// Looks at the world for a tab. Returns JSON, which the page draws as a table where it is a list of
/// objects, and as a tree otherwise.
pub type LookTab = fn(&World) -> Value;

/// The tabs that a client has added.
#[derive(Resource, Debug, Default)]
pub(super) struct OwnTabs(Vec<Tab>);

#[derive(Debug)]
struct Tab {
    name: &'static str,
    title: &'static str,
    look: LookTab,
}

/// A tab as the page knows it.
#[derive(Serialize)]
pub(super) struct TabBody {
    /// Its name in addresses.
    name: &'static str,
    title: &'static str,
}

impl OwnTabs {
    pub(super) fn add(&mut self, name: &'static str, title: &'static str, look: LookTab) {
        self.0.retain(|tab| tab.name != name);
        self.0.push(Tab { name, title, look });
    }

    pub(super) fn list(&self) -> Vec<TabBody> {
        self.0.iter().map(|Tab { name, title, .. }| TabBody { name, title }).collect()
    }

    /// The content of a tab; `None` if no tab has this name.
    pub(super) fn look(&self, world: &World, name: &str) -> Option<Value> {
        self.0.iter().find(|tab| tab.name == name).map(|tab| (tab.look)(world))
    }
}
