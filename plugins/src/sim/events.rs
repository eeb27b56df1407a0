//! The events of nodes, and the hash of all of them.

use std::sync::Arc;

use quintet_components::network::{Request, RequestEvent, RequestId};

use super::{edge::Content, port::Gossip, run::Run};

/// The content that travels between two nodes.
#[derive(Debug)]
pub(super) enum Parcel {
    Gossip(Arc<Gossip>),
    Ask(RequestId, Request),
    Reply(RequestEvent),
    /// A message is offered to a peer outside of the mesh, like `IHAVE`.
    Have(Arc<Gossip>),
}

/// An event at a node.
#[derive(Debug)]
pub(super) enum Event {
    Start,
    /// An interval or a deadline is due.
    Wake,
    Job {
        life: u32,
        job: u64,
    },
    Write {
        life: u32,
    },
    Arrive {
        from: usize,
        connection: u64,
        parcel: Parcel,
    },
    /// The node dials a peer.
    Dial {
        peer: usize,
        wait_ms: u64,
    },
    /// The node notices that a connection is gone.
    Lost {
        peer: usize,
        connection: u64,
    },
    /// Nothing gets through on a connection.
    Idle {
        peer: usize,
        connection: u64,
    },
    Expire {
        life: u32,
        request: RequestId,
    },
    Tend {
        life: u32,
    },
    /// An adversary sends a message.
    Act {
        content: Content,
        to: Vec<usize>,
    },
    /// A copy of the node's disk is made.
    Copy,
    /// A fault begins or ends.
    Fault {
        fault: usize,
        is_on: bool,
    },
}

impl Run {
    /// Adds an event to the hash of all events.
    pub(super) fn note(&mut self, node: usize, event: &Event) {
        let (kind, detail) = match event {
            Event::Start => (0, 0),
            Event::Wake => (1, 0),
            Event::Job { job, .. } => (2, *job),
            Event::Write { .. } => (3, 0),
            Event::Arrive { from, parcel, .. } => {
                self.counts.arrivals += 1;
                let (kind, detail) = match parcel {
                    Parcel::Gossip(gossip) => (0, u64::try_from(gossip.id >> 64).unwrap_or(0)),
                    Parcel::Ask(id, _) => (1, id.0),
                    Parcel::Reply(_) => (2, 0),
                    Parcel::Have(gossip) => (3, u64::try_from(gossip.id >> 64).unwrap_or(0)),
                };
                (16 + kind, detail ^ (*from as u64) << 56)
            }
            Event::Dial { peer, .. } => (4, *peer as u64),
            Event::Lost { peer, .. } => (5, *peer as u64),
            Event::Idle { peer, .. } => (6, *peer as u64),
            Event::Expire { request, .. } => (7, request.0),
            Event::Tend { .. } => (8, 0),
            Event::Act { to, .. } => (9, to.len() as u64),
            Event::Copy => (10, 0),
            Event::Fault { fault, is_on } => (11 + u64::from(*is_on), *fault as u64),
        };
        self.log.word(self.now_ms).word(node as u64).word(kind).word(detail);
    }
}
