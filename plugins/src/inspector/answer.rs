//! Questions about the world and what it answers.

use std::cmp::Reverse;

use bevy_ecs::{
    archetype::ArchetypeEntity,
    component::{ComponentId, Components},
    prelude::*,
    resource::IsResource,
    schedule::ScheduleLabel,
    world::EntityRef,
};
use quintet_components::schedule::{Interval, OnInterval};
use serde::Serialize;

use super::{
    UpdateOrder,
    queues::{QueueBody, ShownQueues},
    shown::{Form, ShownComponents},
};

/// Entities of one answer at most.
const MAX_ENTITIES: usize = 64;
/// Kinds of entities, resources, and systems of a schedule in one answer at most.
const MAX_ROWS: usize = 1024;

/// What may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// Which kinds of entities there are.
    Kinds,
    /// The entities with a component of this name, from this one on.
    Entities { with: String, from: u64 },
    /// One entity.
    Entity(Entity),
    /// The resources.
    Resources,
    /// What waits.
    Queues,
    /// What runs, in which order.
    Schedules,
}

/// What was asked about is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Missing(pub(super) &'static str);

/// A component's name, and its value where it is shown.
#[derive(Serialize)]
struct ComponentBody {
    /// Without paths.
    name: String,
    /// The whole name of its type.
    path: String,
    bytes: usize,
    value: Option<String>,
}

/// Entities that have the same components.
#[derive(Serialize)]
struct KindBody {
    count: usize,
    /// Their components' names, and what those are called in questions.
    components: Vec<NameBody>,
}

#[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
struct NameBody {
    name: String,
    path: String,
}

#[derive(Serialize)]
struct KindsBody {
    /// Resources left aside.
    entities: usize,
    kinds: Vec<KindBody>,
    /// Kinds beyond the limit.
    left_out: usize,
}

#[derive(Serialize)]
struct EntityBody {
    /// As logs write it.
    name: String,
    /// As questions name it.
    id: String,
    components: Vec<ComponentBody>,
}

#[derive(Serialize)]
struct EntitiesBody {
    /// All that have the component.
    count: usize,
    entities: Vec<EntityBody>,
    /// Where the next answer begins, if there is more.
    next: Option<String>,
}

#[derive(Serialize)]
struct ResourcesBody {
    resources: Vec<ResourceBody>,
    left_out: usize,
}

/// A resource, which is an entity with one component of interest.
#[derive(Serialize)]
struct ResourceBody {
    /// The entity that it is kept on.
    id: String,
    #[serde(flatten)]
    component: ComponentBody,
}

#[derive(Serialize)]
struct QueuesBody {
    queues: Vec<QueueBody>,
}

#[derive(Serialize)]
struct SchedulesBody {
    schedules: Vec<ScheduleBody>,
}

#[derive(Serialize)]
struct ScheduleBody {
    name: String,
    /// Its number among those that every update runs.
    place: Option<usize>,
    /// In the order in which they run.
    systems: Vec<SystemBody>,
    left_out: usize,
}

#[derive(Serialize)]
struct SystemBody {
    name: String,
    path: String,
    /// Whether it has the world for itself.
    is_exclusive: bool,
}

/// Answers, as JSON.
pub(super) fn answer(world: &World, question: &Question) -> Result<Vec<u8>, Missing> {
    let text = match question {
        Question::Kinds => serde_json::to_vec(&kinds(world)),
        Question::Entities { with, from } => serde_json::to_vec(&entities(world, with, *from)?),
        Question::Entity(entity) => serde_json::to_vec(&whole_entity(world, *entity)?),
        Question::Resources => serde_json::to_vec(&resources(world)),
        Question::Queues => {
            let queues = world.resource::<ShownQueues>().look(world);
            serde_json::to_vec(&QueuesBody { queues })
        }
        Question::Schedules => serde_json::to_vec(&schedules(world)),
    };
    Ok(text.expect("bodies are JSON"))
}

fn kinds(world: &World) -> KindsBody {
    let is_resource = world.component_id::<IsResource>();
    let own = world.archetypes().iter().filter(|archetype| {
        !archetype.is_empty() && is_resource.is_none_or(|id| !archetype.contains(id))
    });
    let mut kinds: Vec<KindBody> = own
        .map(|archetype| KindBody {
            count: archetype.entities().len(),
            components: names(world.components(), archetype.components()),
        })
        .collect();
    kinds.sort_by(|a, b| (Reverse(a.count), &a.components).cmp(&(Reverse(b.count), &b.components)));
    let entities = kinds.iter().map(|kind| kind.count).sum();
    let left_out = cut(&mut kinds, MAX_ROWS);
    KindsBody { entities, kinds, left_out }
}

fn names(components: &Components, ids: &[ComponentId]) -> Vec<NameBody> {
    let infos = ids.iter().filter_map(|id| components.get_info(*id));
    let mut names: Vec<NameBody> = infos
        .map(|info| NameBody {
            name: info.name().shortname().to_string(),
            path: info.name().to_string(),
        })
        .collect();
    names.sort_unstable();
    names
}

