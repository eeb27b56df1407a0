//! The thread of HTTP: a single one, so that requests never use more than one core, and of a lower
//! priority than the node's.

use std::{
    net::TcpListener,
    sync::{Mutex, PoisonError, mpsc as std_mpsc},
    thread,
    time::Duration,
};

use axum::Router;
use bevy_ecs::prelude::Resource;
use tokio::{sync::oneshot, task::JoinSet};

use super::{config::HttpLimits, hub::EventQueue, server};
use crate::vital::Vital;

/// The longest time that the thread may take to end.
const STOP_TIME: Duration = Duration::from_secs(1);
/// The longest time by which running reads may delay the end.
const READERS_STOP_TIME: Duration = Duration::from_millis(200);

/// The thread's niceness, from 0 to 19.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 5;

/// A listener and its routes.
pub(super) type Site = (TcpListener, Router);

/// The running thread. It ends when this is dropped.
#[derive(Resource)]
pub(crate) struct HttpThread {
    stop: Option<oneshot::Sender<()>>,
    /// Disconnected when the thread ends.
    ended: Mutex<std_mpsc::Receiver<()>>,
}

impl HttpThread {
    /// Serves these sites, and passes events to their clients.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub(super) fn start(
        sites: Vec<Site>,
        events: EventQueue,
        limits: HttpLimits,
        vital: Vital,
    ) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(limits.reads.max(1))
            .thread_name("http-reader")
            .build()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let (ending, ended) = std_mpsc::channel::<()>();
        thread::Builder::new().name("http".into()).spawn(move || {
            let (_ending, _vital) = (ending, vital);
            step_back();
            runtime.block_on(async {
                tokio::spawn(events.run());
                let mut served = JoinSet::new();
                for (listener, router) in sites {
                    served.spawn(server::serve(listener, router, limits));
                }
                tokio::select! {
                    // A message and a disconnected channel both mean the end.
                    _ = stopped => {}
                    // Serving never ends by itself: if it does, the thread has no purpose.
                    Some(_) = served.join_next() => {
                        tracing::error!("a listener of HTTP is no longer served");
                    }
                }
            });
            runtime.shutdown_timeout(READERS_STOP_TIME);
        })?;
        Ok(Self { stop: Some(stop), ended: Mutex::new(ended) })
    }
}

/// Lowers the priority, so that the node runs first if both want the same core. On Linux a thread
/// has a priority of its own, which threads that it starts inherit; elsewhere it would be the
/// process's.
fn step_back() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!(%error, "the HTTP thread keeps its priority");
    }
}

impl Drop for HttpThread {
    fn drop(&mut self) {
        self.stop = None;
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        if ended.recv_timeout(STOP_TIME) == Err(std_mpsc::RecvTimeoutError::Timeout) {
            tracing::warn!("the HTTP thread has not ended within {STOP_TIME:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::File, os::fd::OwnedFd, time::Instant};

    use bevy_ecs::prelude::World;

    use super::*;
    use crate::{
        http::hub,
        vital::{ThreadEnded, VitalThreads},
    };

    /// A timeout for a thread of this test.
    const PATIENCE: Duration = Duration::from_secs(60);

    #[test]
    fn a_listener_that_cannot_be_served_ends_the_thread_which_is_noticed() {
        let threads = VitalThreads::of(&mut World::new());
        let null: OwnedFd = File::open("/dev/null").expect("it is there").into();
        let (_announcer, events, _hub) = hub::hub();
        let sites = vec![(TcpListener::from(null), Router::new())];
        let vital = threads.watch("HTTP");
        let _thread = HttpThread::start(sites, events, HttpLimits::default(), vital);
        let begin = Instant::now();
        while threads.ended().is_none() {
            assert!(begin.elapsed() < PATIENCE, "nobody noticed");
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(threads.ended(), Some(ThreadEnded { name: "HTTP", has_panicked: false }));
    }
}
