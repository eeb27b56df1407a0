//! The thread of the network.

use std::{
    sync::{Arc, OnceLock, mpsc as std_mpsc},
    thread,
    time::Duration,
};

use bevy_ecs::prelude::Resource;
use quintet_components::{
    messages::{InputId, Verdict},
    network::NetworkCommand,
    storage::Blocks,
};
use tokio::sync::mpsc;

use super::{
    LocalNode, Measures, NetworkConfig, NetworkError, codec::identity, counters::Counters,
    gossip::Content, node::Node,
};
use crate::{InboundLanes, open_files, vital::Vital};

/// The number of messages of the world that may wait for the thread.
const MAX_OUTBOUND: usize = 16_384;
/// The number of threads that read served blocks.
const MAX_READERS: usize = 4;
/// The longest time that the thread may take to listen.
const START_TIME: Duration = Duration::from_secs(10);
/// The longest time that the thread may take to end.
const STOP_TIME: Duration = Duration::from_secs(1);
/// The longest time by which running disk reads may delay the end.
const READERS_STOP_TIME: Duration = Duration::from_millis(200);

fn no_thread(error: &std::io::Error) -> NetworkError {
    NetworkError::Thread(format!("{error}{}", open_files::remedy(error)))
}

/// A message of the world to the network.
#[derive(Debug)]
pub(super) enum Outbound {
    Publish(Content),
    Verdict(InputId, Verdict),
    Command(NetworkCommand),
    /// Ends the thread with a panic, for tests.
    #[cfg(test)]
    Panic,
}

/// The running thread. It ends when this is dropped.
#[derive(Resource)]
pub(crate) struct NetworkThread {
    outbound: Option<mpsc::Sender<Outbound>>,
    /// Disconnected when the thread ends.
    ended: std::sync::Mutex<std_mpsc::Receiver<()>>,
    counters: Arc<Counters>,
}

impl NetworkThread {
    /// Passes a message on, or drops and counts it if there is no room. Never blocks.
    pub(super) fn send(&self, outbound: Outbound) -> bool {
        let sender = self.outbound.as_ref().expect("there until it is dropped");
        let sent = sender.try_send(outbound).is_ok();
        if !sent {
            self.counters.outbound_dropped.increment();
        }
        sent
    }
}

#[cfg(test)]
impl NetworkThread {
    /// The handle of a thread that reads nothing.
    pub(super) fn unheard(counters: Arc<Counters>) -> Self {
        let (outbound, _) = mpsc::channel(1);
        let (_, ended) = std_mpsc::channel();
        Self { outbound: Some(outbound), ended: std::sync::Mutex::new(ended), counters }
    }
}

impl Drop for NetworkThread {
    fn drop(&mut self) {
        self.outbound = None;
        let ended = self.ended.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        if ended.recv_timeout(STOP_TIME) == Err(std_mpsc::RecvTimeoutError::Timeout) {
            tracing::warn!("the network's thread has not ended within {STOP_TIME:?}");
        }
    }
}

/// Starts the thread and waits until it listens.
pub(super) fn start(
    config: NetworkConfig,
    lanes: InboundLanes,
    measures: Measures,
    blocks: Arc<OnceLock<Blocks>>,
    vital: Vital,
) -> Result<(NetworkThread, LocalNode), NetworkError> {
    let counters = Arc::clone(&measures.counters);
    config.check()?;
    let key = identity::keypair(*config.key.bytes())?;
    open_files::check();
    let (outbound, inbox) = mpsc::channel(MAX_OUTBOUND);
    let (started, starts) = std_mpsc::sync_channel(1);
    let (ending, ended) = std_mpsc::channel::<()>();
    let run = move || {
        let _ending = ending;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(MAX_READERS)
            .thread_name("network-reader")
            .build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => {
                let _ = started.send(Err(no_thread(&error)));
                vital.dismiss();
                return;
            }
        };
        runtime.block_on(async {
            match Node::listen(&config, &key, lanes, measures, blocks).await {
                Ok((node, local)) => {
                    let _ = started.send(Ok(local));
                    let _vital = vital;
                    node.run(inbox).await;
                }
                Err(error) => {
                    let _ = started.send(Err(error));
                    vital.dismiss();
                }
            }
        });
        runtime.shutdown_timeout(READERS_STOP_TIME);
    };
    thread::Builder::new().name("network".into()).spawn(run).map_err(|error| no_thread(&error))?;
    let local = starts
        .recv_timeout(START_TIME)
        .map_err(|_| NetworkError::Thread("it does not answer".into()))??;
    let thread =
        NetworkThread { outbound: Some(outbound), ended: std::sync::Mutex::new(ended), counters };
    Ok((thread, local))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use bevy_app::App;
    use quintet_components::waker::NodeWaker;

    use super::*;
    use crate::{InboundPlugin, NetworkPlugin, StopPlugin};

    /// A timeout for a thread of this test.
    const PATIENCE: Duration = Duration::from_secs(60);

    #[test]
    fn a_thread_that_has_panicked_ends_the_node_with_an_error() {
        let mut app = App::new();
        let (waker, _wakes) = NodeWaker::new();
        let key = crate::network::NodeKey::new([7; 32]).expect("it is a key");
        let config =
            NetworkConfig { listen: ([127, 0, 0, 1], 0).into(), ..NetworkConfig::new(key) };
        app.insert_resource(waker);
        app.add_plugins((StopPlugin, InboundPlugin, NetworkPlugin { config }));
        assert!(app.world().resource::<NetworkThread>().send(Outbound::Panic));
        let begin = Instant::now();
        while app.should_exit().is_none() {
            assert!(begin.elapsed() < PATIENCE, "nobody noticed");
            app.update();
        }
        assert!(app.should_exit().is_some_and(|exit| exit.is_error()));
    }
}
