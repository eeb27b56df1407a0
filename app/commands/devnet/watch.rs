//! Watches the nodes through their API.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use quintet_components::constants::INTERVAL_DURATION_MS;
use quintet_plugins::WallClock;

use super::{
    folder::Devnet,
    status::{self, Condition, NodeView},
};

/// Nodes are asked so long after the start of each interval.
const ASK_AFTER_MS: u64 = 400;

/// Asks the nodes from a separate thread, so that a node that does not answer delays nothing.
pub(super) struct Watch {
    shared: Arc<Watched>,
    thread: JoinHandle<()>,
}

struct Watched {
    views: Mutex<Vec<NodeView>>,
    ended: AtomicBool,
}

impl Watched {
    fn with<T>(&self, look: impl FnOnce(&mut Vec<NodeView>) -> T) -> T {
        look(&mut self.views.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Watch {
    pub(super) fn start(devnet: &Devnet) -> Self {
        let names = devnet.nodes.iter().map(|node| NodeView::new(&node.name));
        let shared =
            Arc::new(Watched { views: Mutex::new(names.collect()), ended: AtomicBool::new(false) });
        let addresses: Vec<SocketAddr> =
            devnet.nodes.iter().map(|node| (devnet.ip, node.api_port).into()).collect();
        let (watched, genesis_ms) = (Arc::clone(&shared), devnet.genesis_time * 1000);
        let thread = std::thread::spawn(move || {
            while !watched.ended.load(Ordering::Acquire) {
                std::thread::park_timeout(until_next_ask(
                    genesis_ms,
                    WallClock::default().now_ms(),
                ));
                for (at, address) in addresses.iter().enumerate() {
                    if watched.with(|views| views[at].condition) == Condition::Paused {
                        continue;
                    }
                    let answer = status::ask(*address);
                    watched.with(|views| {
                        // It was paused in the meantime and could not answer.
                        if views[at].condition != Condition::Paused {
                            views[at].take(answer);
                        }
                    });
                }
            }
        });
        Self { shared, thread }
    }

    pub(super) fn views(&self) -> Vec<NodeView> {
        self.shared.with(|views| views.clone())
    }

    pub(super) fn set_paused(&self, node: usize, paused: bool) {
        let condition = if paused { Condition::Paused } else { Condition::Running };
        self.shared.with(|views| views[node].condition = condition);
    }

    /// Asks once more and ends.
    pub(super) fn end(self) -> Vec<NodeView> {
        self.shared.ended.store(true, Ordering::Release);
        self.thread.thread().unpark();
        // A panic there is one in a test's mock.
        let _ = self.thread.join();
        self.shared.with(std::mem::take)
    }
}

/// Until shortly after the next interval's start.
fn until_next_ask(genesis_ms: u64, now_ms: u64) -> Duration {
    let offset = (genesis_ms + ASK_AFTER_MS) % INTERVAL_DURATION_MS;
    let since = (now_ms + INTERVAL_DURATION_MS - offset) % INTERVAL_DURATION_MS;
    Duration::from_millis(INTERVAL_DURATION_MS - since)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_asked_in_the_middle_of_an_interval() {
        let genesis_ms = 1_000_500;
        for (now_ms, wait) in [(999_000, 300), (1_000_500, 400), (1_000_900, 800), (1_001_000, 700)]
        {
            assert_eq!(until_next_ask(genesis_ms, now_ms), Duration::from_millis(wait), "{now_ms}");
        }
    }
}
