//! The inspector: entities, components, resources, queues and schedules of the running world, over
//! HTTP and on a page. Only in a build with the feature `inspector`.
//!
//! Questions come through a [`Lane`] and are answered at the end of the update that they wake, when
//! the update is complete. The systems that are added before the plugin is finished are timed: number of
//! runs, mean, 99th percentile, longest, last. Systems of intervals and exclusive systems are timed at
//! every run, others in one of 32 updates.
//!
//! The value of a component is shown only if its type was registered with
//! [`InspectorAppExt::show_component`]. Other components show a name and a size, so that nothing secret
//! is shown by accident.
//!
//! | what | limit | beyond it |
//! | --- | --- | --- |
//! | questions that wait | 16 | 503 |
//! | questions answered an update | 4 | the next update, at once |
//! | entities of one answer | 64 | the next page |
//! | kinds of entities, resources, systems of one answer | 1024 each | left out, and counted |
//! | a value in a list, alone | 200, 65536 bytes | cut off, with `…` |
//! | parts within parts of a value | 24 | text |
//! | entities that are followed | 4, 120 s after the last question | the one that was asked about longest ago |
//! | changes of a followed entity | 16 slots, 512 | the oldest |

mod answer;
mod bodies;
mod follow;
mod queues;
mod routes;
mod schedules;
mod shown;
mod tabs;
mod times;
mod tree;

use bevy_app::{App, First, Last, MainScheduleOrder, Plugin};
use bevy_ecs::{
    prelude::*,
    schedule::{InternedScheduleLabel, ScheduleLabel},
};
use quintet_components::{lane::Lane, waker::NodeWaker};
use tokio::sync::oneshot;

pub use queues::{QueueBody, ShownQueues};
pub use shown::{InspectorAppExt, ShownComponents};
pub use tabs::LookTab;

use self::{
    answer::{Missing, Question},
    follow::{Followed, follow_entities},
    queues::{QueueHistory, note_queues, show_queues},
    routes::routes,
    shown::show_known,
    tabs::OwnTabs,
    times::{SystemTimes, begin_update, end_update, time_exclusive_systems, time_systems},
};
use crate::{
    needs::{Need, has_all},
    web::HttpRoutes,
};

/// Questions that wait for the world at most.
const MAX_WAITING: usize = 16;
/// Questions answered in one update at most.
const MAX_ANSWERS: usize = 4;

/// Answers questions about the world: after `Last`, so that every other schedule is in its place
/// and can be looked at.
#[derive(ScheduleLabel, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Inspect;

/// The schedules of an update, in their order: `MainScheduleOrder` is not in the world while they run.
#[derive(Resource, Debug, Default)]
struct UpdateOrder(Vec<InternedScheduleLabel>);

/// A question, and the sender for its answer.
#[derive(Debug)]
struct Asked {
    question: Question,
    done: oneshot::Sender<Result<Vec<u8>, Missing>>,
}

/// Shows the world over HTTP and on a page. Added after `InboundPlugin` and before `HttpPlugin` is
/// finished; without that plugin nothing is served.
///
/// | inserts | reads | writes |
/// | --- | --- | --- |
/// | [`Inspect`], a [`Lane`] of questions, [`ShownComponents`], [`ShownQueues`], the times of systems, [`HttpRoutes`] if it is missing | everything | [`HttpRoutes`] |
#[derive(Clone, Copy, Debug, Default)]
pub struct InspectorPlugin;

impl Plugin for InspectorPlugin {
    fn build(&self, app: &mut App) {
        if !has_all(app, "InspectorPlugin", &[Need::resource::<NodeWaker>("RunnerPlugin")]) {
            return;
        }
        let waker = app.world().resource::<NodeWaker>().clone();
        let (sender, lane) = Lane::<Asked>::new(MAX_WAITING, MAX_ANSWERS, waker);
        app.insert_resource(lane)
            .init_schedule(Inspect)
            .init_resource::<Followed>()
            // It touches nothing that Bevy's update of messages touches.
            .add_systems(First, begin_update.ambiguous_with_all())
            .add_systems(
                Inspect,
                (end_update, note_queues, follow_entities, answer_questions).chain(),
            )
            .world_mut()
            .resource_mut::<MainScheduleOrder>()
            .insert_after(Last, Inspect);
        show_known(app);
        crate::inspected::show(app);
        show_own(app);
        show_queues(app);
        app.world_mut().get_resource_or_init::<OwnTabs>();
        app.world_mut().get_resource_or_init::<HttpRoutes>().add_guarded(routes(sender));
        app.world_mut().resource_mut::<HttpRoutes>().add(routes::page());
    }

    fn finish(&self, app: &mut App) {
        let labels = app.world().resource::<MainScheduleOrder>().labels.clone();
        app.insert_resource(UpdateOrder(labels));
        time_systems(app);
    }

    fn cleanup(&self, app: &mut App) {
        time_exclusive_systems(app.world());
    }
}

/// Shows the purpose of the inspector's own resources.
fn show_own(app: &mut App) {
    app.show_component_as(|lane: &Lane<Asked>| format!("{} of {MAX_WAITING} wait", lane.depth()))
        .show_component_as(|_: &Followed| "the entities that are followed".into())
        .show_component_as(|_: &OwnTabs| "the tabs of the client's own".into())
        .show_component_as(|_: &QueueHistory| "the last minute of the queues".into())
        .show_component_as(|_: &ShownComponents| "which values are shown".into())
        .show_component_as(|_: &ShownQueues| "which queues are shown".into())
        .show_component_as(|_: &SystemTimes| "how long systems take".into())
        .show_component::<UpdateOrder>();
}

/// Answers what was asked, and wakes the runner once more when some of it has to wait.
fn answer_questions(world: &World) {
    let lane = world.resource::<Lane<Asked>>();
    for Asked { question, done } in lane.drain() {
        // The requester may have given up.
        if !done.is_closed() {
            let _ = done.send(answer::answer(world, &question));
        }
    }
    if lane.depth() > 0 {
        world.resource::<NodeWaker>().wake();
    }
}
