//! How a node's network is set up.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use libp2p::{Multiaddr, multiaddr::Protocol};

use super::{
    bootnode::Bootnode,
    codec::{identity::KeyError, key::NodeKey},
};

/// Bootnodes of a node at most.
pub const MAX_BOOTNODES: usize = 256;
/// The text that names a network in its topics unless another is given.
pub const DEFAULT_FORK_DIGEST: &str = "12345678";
/// Attestation subnets of a network at most.
pub const MAX_COMMITTEES: u64 = 64;

/// How long a peer stays banned unless another time is given.
pub(crate) const BAN_TIME: Duration = Duration::from_secs(3600);

/// How a node's network is set up.
#[derive(Clone, Debug)]
pub struct NetworkConfig {
    /// The node's identity.
    pub key: NodeKey,
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The address that others reach the node at, for its record; the listening address, unless
    /// that is every address, when absent.
    pub external_ip: Option<IpAddr>,
    /// Names the network in its topics.
    pub fork_digest: String,
    /// Whom to connect to, and to connect to again when lost. At most [`MAX_BOOTNODES`].
    pub bootnodes: Vec<Bootnode>,
    /// How many attestation subnets there are: 1 to [`MAX_COMMITTEES`].
    pub committee_count: u64,
    /// The subnets to subscribe to at first.
    pub subnets: Vec<u64>,
    /// Connected peers at most. Those that this node called itself may be half as many again, so
    /// that a full node still reaches its bootnodes.
    pub max_peers: u32,
    /// How long a peer stays banned.
    pub ban_time: Duration,
    /// Waits between attempts to reach a bootnode.
    pub redial: Redial,
    /// How long requests may take.
    pub timeouts: Timeouts,
    /// Bytes on the wire of one answer to a peer at most. Its first block is sent however long it is,
    /// so that whoever asks for fewer gets on.
    pub answer_bytes: usize,
    /// How much a peer may ask for.
    pub rates: Rates,
    /// What the node calls itself.
    pub agent: String,
}

impl NetworkConfig {
    /// A node with this identity on every IPv4 address, with the defaults of today's devnets.
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

    /// Where to listen, as a multiaddr.
    pub(super) fn listen_address(&self) -> Multiaddr {
        Multiaddr::from(self.listen.ip())
            .with(Protocol::Udp(self.listen.port()))
            .with(Protocol::QuicV1)
    }

    /// What is wrong with it.
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
            return wrong(format!("{:?} is no fork digest", self.fork_digest));
        }
        Ok(())
    }
}

/// Why the network cannot start.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The library takes the key for none.
    #[error("the node key is none: {0}")]
    Secret(#[from] KeyError),
    /// The configuration contradicts itself.
    #[error("network configuration: {0}")]
    Config(String),
    /// The address cannot be listened on.
    #[error("cannot listen on {address} for QUIC: {error}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        error: String,
    },
    /// The thread or its runtime cannot be started.
    #[error("cannot start the network's thread: {0}")]
    Thread(String),
}

/// Waits between attempts to reach a bootnode. Each wait is twice the one before it, give or take
/// a quarter, so that nodes that lost the same bootnode do not come back at once.
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

/// How long requests may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Until the next chunk of an answer is whole, until a request is whole, until a peer takes a
    /// chunk, and until the world has decided what to answer.
    pub progress: Duration,
    /// Until a whole answer is there, or has been taken by the peer that asked, however steadily it
    /// comes or goes.
    pub total: Duration,
    /// Until the world has judged a gossip message. Gossip may forget it after five heartbeats.
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

/// So much at once, and so much a second after it.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// How much a peer that has been quiet may take at once.
    pub burst: f64,
    /// How much more it may take every second.
    pub per_second: f64,
}

/// How much each peer may ask for, and hand on. Statuses count one each, blocks as many as were
/// asked for, at least one.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// Statuses.
    pub status: Rate,
    /// Blocks by root.
    pub blocks_by_root: Rate,
    /// Blocks by range.
    pub blocks_by_range: Rate,
    /// Blocks that it hands on over gossip, each copy counted; those beyond are dropped before they are
    /// read, as are aggregates and attestations, and a copy of another peer counts still.
    pub gossip_blocks: Rate,
    /// Aggregates.
    pub aggregates: Rate,
    /// Single votes.
    pub votes: Rate,
}

impl Rates {
    /// Those of requests, by the number of their kind.
    pub(crate) const fn requests(&self) -> [Rate; 3] {
        [self.status, self.blocks_by_root, self.blocks_by_range]
    }

    /// Those of gossip: blocks, aggregates, attestations.
    pub(crate) const fn gossip(&self) -> [Rate; 3] {
        [self.gossip_blocks, self.aggregates, self.votes]
    }
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            status: Rate { burst: 16.0, per_second: 2.0 },
            blocks_by_root: Rate { burst: 2048.0, per_second: 256.0 },
            blocks_by_range: Rate { burst: 8192.0, per_second: 1024.0 },
            // There is one block a slot, and forks have more.
            gossip_blocks: Rate { burst: 128.0, per_second: 8.0 },
            // Of 64 subnets sixteen each, every slot.
            aggregates: Rate { burst: 2048.0, per_second: 256.0 },
            // A full registry votes 4096 times in a slot: twice that, and at once.
            votes: Rate { burst: 8192.0, per_second: 2048.0 },
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
            wrong("\"a/b\" is no fork digest")
        );
        let node: Bootnode = "/ip4/127.0.0.1/udp/9/quic-v1".parse().expect("an address");
        let mut config = NetworkConfig::new(key(1));
        config.bootnodes = vec![node; MAX_BOOTNODES + 1];
        assert!(config.check().is_err());
    }
}
