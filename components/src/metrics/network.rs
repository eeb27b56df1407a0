//! Peers and gossip.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use prometheus_client::metrics::{counter::Counter, histogram::Histogram};

use super::handles::{ByName, Labelled, Registrar, WIDE_BYTES, WideHistogram};
use crate::network::{Direction, DisconnectReason};

/// Peers and gossip. Sizes are those on the wire, compressed.
#[derive(Clone, Debug)]
pub struct NetworkMetrics {
    peers: Named,
    mesh: Named,
    connections: Labelled<2, Counter>,
    disconnections: Labelled<2, Counter>,
    block_bytes: WideHistogram,
    vote_bytes: Histogram,
    aggregate_bytes: WideHistogram,
}

/// How an attempt to connect ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionResult {
    /// The connection is up.
    Success,
    /// Nobody answered in time.
    Timeout,
    /// It was refused, or broke.
    Error,
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisconnectKind {
    /// The peer fell silent.
    Timeout,
    /// The peer closed it.
    RemoteClose,
    /// This node closed it.
    LocalClose,
    /// It broke.
    Error,
}

impl ConnectionResult {
    const ALL: [Self; 3] = [Self::Success, Self::Timeout, Self::Error];

    const fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Timeout => "timeout",
            Self::Error => "error",
        }
    }
}

impl DisconnectKind {
    const ALL: [Self; 4] = [Self::Timeout, Self::RemoteClose, Self::LocalClose, Self::Error];

    /// The kind of a reason. A transport tells of a timeout in words only.
    pub fn of(reason: &DisconnectReason) -> Self {
        match reason {
            DisconnectReason::ClosedByPeer => Self::RemoteClose,
            DisconnectReason::ConnectionLost(words) => {
                let words = words.to_ascii_lowercase();
                let is_timeout =
                    ["timed out", "timeout", "keep-alive"].iter().any(|sign| words.contains(sign));
                if is_timeout { Self::Timeout } else { Self::Error }
            }
            DisconnectReason::TooManyPeers
            | DisconnectReason::WrongChain
            | DisconnectReason::LowScore
            | DisconnectReason::Banned
            | DisconnectReason::Incompatible
            | DisconnectReason::SilentMesh
            | DisconnectReason::Shutdown => Self::LocalClose,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::RemoteClose => "remote_close",
            Self::LocalClose => "local_close",
            Self::Error => "error",
        }
    }
}

const DIRECTIONS: [Direction; 2] = [Direction::Inbound, Direction::Outbound];

/// A direction's label value.
pub const fn direction_label(direction: Direction) -> &'static str {
    match direction {
        Direction::Inbound => "inbound",
        Direction::Outbound => "outbound",
    }
}

fn connection_labels(
    direction: Direction,
    result: ConnectionResult,
) -> [(&'static str, &'static str); 2] {
    [("direction", direction_label(direction)), ("result", result.name())]
}

fn disconnect_labels(
    direction: Direction,
    kind: DisconnectKind,
) -> [(&'static str, &'static str); 2] {
    [("direction", direction_label(direction)), ("reason", kind.name())]
}

