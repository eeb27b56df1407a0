//! The thread that HTTP lives on: one, so that requests never take more than a core from the node,
//! and of a lower priority.

use std::{
    net::TcpListener,
    sync::{Mutex, PoisonError, mpsc as std_mpsc},
    thread,
    time::Duration,
};

use axum::Router;
use bevy_ecs::prelude::Resource;
use tokio::sync::oneshot;

use super::{config::HttpLimits, hub::EventQueue, server};

/// How long the thread may take to end.
const STOP_TIME: Duration = Duration::from_secs(1);
/// How long a read under way holds up the end.
const READERS_STOP_TIME: Duration = Duration::from_millis(200);

/// How far the thread steps back, from 0 to 19.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 5;

/// A listener and what it serves.
pub(super) type Site = (TcpListener, Router);

/// The running thread; it ends when this is dropped.
#[derive(Resource)]
pub(super) struct HttpThread {
    stop: Option<oneshot::Sender<()>>,
    /// Hung up when the thread ends.
    ended: Mutex<std_mpsc::Receiver<()>>,
}

impl HttpThread {
    /// Serves these sites, and brings events to their clients.
    ///
    /// # Errors
    /// The system has no thread.
    pub(super) fn start(
        sites: Vec<Site>,
        events: EventQueue,
        limits: HttpLimits,
    ) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(limits.reads.max(1))
            .thread_name("http-reader")
            .build()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let (ending, ended) = std_mpsc::channel::<()>();
        thread::Builder::new().name("http".into()).spawn(move || {
            let _ending = ending;
            step_back();
            runtime.block_on(async {
                tokio::spawn(events.run());
                for (listener, router) in sites {
                    tokio::spawn(server::serve(listener, router, limits));
                }
                // Sent to or hung up, both mean the end.
                let _ = stopped.await;
            });
            runtime.shutdown_timeout(READERS_STOP_TIME);
        })?;
        Ok(Self { stop: Some(stop), ended: Mutex::new(ended) })
    }
}

/// The node goes first where both want the same core. On Linux a thread has a priority of its own,
/// which those that it starts inherit; elsewhere it would be the process's.
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
