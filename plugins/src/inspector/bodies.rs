//! Answers, as JSON.

use serde::Serialize;

use super::{follow::ChangeBody, queues::QueueWithHistory, tabs::TabBody, tree::Tree};

/// A component's name, and its value where it is shown.
#[derive(Serialize)]
pub(super) struct ComponentBody {
    /// Without paths.
    pub(super) name: String,
    /// The whole name of its type.
    pub(super) path: String,
    pub(super) bytes: usize,
    /// True for Bevy's own types.
    pub(super) is_bevys: bool,
    /// In a list: the value as a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) value: Option<String>,
    /// Alone: the value as a tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tree: Option<Tree>,
}

/// Entities that have the same components.
#[derive(Serialize)]
pub(super) struct KindBody {
    pub(super) count: usize,
    /// Their components' names, and what those are called in questions.
    pub(super) components: Vec<NameBody>,
}

#[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NameBody {
    pub(super) name: String,
    pub(super) path: String,
    pub(super) is_bevys: bool,
}

#[derive(Serialize)]
pub(super) struct KindsBody {
    /// Resources left aside.
    pub(super) entities: usize,
    pub(super) kinds: Vec<KindBody>,
    /// Kinds beyond the limit.
    pub(super) left_out: usize,
}

#[derive(Serialize)]
pub(super) struct EntityBody {
    /// As logs write it.
    pub(super) name: String,
    /// As questions name it.
    pub(super) id: String,
    pub(super) components: Vec<ComponentBody>,
}

#[derive(Serialize)]
pub(super) struct EntitiesBody {
    /// All that have the component.
    pub(super) count: usize,
    pub(super) entities: Vec<EntityBody>,
    /// The first entity of the next answer, if there is more.
    pub(super) next: Option<String>,
}

#[derive(Serialize)]
pub(super) struct ResourcesBody {
    pub(super) resources: Vec<ResourceBody>,
    pub(super) left_out: usize,
}

/// A resource, which is an entity with one component of interest.
#[derive(Serialize)]
pub(super) struct ResourceBody {
    /// The entity that it is kept on.
    pub(super) id: String,
    #[serde(flatten)]
    pub(super) component: ComponentBody,
}

#[derive(Serialize)]
pub(super) struct QueuesBody {
    pub(super) queues: Vec<QueueWithHistory>,
}

#[derive(Serialize)]
pub(super) struct ChangesBody {
    /// Newest first.
    pub(super) changes: Vec<ChangeBody>,
}

#[derive(Serialize)]
pub(super) struct TabsBody {
    pub(super) tabs: Vec<TabBody>,
}
