//! The inspector: entities, components, resources, queues and schedules of the running world, over
//! HTTP and on a page. Only in a build with the feature `inspector`.
//!
//! Questions come through a [`Lane`] and are answered at the end of the update that they wake, when
//! nothing is half done. Of a component the value is shown only when its type was registered with
//! [`InspectorAppExt::show_component`]: what nobody registered has a name and a size, so that nothing
//! secret is shown by accident.
//!
//! | what | limit | beyond it |
//! | --- | --- | --- |
//! | questions that wait | 16 | 503 |
//! | questions answered an update | 4 | the next update, at once |
//! | entities of one answer | 64 | the next page |
//! | kinds of entities, resources, systems of one answer | 1024 each | left out, and counted |
//! | a value in a list, alone | 200, 65536 bytes | cut off, with `…` |

mod answer;
mod queues;
mod routes;
mod shown;

use bevy_app::{App, Last, MainScheduleOrder, Plugin};
use bevy_ecs::{
    prelude::*,
    schedule::{InternedScheduleLabel, ScheduleLabel},
};
use quintet_components::{lane::Lane, waker::NodeWaker};
use tokio::sync::oneshot;

pub use queues::{QueueBody, ShownQueues};
pub use shown::{InspectorAppExt, ShownComponents};

use self::{
    answer::{Missing, Question},
    queues::show_queues,
    routes::routes,
    shown::show_known,
};
use crate::web::HttpRoutes;

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

/// A question, and who waits for the answer.
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
/// | [`Inspect`], a [`Lane`] of questions, [`ShownComponents`], [`ShownQueues`], [`HttpRoutes`] if it is missing | everything | [`HttpRoutes`] |
#[derive(Clone, Copy, Debug, Default)]
pub struct InspectorPlugin;

impl Plugin for InspectorPlugin {
    fn build(&self, app: &mut App) {
        let waker = app.world().resource::<NodeWaker>().clone();
        let (sender, lane) = Lane::<Asked>::new(MAX_WAITING, MAX_ANSWERS, waker);
        app.insert_resource(lane)
            .init_schedule(Inspect)
            .add_systems(Inspect, answer_questions)
            .world_mut()
            .resource_mut::<MainScheduleOrder>()
            .insert_after(Last, Inspect);
        show_known(app);
        show_queues(app);
        app.world_mut().get_resource_or_init::<HttpRoutes>().add_guarded(routes(sender));
        app.world_mut().resource_mut::<HttpRoutes>().add(routes::page());
    }

    fn finish(&self, app: &mut App) {
        let labels = app.world().resource::<MainScheduleOrder>().labels.clone();
        app.insert_resource(UpdateOrder(labels));
    }
}

/// Answers what was asked, and wakes the runner once more when some of it has to wait.
fn answer_questions(world: &World) {
    let lane = world.resource::<Lane<Asked>>();
    for Asked { question, done } in lane.drain() {
        // Who asked may have given up.
        if !done.is_closed() {
            let _ = done.send(answer::answer(world, &question));
        }
    }
    if lane.depth() > 0 {
        world.resource::<NodeWaker>().wake();
    }
}