impl NetworkMetrics {
    pub(super) fn register(r: &mut Registrar<'_>) -> Self {
        let connections = DIRECTIONS.into_iter().flat_map(|direction| {
            ConnectionResult::ALL.map(|result| connection_labels(direction, result))
        });
        let disconnections = DIRECTIONS.into_iter().flat_map(|direction| {
            DisconnectKind::ALL.map(|kind| disconnect_labels(direction, kind))
        });
        Self {
            peers: Named::new(
                r.gauges_by_name("lean_connected_peers", "Connected peers by their names"),
            ),
            mesh: Named::new(
                r.gauges_by_name("lean_gossip_mesh_peers", "Peers in a gossip mesh by their names"),
            ),
            connections: r.counters(
                "lean_peer_connection_events_total",
                "Attempts to connect, by who made them and how they ended",
                connections,
            ),
            disconnections: r.counters(
                "lean_peer_disconnection_events_total",
                "Connections that ended, by who had made them and why",
                disconnections,
            ),
            block_bytes: r.twins(
                "lean_gossip_block_size_bytes",
                "Sizes of blocks from gossip, compressed",
                &[
                    10_000.0,
                    50_000.0,
                    100_000.0,
                    250_000.0,
                    500_000.0,
                    1_000_000.0,
                    2_000_000.0,
                    5_000_000.0,
                ],
                WIDE_BYTES,
            ),
            vote_bytes: r.histogram(
                "lean_gossip_attestation_size_bytes",
                "Sizes of votes from gossip, compressed",
                &[512.0, 1024.0, 2048.0, 4096.0, 8192.0, 16_384.0],
            ),
            aggregate_bytes: r.twins(
                "lean_gossip_aggregation_size_bytes",
                "Sizes of aggregates from gossip, compressed",
                &[1024.0, 4096.0, 16_384.0, 65_536.0, 131_072.0, 262_144.0, 524_288.0, 1_048_576.0],
                WIDE_BYTES,
            ),
        }
    }

    /// The connected peers, each by its name.
    pub fn set_peers<'a>(&self, names: impl IntoIterator<Item = &'a str>) {
        self.peers.set(names);
    }

    /// The peers that are in a mesh, each by its name.
    pub fn set_mesh<'a>(&self, names: impl IntoIterator<Item = &'a str>) {
        self.mesh.set(names);
    }

    /// An attempt to connect has ended.
    pub fn note_connection(&self, direction: Direction, result: ConnectionResult) {
        self.connections.get_or_create(&connection_labels(direction, result)).inc();
    }

    /// A connection has ended.
    pub fn note_disconnection(&self, direction: Direction, reason: &DisconnectReason) {
        let labels = disconnect_labels(direction, DisconnectKind::of(reason));
        self.disconnections.get_or_create(&labels).inc();
    }

    /// A block of so many bytes came over gossip.
    pub fn note_block(&self, bytes: usize) {
        self.block_bytes.observe(size(bytes));
    }

    /// A vote of so many bytes came over gossip.
    pub fn note_attestation(&self, bytes: usize) {
        self.vote_bytes.observe(size(bytes));
    }

    /// An aggregate of so many bytes came over gossip.
    pub fn note_aggregate(&self, bytes: usize) {
        self.aggregate_bytes.observe(size(bytes));
    }
}

/// Peers by their names: one of a name that is there is 1, one that is not is absent.
#[derive(Clone, Debug)]
struct Named {
    gauges: ByName,
    shown: Arc<Mutex<BTreeSet<String>>>,
}

impl Named {
    fn new(gauges: ByName) -> Self {
        Self { gauges, shown: Arc::default() }
    }

    fn set<'a>(&self, names: impl IntoIterator<Item = &'a str>) {
        let names: BTreeSet<String> = names.into_iter().map(ToOwned::to_owned).collect();
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if names == *shown {
            return;
        }
        for name in names.difference(&shown) {
            self.gauges.get_or_create(&[("client", name.clone())]).set(1);
        }
        for name in shown.difference(&names) {
            self.gauges.remove(&[("client", name.clone())]);
        }
        *shown = names;
    }
}

fn size(bytes: usize) -> f64 {
    bytes as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_have_their_kinds() {
        let lost =
            |words: &str| DisconnectKind::of(&DisconnectReason::ConnectionLost(words.into()));
        assert_eq!(lost("Connection timed out"), DisconnectKind::Timeout);
        assert_eq!(lost("reset by peer"), DisconnectKind::Error);
        assert_eq!(
            DisconnectKind::of(&DisconnectReason::ClosedByPeer),
            DisconnectKind::RemoteClose
        );
        assert_eq!(DisconnectKind::of(&DisconnectReason::LowScore), DisconnectKind::LocalClose);
    }
}
