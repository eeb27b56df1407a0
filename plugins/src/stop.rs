//! Stopping a node from outside its world.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bevy_app::{App, AppExit, Plugin, PostUpdate};
use bevy_ecs::prelude::*;
use quintet_components::{schedule::NodeSystems, waker::NodeWaker};

/// Asks the node to stop: from a signal handler's thread, for example.
#[derive(Resource, Clone, Debug)]
pub struct StopHandle {
    asked: Arc<AtomicBool>,
    waker: NodeWaker,
}

impl StopHandle {
    /// Asks. Whether it was the first time.
    pub fn stop(&self) -> bool {
        let first = !self.asked.swap(true, Ordering::AcqRel);
        self.waker.wake();
        first
    }
}

/// Ends the app once [`StopHandle::stop`] was called: the update under way is finished, then
/// `Shutdown` runs.
///
/// | inserts | reads | writes |
/// | --- | --- | --- |
/// | [`StopHandle`] | [`NodeWaker`] | [`AppExit`] |
#[derive(Debug)]
pub struct StopPlugin;

impl Plugin for StopPlugin {
    fn build(&self, app: &mut App) {
        let waker = app.world().resource::<NodeWaker>().clone();
        app.insert_resource(StopHandle { asked: Arc::default(), waker })
            .add_systems(PostUpdate, exit_when_asked.in_set(NodeSystems::Measure));
    }
}

fn exit_when_asked(handle: Res<StopHandle>, mut exits: MessageWriter<AppExit>) {
    if handle.asked.load(Ordering::Acquire) {
        exits.write(AppExit::Success);
    }
}
