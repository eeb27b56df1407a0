//! SIGINT, SIGTERM and SIGHUP to a node.

use std::{
    process,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use quintet_plugins::StopHandle;

use crate::output;

/// How long a node may take to stop, from the signal on.
const STOP_TIME: Duration = Duration::from_secs(5);
/// The code of a node that a second signal ends.
const FORCED: i32 = 130;

/// What a signal does: the first one stops the node in order, or ends the process at once while
/// there is no node yet, which loses nothing; the second one always ends the process. A node that
/// has not stopped after [`STOP_TIME`] is ended: its world stands still.
#[derive(Clone, Default)]
pub(crate) struct NodeSignals(Arc<Shared>);

#[derive(Default)]
struct Shared {
    is_asked: AtomicBool,
    node: Mutex<Option<StopHandle>>,
}

impl NodeSignals {
    /// Listens to signals from here on.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn listen() -> Result<Self, ctrlc::Error> {
        let signals = Self::default();
        let shared = Arc::clone(&signals.0);
        ctrlc::set_handler(move || shared.receive())?;
        Ok(signals)
    }

    /// What signals stop from here on.
    pub(crate) fn stop(&self, node: StopHandle) {
        *self.0.node.lock().unwrap_or_else(PoisonError::into_inner) = Some(node);
    }
}

impl Shared {
    fn receive(&self) {
        if self.is_asked.swap(true, Ordering::AcqRel) {
            tracing::warn!("asked to stop a second time: the node ends at once");
            exit(FORCED);
        }
        let node = self.node.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(node) = &*node else {
            tracing::info!("asked to stop before the node has begun: it ends");
            exit(0);
        };
        tracing::info!("asked to stop");
        node.stop();
        // This thread has to hear a second signal.
        let watch = thread::Builder::new().name("stop".into()).spawn(|| {
            thread::sleep(STOP_TIME);
            tracing::error!(
                "the node has not stopped within {STOP_TIME:?} of being asked to, and is ended: \
                 it goes on where the disk says"
            );
            exit(1);
        });
        if let Err(error) = watch {
            tracing::error!(%error, "a node that does not stop will not be ended");
        }
    }
}

/// Ends the process, and tells before what there is to tell.
fn exit(code: i32) -> ! {
    output::settle();
    process::exit(code)
}