fn entities(world: &World, with: &str, from: u64) -> Result<EntitiesBody, Missing> {
    let mut named = world.components().iter_registered();
    let found = named.find(|(_, info)| &*info.name() == with);
    let (component, _) = found.ok_or(Missing("no component has this name"))?;
    let archetypes = world.archetypes().iter().filter(|each| each.contains(component));
    let mut ids: Vec<Entity> = archetypes
        .flat_map(|archetype| archetype.entities().iter().map(ArchetypeEntity::id))
        .collect();
    ids.sort_unstable_by_key(|entity| entity.to_bits());
    let count = ids.len();
    let first = ids.partition_point(|entity| entity.to_bits() < from);
    let end = count.min(first + MAX_ENTITIES);
    let next = ids.get(end).map(|entity| entity.to_bits().to_string());
    let entities =
        ids[first..end].iter().map(|id| entity_body(world, world.entity(*id), Form::Line));
    Ok(EntitiesBody { count, entities: entities.collect(), next })
}

fn whole_entity(world: &World, entity: Entity) -> Result<EntityBody, Missing> {
    let entity = world.get_entity(entity).map_err(|_| Missing("the entity is gone"))?;
    Ok(entity_body(world, entity, Form::Whole))
}

fn entity_body(world: &World, entity: EntityRef<'_>, form: Form) -> EntityBody {
    let ids = entity.archetype().components().iter();
    let mut components: Vec<ComponentBody> =
        ids.filter_map(|id| component_body(world, entity, *id, form)).collect();
    components.sort_by(|a, b| (&a.name, &a.path).cmp(&(&b.name, &b.path)));
    let id = entity.id();
    EntityBody { name: id.to_string(), id: id.to_bits().to_string(), components }
}

fn component_body(
    world: &World,
    entity: EntityRef<'_>,
    id: ComponentId,
    form: Form,
) -> Option<ComponentBody> {
    let info = world.components().get_info(id)?;
    Some(ComponentBody {
        name: info.name().shortname().to_string(),
        path: info.name().to_string(),
        bytes: info.layout().size(),
        value: world.resource::<ShownComponents>().value(entity, id, form),
    })
}

fn resources(world: &World) -> ResourcesBody {
    let mut resources: Vec<ResourceBody> = world
        .resource_entities()
        .iter()
        .filter_map(|(component, entity)| {
            let entity = world.get_entity(entity).ok()?;
            // A resource that was removed leaves its entity behind.
            if !entity.contains_id(component) {
                return None;
            }
            let component = component_body(world, entity, component, Form::Line)?;
            Some(ResourceBody { id: entity.id().to_bits().to_string(), component })
        })
        .collect();
    resources.sort_by(|a, b| a.component.path.cmp(&b.component.path));
    resources.sort_by(|a, b| a.component.name.cmp(&b.component.name));
    let left_out = cut(&mut resources, MAX_ROWS);
    ResourcesBody { resources, left_out }
}

/// Every schedule that has systems, but the one that this runs in, and `Main`, which runs it: those of
/// an update in their order, then those of the intervals, then others by name.
fn schedules(world: &World) -> SchedulesBody {
    let order = &world.resource::<UpdateOrder>().0;
    let place_of = |schedule: &Schedule| {
        let update = order.iter().position(|label| *label == schedule.label());
        let is_of = |interval: &Interval| OnInterval(*interval).intern() == schedule.label();
        let interval = Interval::ALL.iter().position(is_of);
        (update.unwrap_or(usize::MAX), interval.unwrap_or(usize::MAX))
    };
    let mut schedules: Vec<_> = world
        .resource::<Schedules>()
        .iter()
        .map(|(_, schedule)| (place_of(schedule), schedule_body(schedule)))
        .filter(|(_, schedule)| !schedule.systems.is_empty())
        .collect();
    schedules.sort_by(|(a, first), (b, second)| (a, &first.name).cmp(&(b, &second.name)));
    let numbered = schedules.into_iter().zip(1..).map(|(((update, _), schedule), number)| {
        ScheduleBody { place: (update < usize::MAX).then_some(number), ..schedule }
    });
    SchedulesBody { schedules: numbered.collect() }
}

fn schedule_body(schedule: &Schedule) -> ScheduleBody {
    let systems = schedule.systems_with_access().ok().into_iter().flatten();
    let mut systems: Vec<SystemBody> = systems
        .map(|(_, each)| SystemBody {
            name: each.system().name().shortname().to_string(),
            path: each.system().name().to_string(),
            is_exclusive: each.access().is_exclusive(),
        })
        .collect();
    let left_out = cut(&mut systems, MAX_ROWS);
    ScheduleBody { name: format!("{:?}", schedule.label()), place: None, systems, left_out }
}

/// Keeps as many rows as an answer may have. Returns how many it leaves out.
fn cut<T>(rows: &mut Vec<T>, limit: usize) -> usize {
    let left_out = rows.len().saturating_sub(limit);
    rows.truncate(limit);
    left_out
}
