//! A client made with the library, beside ordinary nodes: the example `own_client`, as it is.

use std::{
    process::Stdio,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};

use bevy_app::{App, AppExit, Last, Plugin};
use bevy_ecs::prelude::*;
use quintet::plugins::StopHandle;
use quintet_components::chain::{Finalized, Head};

use crate::devnet::network::{
    LAG_SLOTS, Network, Plan, assert_finalized_within, assert_safe, slot_of,
};

#[allow(dead_code, reason = "the test runs the client itself, and leaves out the example's `main`")]
#[path = "../../../app/examples/own_client.rs"]
mod own_client;

/// The slots of the client's head and of what it has finalized.
#[derive(Resource, Clone, Default)]
struct Seen(Arc<Mutex<(u64, u64)>>);

impl Plugin for Seen {
    fn build(&self, app: &mut App) {
        app.insert_resource(self.clone()).add_systems(Last, look);
    }
}

fn look(head: Res<Head>, finalized: Res<Finalized>, seen: Res<Seen>) {
    *seen.0.lock().unwrap_or_else(PoisonError::into_inner) = (head.0.slot, finalized.0.slot);
}

#[test]
fn an_own_client_proposes_attests_and_finalizes_beside_ordinary_nodes() {
    let network = Network::make("own-client", Plan::default());
    let nodes: Vec<_> = (0..3).map(|index| network.start(index)).collect();
    let ip = network.ip().into();
    let text = |name: &str| network.folder().join(name).display().to_string();
    let client = own_client::own_client(&text("network"), "quintet_3", &text("data-3"))
        .settings(|settings| settings.http_address = Some(ip));
    let seen = Seen::default();
    let (told, handle) = mpsc::channel::<StopHandle>();
    let run = thread::spawn({
        let seen = seen.clone();
        move || {
            let client = client.plugins(|group| group.add(seen));
            let mut app = client.build().map_err(|error| error.to_string())?;
            told.send(app.world().resource::<StopHandle>().clone()).expect("it is waited for");
            Ok::<_, String>(app.run())
        }
    });
    let Ok(handle) = handle.recv() else { panic!("it is not built: {:?}", run.join()) };
    // The guard has the data folder: a second node with the same keys does not start.
    let mut second = network.command(Some(3));
    let second = second.stdout(Stdio::null()).output().expect("the binary runs");
    assert!(!second.status.success());
    let log = String::from_utf8_lossy(&second.stderr);
    assert!(log.contains("in use by another process"), "{log}");

    network.wait_for_end(12);
    for slot in LAG_SLOTS + 1..=12 {
        assert_finalized_within(&nodes, slot, LAG_SLOTS);
    }
    assert_safe(&nodes.iter().collect::<Vec<_>>());
    for line in slot_of(&nodes, 12) {
        // No slot is empty: every fourth proposal is the client's.
        assert_eq!((line.head, line.missed, line.peers), (12, 0, 3), "{line:?}");
    }
    let (head, finalized) = *seen.0.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(head >= 12 && finalized + LAG_SLOTS >= 12, "head {head}, finalized {finalized}");
    handle.stop();
    assert_eq!(run.join().expect("it does not panic"), Ok(AppExit::Success));
}
