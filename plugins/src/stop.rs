//! Ends a node: on request, or because it cannot continue.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bevy_app::{App, AppExit, Plugin, PostUpdate};
use bevy_ecs::prelude::*;
use quintet_components::{schedule::NodeSystems, waker::NodeWaker};

use crate::{
    needs::{Need, has_all},
    vital::VitalThreads,
};

/// Asks the node to stop, for example from a signal handler's thread.
#[derive(Resource, Clone, Debug)]
pub struct StopHandle {
    asked: Arc<AtomicBool>,
    waker: NodeWaker,
}

impl StopHandle {
    /// Asks the node to stop. Returns true the first time.
    pub fn stop(&self) -> bool {
        let first = !self.asked.swap(true, Ordering::AcqRel);
        self.waker.wake();
        first
    }
}

/// Ends the app after [`StopHandle::stop`] was called: the current update is finished, then
/// `Shutdown` runs. Ends it with an error if the thread of the network, of HTTP or of the storage's
/// writer has ended, because the node is useless without it.
///
/// | inserts | reads | writes |
/// | --- | --- | --- |
/// | [`StopHandle`], the threads that are watched | [`NodeWaker`], those threads | [`AppExit`], the log |
#[derive(Debug)]
pub struct StopPlugin;

impl Plugin for StopPlugin {
    fn build(&self, app: &mut App) {
        if !has_all(app, "StopPlugin", &[Need::resource::<NodeWaker>("RunnerPlugin")]) {
            return;
        }
        let waker = app.world().resource::<NodeWaker>().clone();
        app.insert_resource(StopHandle { asked: Arc::default(), waker }).add_systems(
            PostUpdate,
            (exit_when_asked, exit_without_thread).chain().in_set(NodeSystems::Measure),
        );
        VitalThreads::of(app.world_mut());
    }
}

fn exit_when_asked(handle: Res<StopHandle>, mut exits: MessageWriter<AppExit>) {
    if handle.asked.load(Ordering::Acquire) {
        exits.write(AppExit::Success);
    }
}

fn exit_without_thread(threads: Res<VitalThreads>, mut exits: MessageWriter<AppExit>) {
    if let Some(ended) = threads.ended() {
        let how = if ended.has_panicked { "by a panic" } else { "by itself" };
        tracing::error!(
            thread = ended.name,
            "the {} thread has ended {how}: the node ends, because it does nothing useful without",
            ended.name
        );
        exits.write(AppExit::error());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_vital_thread_ends_the_app_with_an_error_also_one_that_stops() {
        let mut app = App::new();
        let (waker, _wakes) = NodeWaker::new();
        app.insert_resource(waker).add_plugins(StopPlugin);
        app.update();
        assert_eq!(app.should_exit(), None);
        drop(VitalThreads::of(app.world_mut()).watch("example"));
        app.world().resource::<StopHandle>().stop();
        app.update();
        assert!(app.should_exit().is_some_and(|exit| exit.is_error()));
    }
}
