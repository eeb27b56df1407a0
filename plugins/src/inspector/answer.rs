//! Questions about the world and what it answers.

use std::cmp::Reverse;

use bevy_ecs::{
    archetype::ArchetypeEntity,
    component::{ComponentId, Components},
    prelude::*,
    resource::IsResource,
    world::EntityRef,
};

use super::{
    bodies::{
        ChangesBody, ComponentBody, EntitiesBody, EntityBody, KindBody, KindsBody, NameBody,
        QueuesBody, ResourceBody, ResourcesBody, TabsBody,
    },
    follow::Followed,
    queues,
    schedules::schedules,
    shown::{Form, ShownComponents},
    tabs::OwnTabs,
    tree::tree,
};

/// Entities of one answer at most.
const MAX_ENTITIES: usize = 64;
/// Kinds of entities, resources, and systems of a schedule in one answer at most.
pub(super) const MAX_ROWS: usize = 1024;

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// The kinds of entities.
    Kinds,
    /// The entities with a component of this name, from this one on.
    Entities { with: String, from: u64 },
    /// One entity.
    Entity(Entity),
    /// The changes of an entity since the first such question.
    Changes(Entity),
    /// The resources.
    Resources,
    /// The queues.
    Queues,
    /// The systems of every schedule, their order and their times.
    Schedules,
    /// The tabs of the client's own.
    Tabs,
    /// The content of such a tab.
    Tab(String),
}

/// The subject of the question does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Missing(pub(super) &'static str);

/// Answers, as JSON.
pub(super) fn answer(world: &World, question: &Question) -> Result<Vec<u8>, Missing> {
    let text = match question {
        Question::Kinds => serde_json::to_vec(&kinds(world)),
        Question::Entities { with, from } => serde_json::to_vec(&entities(world, with, *from)?),
        Question::Entity(entity) => serde_json::to_vec(&whole_entity(world, *entity)?),
        Question::Resources => serde_json::to_vec(&resources(world)),
        Question::Changes(entity) => {
            let changes = world.resource::<Followed>().ask(world, *entity);
            serde_json::to_vec(&ChangesBody { changes })
        }
        Question::Queues => serde_json::to_vec(&QueuesBody { queues: queues::look(world) }),
        Question::Tabs => {
            serde_json::to_vec(&TabsBody { tabs: world.resource::<OwnTabs>().list() })
        }
        Question::Tab(name) => {
            let shown = world.resource::<OwnTabs>().look(world, name);
            serde_json::to_vec(&shown.ok_or(Missing("no tab has this name"))?)
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
            is_bevys: is_bevys(&info.name()),
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
    let text = world.resource::<ShownComponents>().value(entity, id, form);
    let (value, tree) = match form {
        Form::Line => (text, None),
        Form::Whole => (None, text.map(|text| tree(&text, world))),
    };
    Some(ComponentBody {
        name: info.name().shortname().to_string(),
        path: info.name().to_string(),
        bytes: info.layout().size(),
        is_bevys: is_bevys(&info.name()),
        value,
        tree,
    })
}

/// Returns true for types of Bevy, which do not belong to the node. The buffers of messages are among
/// them.
pub(super) fn is_bevys(path: &str) -> bool {
    path.starts_with("bevy_")
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

/// Keeps as many rows as an answer may have. Returns how many it leaves out.
pub(super) fn cut<T>(rows: &mut Vec<T>, limit: usize) -> usize {
    let left_out = rows.len().saturating_sub(limit);
    rows.truncate(limit);
    left_out
}
