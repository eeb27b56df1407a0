//! The settings of a node's network.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use libp2p::{Multiaddr, multiaddr::Protocol};

use super::{
    bootnode::Bootnode,
    codec::{identity::KeyError, key::NodeKey},
};

/// The largest number of bootnodes.
pub const MAX_BOOTNODES: usize = 256;
/// The default name of the network in its topics.
pub const DEFAULT_FORK_DIGEST: &str = "12345678";
/// The largest number of attestation subnets.
pub const MAX_COMMITTEES: u64 = 64;

/// The time for which a peer stays banned unless another time is given.
pub(crate) const BAN_TIME: Duration = Duration::from_secs(3600);

/// The settings of a node's network.
#[derive(Clone, Debug)]
pub struct NetworkConfig {
    /// The node's identity.
    pub key: NodeKey,
    /// The address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The address at which others reach the node, for its record. If absent, it is the listening
    /// address, unless that means all addresses.
    pub external_ip: Option<IpAddr>,
    /// The name of the network in its topics.
    pub fork_digest: String,
    /// The peers to connect to, again after each loss. At most [`MAX_BOOTNODES`].
    pub bootnodes: Vec<Bootnode>,
    /// The number of attestation subnets: 1 to [`MAX_COMMITTEES`].
    pub committee_count: u64,
    /// The subnets to subscribe to at first.
    pub subnets: Vec<u64>,
    /// The largest number of connected peers. With outbound connections there may be half as many
    /// more, so that a full node still reaches its bootnodes.
    pub max_peers: u32,
    /// The time for which a peer stays banned.
    pub ban_time: Duration,
    /// The waits between attempts to reach a bootnode.
    pub redial: Redial,
    /// The times that requests may take.
    pub timeouts: Timeouts,
    /// The largest answer to a peer in bytes on the wire. Its first block is sent whatever its
    /// size, so that a peer that requests fewer blocks makes progress.
    pub answer_bytes: usize,
    /// The rates of a peer.
    pub rates: Rates,
    /// The agent that peers see.
    pub agent: String,
}

impl NetworkConfig {
    /// The settings of a node with this identity on every IPv4 address, with the defaults of
    /// current devnets.
    pub fn new(key: NodeKey) -> Self {
        Self {
            key,
            listen: (Ipv4Addr::UNSPECIFIED, 9000).into(),
            external_ip: None,
            fork_digest: DEFAULT_FORK_DIGEST.into(),
            bootnodes: Vec::new(),
            committee_count: quintet_components::constants::ATTESTATION_COMMITTEE_COUNT,
            subnets: Vec::new(),
            max_peers: 64,
            ban_time: BAN_TIME,
            redial: Redial::default(),
            timeouts: Timeouts::default(),
            answer_bytes: 64 << 20,
            rates: Rates::default(),
            agent: concat!("quintet/", env!("CARGO_PKG_VERSION")).into(),
        }
    }

    /// The listening address, as a multiaddr.
    pub(super) fn listen_address(&self) -> Multiaddr {
        Multiaddr::from(self.listen.ip())
            .with(Protocol::Udp(self.listen.port()))
            .with(Protocol::QuicV1)
    }

    /// The error in the settings, if any.
    pub(super) fn check(&self) -> Result<(), NetworkError> {
        let wrong = |what: String| Err(NetworkError::Config(what));
        if self.bootnodes.len() > MAX_BOOTNODES {
            return wrong(format!("{} bootnodes, at most {MAX_BOOTNODES}", self.bootnodes.len()));
        }
        if !(1..=MAX_COMMITTEES).contains(&self.committee_count) {
            return wrong(format!(
                "{} attestation committees, expected 1 to {MAX_COMMITTEES}",
                self.committee_count
            ));
        }
        if self.fork_digest.is_empty() || self.fork_digest.contains('/') {
            return wrong(format!("{:?} is not a fork digest", self.fork_digest));
        }
        Ok(())
    }
}

/// The reason the network cannot start.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The libp2p library refuses the key.
    #[error("the node key is invalid: {0}")]
    Secret(#[from] KeyError),
    /// The configuration contradicts itself.
    #[error("network configuration: {0}")]
    Config(String),
    /// The address cannot be listened on.
    #[error("cannot listen on {address} for QUIC: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The error.
        error: String,
    },
    /// The thread or its runtime cannot be started.
    #[error("cannot start the network's thread: {0}")]
    Thread(String),
}

