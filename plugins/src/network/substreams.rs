//! Raw substreams of connections, one for each request.
//!
//! `libp2p-stream` does the same in general, but keeps a sender for every past connection, drops a
//! substream if another one has not been accepted yet, and dials peers by itself.

use std::{
    collections::{HashMap, VecDeque},
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll, Waker},
};

use futures::channel::oneshot;
use libp2p::{
    Multiaddr, PeerId, Stream, StreamProtocol,
    core::{
        Endpoint,
        transport::PortUse,
        upgrade::{InboundUpgrade, OutboundUpgrade, UpgradeInfo},
    },
    swarm::{
        ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm,
        NetworkBehaviour, NotifyHandler, StreamUpgradeError, SubstreamProtocol, THandler,
        THandlerInEvent, THandlerOutEvent, ToSwarm,
        handler::{
            ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
        },
    },
};

/// The protocols of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RequestKind {
    /// Status.
    Status,
    /// Blocks by root.
    BlocksByRoot,
    /// Blocks by range.
    BlocksByRange,
}

impl RequestKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Status, Self::BlocksByRoot, Self::BlocksByRange];

    /// The protocol's name.
    pub const fn protocol(self) -> StreamProtocol {
        StreamProtocol::new(match self {
            Self::Status => "/leanconsensus/req/status/1/ssz_snappy",
            Self::BlocksByRoot => "/leanconsensus/req/blocks_by_root/1/ssz_snappy",
            Self::BlocksByRange => "/leanconsensus/req/blocks_by_range/1/ssz_snappy",
        })
    }

    fn of(protocol: &StreamProtocol) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.protocol() == *protocol)
    }
}

/// The reason there is no substream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OpenError {
    /// The peer does not support the protocol.
    Unsupported,
    /// The connection failed, or took too long.
    Broken,
}

/// A substream that a peer opened.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) peer: PeerId,
    pub(super) kind: RequestKind,
    pub(super) stream: Stream,
}

/// Opens substreams to connected peers and returns those that peers open. The caller limits their
/// number.
#[derive(Debug, Default)]
pub(super) struct Substreams {
    /// The connections of each peer, the newest last: a peer that reconnected may still have its
    /// old one.
    connections: HashMap<PeerId, Vec<ConnectionId>>,
    events: VecDeque<ToSwarm<Opened, Open>>,
    waker: Option<Waker>,
}

/// A request for a substream on a connection.
#[derive(Debug)]
pub(super) struct Open {
    kind: RequestKind,
    reply: oneshot::Sender<Result<Stream, OpenError>>,
}

impl Substreams {
    /// Opens a substream to a peer. The receiver ends without an answer if the peer is not
    /// connected.
    pub(super) fn open(
        &mut self,
        peer: PeerId,
        kind: RequestKind,
    ) -> oneshot::Receiver<Result<Stream, OpenError>> {
        let (reply, receiver) = oneshot::channel();
        if let Some(newest) = self.connections.get(&peer).and_then(|all| all.last()) {
            self.events.push_back(ToSwarm::NotifyHandler {
                peer_id: peer,
                handler: NotifyHandler::One(*newest),
                event: Open { kind, reply },
            });
            if let Some(waker) = self.waker.take() {
                waker.wake();
            }
        }
        receiver
    }
}

impl NetworkBehaviour for Substreams {
    type ConnectionHandler = Handler;
    type ToSwarm = Opened;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler::default())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler::default())
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(event) => {
                self.connections.entry(event.peer_id).or_default().push(event.connection_id);
            }
            FromSwarm::ConnectionClosed(event) => {
                if let Some(all) = self.connections.get_mut(&event.peer_id) {
                    all.retain(|id| *id != event.connection_id);
                    if all.is_empty() {
                        self.connections.remove(&event.peer_id);
                    }
                }
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        let (kind, stream) = event;
        self.events.push_back(ToSwarm::GenerateEvent(Opened { peer, kind, stream }));
    }

    fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        if let Some(event) = self.events.pop_front() {
            return Poll::Ready(event);
        }
        self.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

/// One connection's substreams.
#[derive(Default)]
pub(super) struct Handler {
    requests: VecDeque<Open>,
    opened: VecDeque<(RequestKind, Stream)>,
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Open;
    type ToBehaviour = (RequestKind, Stream);
    type InboundProtocol = Protocols;
    type OutboundProtocol = Protocols;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = oneshot::Sender<Result<Stream, OpenError>>;

    fn listen_protocol(&self) -> SubstreamProtocol<Protocols> {
        SubstreamProtocol::new(Protocols(RequestKind::ALL.to_vec()), ())
    }

    /// A connection is kept until it is closed explicitly.
    fn connection_keep_alive(&self) -> bool {
        true
    }

    fn poll(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Protocols, Self::OutboundOpenInfo, Self::ToBehaviour>> {
        if let Some(opened) = self.opened.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(opened));
        }
        if let Some(Open { kind, reply }) = self.requests.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest {
                protocol: SubstreamProtocol::new(Protocols(vec![kind]), reply),
            });
        }
        // The swarm fills both queues just before it polls.
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, request: Open) {
        self.requests.push_back(request);
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, Protocols, Protocols, (), Self::OutboundOpenInfo>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol, ..
            }) => self.opened.push_back(protocol),
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol: (_, stream),
                info: reply,
            }) => _ = reply.send(Ok(stream)),
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info: reply, error }) => {
                let error = match error {
                    StreamUpgradeError::NegotiationFailed => OpenError::Unsupported,
                    _ => OpenError::Broken,
                };
                _ = reply.send(Err(error));
            }
            _ => {}
        }
    }
}

/// Negotiates one of these protocols and leaves the rest of the substream alone.
#[derive(Clone, Debug)]
pub(super) struct Protocols(Vec<RequestKind>);

impl UpgradeInfo for Protocols {
    type Info = StreamProtocol;
    type InfoIter = std::vec::IntoIter<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0.iter().map(|kind| kind.protocol()).collect::<Vec<_>>().into_iter()
    }
}

impl InboundUpgrade<Stream> for Protocols {
    type Output = (RequestKind, Stream);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, protocol: StreamProtocol) -> Self::Future {
        ready(Ok((RequestKind::of(&protocol).expect("one of those offered"), stream)))
    }
}

impl OutboundUpgrade<Stream> for Protocols {
    type Output = (RequestKind, Stream);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_outbound(self, stream: Stream, protocol: StreamProtocol) -> Self::Future {
        ready(Ok((RequestKind::of(&protocol).expect("the one asked for"), stream)))
    }
}
