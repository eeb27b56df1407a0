//! The changes of an entity that somebody follows.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bevy_ecs::prelude::*;
use quintet_components::{clock::CurrentInterval, constants::INTERVALS_PER_SLOT, containers::Slot};
use serde::Serialize;

use super::shown::{Form, ShownComponents};

/// Entities that are followed at once at most.
const MAX_FOLLOWED: usize = 4;
/// Changes of an entity that are kept: those of so many slots, so many at most.
const KEPT_SLOTS: Slot = 16;
const MAX_CHANGES: usize = 512;
/// An entity that nobody asks about is no longer followed.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(120);

/// The entities that are followed. Systems that only read the world write it.
#[derive(Resource, Debug, Default)]
pub(super) struct Followed(Mutex<Vec<Following>>);

type Values = BTreeMap<String, String>;

#[derive(Debug)]
struct Following {
    entity: Entity,
    asked: Instant,
    /// The values of its components by their names, as they were last seen; none once it is gone.
    values: Option<Values>,
    changes: VecDeque<ChangeBody>,
}

/// Something that has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct ChangeBody {
    /// The interval that was walked last, and its slot.
    slot: Slot,
    interval: u64,
    /// The component's name; empty for the entity itself.
    component: String,
    /// `added`, `changed`, `removed`, or `despawned`.
    what: &'static str,
    /// The new value.
    value: String,
}

impl Followed {
    fn entities(&self) -> MutexGuard<'_, Vec<Following>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the changes of an entity since it is followed, newest first. From now on it is
    /// followed; if there is no room, it replaces the one that was asked about longest ago.
    pub(super) fn ask(&self, world: &World, entity: Entity) -> Vec<ChangeBody> {
        let mut entities = self.entities();
        if let Some(known) = entities.iter_mut().find(|known| known.entity == entity) {
            known.asked = Instant::now();
            return known.changes.iter().rev().cloned().collect();
        }
        if entities.len() == MAX_FOLLOWED {
            entities.sort_by_key(|known| known.asked);
            entities.remove(0);
        }
        let (values, changes) = (values(world, entity), VecDeque::new());
        entities.push(Following { entity, asked: Instant::now(), values, changes });
        Vec::new()
    }
}

/// Notes what has changed on the entities that are followed.
pub(super) fn follow_entities(world: &World) {
    let mut entities = world.resource::<Followed>().entities();
    if entities.is_empty() {
        return;
    }
    entities.retain(|followed| followed.asked.elapsed() < FORGOTTEN_AFTER);
    let time = world.get_resource::<CurrentInterval>().copied().unwrap_or_default();
    for followed in entities.iter_mut() {
        followed.note(values(world, followed.entity), time);
    }
}

impl Following {
    fn note(&mut self, now: Option<Values>, time: CurrentInterval) {
        let (slot, interval) = (time.slot(), time.count % INTERVALS_PER_SLOT);
        let mut tell = |component: &str, what, value: &str| {
            let (component, value) = (component.to_owned(), value.to_owned());
            self.changes.push_back(ChangeBody { slot, interval, component, what, value });
        };
        let nothing = Values::new();
        let before = self.values.as_ref().unwrap_or(&nothing);
        match &now {
            None if self.values.is_some() => tell("", "despawned", ""),
            None => {}
            Some(now) => {
                for (name, value) in now {
                    match before.get(name) {
                        None => tell(name, "added", value),
                        Some(before) if before != value => tell(name, "changed", value),
                        Some(_) => {}
                    }
                }
                for name in before.keys().filter(|name| !now.contains_key(*name)) {
                    tell(name, "removed", "");
                }
            }
        }
        self.values = now;
        let is_old = |change: &ChangeBody| change.slot + KEPT_SLOTS < slot;
        while self.changes.len() > MAX_CHANGES || self.changes.front().is_some_and(is_old) {
            self.changes.pop_front();
        }
    }
}

/// The components of an entity with their values, shortened as in a list; none when it is gone.
fn values(world: &World, entity: Entity) -> Option<Values> {
    let entity = world.get_entity(entity).ok()?;
    let shown = world.resource::<ShownComponents>();
    let named = |id| {
        let name = world.components().get_info(id)?.name().shortname().to_string();
        Some((name, shown.value(entity, id, Form::Line).unwrap_or_default()))
    };
    Some(entity.archetype().components().iter().filter_map(|id| named(*id)).collect())
}

#[cfg(test)]
mod tests {
    use bevy_app::App;
    use quintet_components::network::PeerScore;

    use super::*;
    use crate::inspector::InspectorAppExt;

    fn told(world: &World, entity: Entity) -> Vec<(Slot, &'static str, String)> {
        let changes = world.resource::<Followed>().ask(world, entity);
        changes.into_iter().map(|each| (each.slot, each.what, each.value)).collect()
    }

    #[test]
    fn what_is_added_changed_and_removed_is_told_for_sixteen_slots() {
        let mut app = App::new();
        app.init_resource::<Followed>().show_component::<PeerScore>();
        let world = app.world_mut();
        let entity = world.spawn_empty().id();
        assert_eq!(told(world, entity), []);
        let mut at = |slot: Slot, score: Option<f64>| {
            world.insert_resource(CurrentInterval { count: slot * 5, late_ms: 0 });
            match score {
                Some(score) => _ = world.entity_mut(entity).insert(PeerScore(score)),
                None => _ = world.entity_mut(entity).remove::<PeerScore>(),
            }
            follow_entities(world);
            told(world, entity)
        };
        let text = |score: &str| format!("PeerScore({score})");
        assert_eq!(at(1, Some(1.0)), [(1, "added", text("1.0"))]);
        assert_eq!(at(2, Some(1.0)).len(), 1);
        let (changed, removed) = ((2, "changed", text("2.0")), (17, "removed", String::new()));
        assert_eq!(at(2, Some(2.0))[0], changed);
        assert_eq!(at(17, None), [removed.clone(), changed, (1, "added", text("1.0"))]);
        assert_eq!(at(19, None), std::slice::from_ref(&removed));
        world.despawn(entity);
        follow_entities(world);
        assert_eq!(told(world, entity), [(19, "despawned", String::new()), removed]);
    }

    #[test]
    fn the_one_that_was_asked_about_longest_ago_gives_way() {
        let mut world = World::new();
        world.init_resource::<Followed>();
        world.init_resource::<ShownComponents>();
        let entities: Vec<_> = (0..=MAX_FOLLOWED).map(|_| world.spawn_empty().id()).collect();
        for entity in &entities {
            world.resource::<Followed>().ask(&world, *entity);
        }
        let kept: Vec<_> =
            world.resource::<Followed>().entities().iter().map(|each| each.entity).collect();
        assert_eq!(kept, entities[1..]);
    }
}