/// The waits between attempts to reach a bootnode. Each wait is twice the previous one, plus or
/// minus a quarter, so that nodes that lost the same bootnode do not all return at the same time.
#[derive(Clone, Copy, Debug)]
pub struct Redial {
    /// The first wait.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
}

impl Default for Redial {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), longest: Duration::from_secs(60) }
    }
}

/// The times that requests may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// The time until the next chunk of an answer is complete, until a request is complete, until a
    /// peer has read a chunk, and until the world has decided on an answer.
    pub progress: Duration,
    /// The time until a whole answer has arrived, or was read by the peer, even if data flows all
    /// the time.
    pub total: Duration,
    /// The time until the world has judged a gossip message. Gossip may forget it after five
    /// heartbeats.
    pub verdict: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            progress: Duration::from_secs(10),
            total: Duration::from_secs(120),
            verdict: Duration::from_millis(3_500),
        }
    }
}

/// A token bucket: an amount at once, and an amount per second.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// The amount that a peer that has been quiet may use at once.
    pub burst: f64,
    /// The amount that is added every second.
    pub per_second: f64,
}

/// The amounts that each peer may request and forward. A status counts as one; blocks count as the
/// number requested, at least one.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// Statuses.
    pub status: Rate,
    /// Blocks by root.
    pub blocks_by_root: Rate,
    /// Blocks by range.
    pub blocks_by_range: Rate,
    /// Blocks that it forwards by gossip, counting each copy. Further ones are dropped before they
    /// are read, so that a copy from another peer is still read. The same holds for aggregates and
    /// attestations.
    pub gossip_blocks: Rate,
    /// Aggregates.
    pub aggregates: Rate,
    /// Single attestations.
    pub attestations: Rate,
}

impl Rates {
    /// The rates of requests, by the index of their kind.
    pub(crate) const fn requests(&self) -> [Rate; 3] {
        [self.status, self.blocks_by_root, self.blocks_by_range]
    }

    /// The rates of gossip: blocks, aggregates, attestations.
    pub(crate) const fn gossip(&self) -> [Rate; 3] {
        [self.gossip_blocks, self.aggregates, self.attestations]
    }
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            status: Rate { burst: 16.0, per_second: 2.0 },
            blocks_by_root: Rate { burst: 2048.0, per_second: 256.0 },
            blocks_by_range: Rate { burst: 8192.0, per_second: 1024.0 },
            // There is one block per slot, and forks have more.
            gossip_blocks: Rate { burst: 128.0, per_second: 8.0 },
            // Sixteen per slot from each of 64 subnets.
            aggregates: Rate { burst: 2048.0, per_second: 256.0 },
            // A full registry attests 4096 times per slot: twice that, and at once.
            attestations: Rate { burst: 8192.0, per_second: 2048.0 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> NodeKey {
        NodeKey::new([byte; 32]).expect("a key")
    }

    #[test]
    fn a_key_is_not_printed() {
        assert!(format!("{:?}", NetworkConfig::new(key(7))).contains("key: NodeKey(…),"));
    }

    #[test]
    fn what_contradicts_itself_is_said() {
        let check = |change: fn(&mut NetworkConfig)| {
            let mut config = NetworkConfig::new(key(1));
            change(&mut config);
            config.check().err().map(|error| error.to_string())
        };
        assert_eq!(check(|_| ()), None);
        let wrong = |what: &str| Some(format!("network configuration: {what}"));
        assert_eq!(
            check(|config| config.committee_count = 0),
            wrong("0 attestation committees, expected 1 to 64")
        );
        assert_eq!(
            check(|config| config.fork_digest = "a/b".into()),
            wrong("\"a/b\" is not a fork digest")
        );
        let node: Bootnode = "/ip4/127.0.0.1/udp/9/quic-v1".parse().expect("an address");
        let mut config = NetworkConfig::new(key(1));
        config.bootnodes = vec![node; MAX_BOOTNODES + 1];
        assert!(config.check().is_err());
    }
}
