//! Metrics of peers and gossip.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use prometheus_client::metrics::{counter::Counter, histogram::Histogram};

use super::handles::{ByName, Labelled, Registrar, WIDE_BYTES, WideHistogram};
use crate::network::{Direction, DisconnectReason};

/// Metrics of peers and gossip. Sizes are compressed, as on the wire.
#[derive(Clone, Debug)]
pub struct NetworkMetrics {
    peers: Named,
    mesh: Named,
    connections: Labelled<2, Counter>,
    disconnections: Labelled<2, Counter>,
    block_bytes: WideHistogram,
    attestation_bytes: Histogram,
    aggregate_bytes: WideHistogram,
}

/// The result of an attempt to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionResult {
    /// The connection was established.
    Success,
    /// Nobody answered in time.
    Timeout,
    /// It was refused, or failed.
    Error,
}

/// The reason a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisconnectKind {
    /// The peer no longer answered.
    Timeout,
    /// The peer closed it.
    RemoteClose,
    /// This node closed it.
    LocalClose,
    /// It failed.
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

    /// The kind of a reason. A transport reports a timeout only as text.
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
                "Attempts to connect, by direction and result",
                connections,
            ),
            disconnections: r.counters(
                "lean_peer_disconnection_events_total",
                "Connections that ended, by direction and reason",
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
            attestation_bytes: r.histogram(
                "lean_gossip_attestation_size_bytes",
                "Sizes of attestations from gossip, compressed",
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

    /// Sets the names of the connected peers.
    pub fn set_peers<'a>(&self, names: impl IntoIterator<Item = &'a str>) {
        self.peers.set(names);
    }

    /// Sets the names of the peers that are in a mesh.
    pub fn set_mesh<'a>(&self, names: impl IntoIterator<Item = &'a str>) {
        self.mesh.set(names);
    }

    /// Notes how an attempt to connect ended.
    pub fn note_connection(&self, direction: Direction, result: ConnectionResult) {
        self.connections.get_or_create(&connection_labels(direction, result)).inc();
    }

    /// Notes that a connection ended.
    pub fn note_disconnection(&self, direction: Direction, reason: &DisconnectReason) {
        let labels = disconnect_labels(direction, DisconnectKind::of(reason));
        self.disconnections.get_or_create(&labels).inc();
    }

    /// Notes that a block of this many bytes arrived by gossip.
    pub fn note_block(&self, bytes: usize) {
        self.block_bytes.observe(size(bytes));
    }

    /// Notes that an attestation of this many bytes arrived by gossip.
    pub fn note_attestation(&self, bytes: usize) {
        self.attestation_bytes.observe(size(bytes));
    }

    /// Notes that an aggregate of this many bytes arrived by gossip.
    pub fn note_aggregate(&self, bytes: usize) {
        self.aggregate_bytes.observe(size(bytes));
    }
}

/// Peers by name: a connected one has the value 1, others are absent.
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
