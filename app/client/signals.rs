//! SIGINT, SIGTERM and SIGHUP to a node.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use quintet_plugins::StopHandle;
use signal_hook::low_level;

use crate::stop_signals::{self, Wish, Wishes};

/// A node may take this long to stop after the signal.
const STOP_TIME: Duration = Duration::from_secs(5);
/// The code of a node that a second signal ends.
const FORCED: i32 = 130;

/// Signals that end the process. The first one stops the node in order; while there is no node yet,
/// it ends the process at once, which loses nothing. The second one always ends the process. A node
/// that has not stopped after 5 s is ended, because its world stands still.
#[derive(Clone)]
pub struct Signals(Arc<Shared>);

struct Shared {
    wishes: Wishes,
    node: Mutex<Option<StopHandle>>,
    /// Called before the process is ended.
    before_exit: Box<dyn Fn() + Send + Sync>,
}

impl Signals {
    /// Listens to signals from here on. `before_exit` is called before a signal ends the process: it
    /// writes what is not yet written of the log.
    ///
    /// # Errors
    /// The system has no room for handlers, or gives no thread.
    pub fn listen(before_exit: impl Fn() + Send + Sync + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            wishes: Wishes::default(),
            node: Mutex::new(None),
            before_exit: Box::new(before_exit),
        });
        let heard = Arc::clone(&shared);
        stop_signals::listen(move || heard.receive())?;
        Ok(Self(shared))
    }

    /// Makes signals stop this node from here on.
    pub fn stop(&self, node: StopHandle) {
        *self.0.node.lock().unwrap_or_else(PoisonError::into_inner) = Some(node);
    }
}

impl Shared {
    fn receive(self: &Arc<Self>) {
        match self.wishes.note(Instant::now()) {
            Wish::Stop => self.stop(),
            Wish::Echo => tracing::debug!("the signal is repeated"),
            Wish::StopNow => {
                tracing::warn!("asked to stop a second time: the node ends at once");
                self.exit(FORCED);
            }
        }
    }

    fn stop(self: &Arc<Self>) {
        let node = self.node.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(node) = &*node else {
            tracing::info!("asked to stop before the node has started: it ends");
            self.exit(0);
        };
        tracing::info!("asked to stop");
        node.stop();
        // This thread must stay free for a second signal.
        let shared = Arc::clone(self);
        let watch = thread::Builder::new().name("stop".into()).spawn(move || {
            thread::sleep(STOP_TIME);
            tracing::error!(
                "the node has not stopped within {STOP_TIME:?} of being asked to, and is ended: \
                 the next start continues from the disk"
            );
            shared.exit(1);
        });
        if let Err(error) = watch {
            tracing::error!(%error, "no thread to end the node if it does not stop");
        }
    }

    /// Ends the process. Nothing else runs: what C++ does at the end of a process would take the
    /// ground from under threads that are in `RocksDB`.
    fn exit(&self, code: i32) -> ! {
        (self.before_exit)();
        low_level::exit(code)
    }
}
