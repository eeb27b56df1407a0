//! The resources and schedules that a plugin needs of others, and the error when one is missing.

use std::any::type_name;

use bevy_app::{App, MainScheduleOrder};
use bevy_ecs::{prelude::*, schedule::ScheduleLabel};
use quintet_components::schedule::RunIntervals;

/// A plugin needs what is not in the world: the plugin that brings it was left out, or stands after
/// the one that needs it.
#[derive(Resource, Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{plugin} needs {piece}, which {brought_by} brings: put {brought_by}, or a plugin that does \
     the same, before {plugin}"
)]
pub struct MissingPiece {
    /// The plugin that needs something.
    pub plugin: &'static str,
    /// The name of the resource or schedule that it needs.
    pub piece: String,
    /// The node's plugin that brings it.
    pub brought_by: &'static str,
}

impl MissingPiece {
    /// Returns the missing piece of an app whose plugins are all added: the first one, because it
    /// is the cause of others. The node's runner looks for it, and exits with an error.
    pub fn of(app: &App) -> Option<Self> {
        if let Some(early) = app.world().get_resource::<Self>() {
            return Some(early.clone());
        }
        let needs = app.world().get_resource::<Needs>()?;
        needs.0.iter().find_map(|(plugin, need)| need.missing_in(app, plugin))
    }
}

/// The needs of the plugins, in the plugins' order.
#[derive(Resource, Default)]
pub(crate) struct Needs(Vec<(&'static str, Need)>);

/// Something that a plugin needs.
#[derive(Clone, Copy)]
pub(crate) struct Need {
    piece: fn() -> String,
    is_there: fn(&App) -> bool,
    brought_by: &'static str,
}

impl Need {
    /// A resource.
    pub(crate) const fn resource<R: Resource>(brought_by: &'static str) -> Self {
        Self {
            piece: short_name::<R>,
            is_there: |app| app.world().contains_resource::<R>(),
            brought_by,
        }
    }

    /// The schedules of a node.
    pub(crate) const fn order() -> Self {
        Self {
            piece: || "RunIntervals".into(),
            is_there: |app| {
                let order = app.world().get_resource::<MainScheduleOrder>();
                order.is_some_and(|order| order.labels.contains(&RunIntervals.intern()))
            },
            brought_by: "OrderPlugin",
        }
    }

    fn missing_in(&self, app: &App, plugin: &'static str) -> Option<MissingPiece> {
        let Self { piece, is_there, brought_by } = *self;
        (!is_there(app)).then(|| MissingPiece { plugin, piece: piece(), brought_by })
    }
}

/// Says what a plugin needs once all plugins are added.
pub(crate) fn needs(app: &mut App, plugin: &'static str, needs: &[Need]) {
    let known = &mut app.world_mut().get_resource_or_init::<Needs>().0;
    known.extend(needs.iter().map(|need| (plugin, *need)));
}

/// Returns true if what a plugin needs to be built is there. Otherwise the plugin adds nothing.
pub(crate) fn has_all(app: &mut App, plugin: &'static str, needs: &[Need]) -> bool {
    let Some(missing) = needs.iter().find_map(|need| need.missing_in(app, plugin)) else {
        return true;
    };
    // The first one is the cause of those after it.
    if !app.world().contains_resource::<MissingPiece>() {
        app.insert_resource(missing);
    }
    false
}

/// The name of a type without its path.
fn short_name<T>() -> String {
    let name = type_name::<T>();
    let end = name.find('<').unwrap_or(name.len());
    let begin = name[..end].rfind("::").map_or(0, |at| at + 2);
    name[begin..].to_owned()
}
