//! The shared state of request tasks, and their reports to the network's loop.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use libp2p::PeerId;
use quintet_components::{
    lane::LaneSender,
    network::{Answer, InboundRequestId, RequestEvent, RequestFailure, RequestId, RequestReceived},
    storage::Blocks,
};
use tokio::sync::{mpsc, oneshot};

use super::{config::Timeouts, counters::Counters, serve::Outcome, substreams::RequestKind};

/// The number of reports that may wait for the loop; tasks then wait.
pub(super) const MAX_REPORTS: usize = 1024;

/// The shared state of tasks.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) events: LaneSender<RequestEvent>,
    pub(super) received: LaneSender<RequestReceived>,
    pub(super) counters: Arc<Counters>,
    pub(super) timeouts: Timeouts,
    /// The largest answer in bytes, except for its first block.
    pub(super) answer_bytes: usize,
    /// The store of served blocks. Set once all plugins are built.
    pub(super) blocks: Arc<OnceLock<Blocks>>,
    pub(super) answers: Answers,
    pub(super) reports: mpsc::Sender<Report>,
}

impl Shared {
    /// Reports to the loop. When the node stops, nobody listens any more.
    pub(super) async fn report(&self, report: Report) {
        let _ = self.reports.send(report).await;
    }
}

/// A report of a task to the loop.
#[derive(Debug)]
pub(super) enum Report {
    /// A request of this node has ended.
    Asked { id: RequestId, peer: PeerId, kind: RequestKind, result: Result<(), RequestFailure> },
    /// A request of a peer has ended.
    Served { peer: PeerId, kind: RequestKind, outcome: Outcome },
}

/// Requests of peers that wait for the world's answer. There are at most as many as are served.
#[derive(Clone, Debug, Default)]
pub(super) struct Answers(Arc<Mutex<HashMap<InboundRequestId, oneshot::Sender<Answer>>>>);

impl Answers {
    /// Waits for this request's answer, until the guard is dropped.
    pub(super) fn wait(&self, id: InboundRequestId) -> (oneshot::Receiver<Answer>, AnswerGuard) {
        let (sender, receiver) = oneshot::channel();
        self.with(|waiting| waiting.insert(id, sender));
        (receiver, AnswerGuard { answers: self.clone(), id })
    }

    /// Passes on the world's answer. If it is too late, nobody waits for it.
    pub(super) fn give(&self, id: InboundRequestId, answer: Answer) {
        if let Some(sender) = self.with(|waiting| waiting.remove(&id)) {
            let _ = sender.send(answer);
        }
    }

    fn with<T>(
        &self,
        act: impl FnOnce(&mut HashMap<InboundRequestId, oneshot::Sender<Answer>>) -> T,
    ) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Stops waiting when dropped.
#[derive(Debug)]
pub(super) struct AnswerGuard {
    answers: Answers,
    id: InboundRequestId,
}

impl Drop for AnswerGuard {
    fn drop(&mut self) {
        self.answers.with(|waiting| waiting.remove(&self.id));
    }
}
