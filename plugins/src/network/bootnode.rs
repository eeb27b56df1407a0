//! A peer to connect to, and its text forms.

use std::net::SocketAddr;

use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};

use super::codec::record::{NodeRecord, RecordError};

/// A peer to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bootnode {
    /// Its address.
    pub address: Multiaddr,
    /// The id that the peer must have; any if absent.
    pub peer: Option<PeerId>,
}

/// A text is not a bootnode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BootnodeError {
    /// It is an invalid node record.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// It is a multiaddr with a name.
    #[error("{0:?}: names are not resolved; give the node's IP address, or its node record")]
    Name(String),
    /// It is a multiaddr of another transport.
    #[error("{0:?} is not a QUIC address; nodes have addresses like /ip4/1.2.3.4/udp/9000/quic-v1")]
    Transport(String),
    /// It is an address and a port.
    #[error("{0:?} is not a multiaddr; write it as {1}")]
    Socket(String, Multiaddr),
    /// It looks like a path.
    #[error("there is no file {0:?}, and it is neither a node record nor a multiaddr")]
    NoFile(String),
    /// It is none of these.
    #[error("{0:?} is neither a node record nor a multiaddr like /ip4/1.2.3.4/udp/9000/quic-v1")]
    Address(String),
}

impl BootnodeError {
    /// The error for a text that is neither a node record nor a multiaddr.
    fn of_text(text: &str) -> Self {
        if let Ok(socket) = text.parse::<SocketAddr>() {
            let address = Multiaddr::from(socket.ip())
                .with(Protocol::Udp(socket.port()))
                .with(Protocol::QuicV1);
            return Self::Socket(text.to_owned(), address);
        }
        let is_multiaddr = MULTIADDR_BEGINS.iter().any(|begin| text.starts_with(begin));
        let is_path = text.contains('/') || FILE_ENDS.iter().any(|end| text.ends_with(end));
        match text {
            text if is_path && !is_multiaddr => Self::NoFile(text.to_owned()),
            text => Self::Address(text.to_owned()),
        }
    }
}

/// The beginnings of multiaddrs that could name a node.
const MULTIADDR_BEGINS: [&str; 5] = ["/ip4/", "/ip6/", "/dns", "/udp/", "/p2p/"];
/// The endings of files of bootnodes.
const FILE_ENDS: [&str; 3] = [".yaml", ".yml", ".txt"];

impl std::str::FromStr for Bootnode {
    type Err = BootnodeError;

    /// Reads a node record, or a QUIC multiaddr with or without `/p2p/…` at its end.
    fn from_str(text: &str) -> Result<Self, BootnodeError> {
        let text = text.trim();
        if text.starts_with("enr:") {
            let record = NodeRecord::parse(text)?;
            return Ok(Self { address: record.multiaddr()?, peer: Some(record.peer_id()) });
        }
        let parsed = text.parse().ok().filter(|address: &Multiaddr| !address.is_empty());
        let mut address = parsed.ok_or_else(|| BootnodeError::of_text(text))?;
        let peer = match address.iter().last() {
            Some(Protocol::P2p(peer)) => {
                address.pop();
                Some(peer)
            }
            _ => None,
        };
        match address.iter().collect::<Vec<_>>().as_slice() {
            [Protocol::Ip4(_) | Protocol::Ip6(_), Protocol::Udp(1..), Protocol::QuicV1] => {
                Ok(Self { address, peer })
            }
            [
                Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_) | Protocol::Dnsaddr(_),
                ..,
            ] => Err(BootnodeError::Name(text.to_owned())),
            _ => Err(BootnodeError::Transport(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;
    use crate::network::NodeKey;

    #[test]
    fn bootnodes_are_quic_addresses_or_records() {
        let peer = PeerId::random();
        let node: Bootnode =
            format!(" /ip4/1.2.3.4/udp/9000/quic-v1/p2p/{peer}\n").parse().expect("an address");
        assert_eq!(node.address.to_string(), "/ip4/1.2.3.4/udp/9000/quic-v1");
        assert_eq!(node.peer, Some(peer));
        let node: Bootnode = "/ip6/::1/udp/9000/quic-v1".parse().expect("an address");
        assert_eq!(node.peer, None);
        for wrong in ["", "nobody", "/ip4/1.2.3/udp/9000/quic-v1", "/ip4/1.2.3.4/udp/x/quic-v1"] {
            assert_eq!(wrong.parse::<Bootnode>(), Err(BootnodeError::Address(wrong.into())));
        }
        for wrong in ["/ip4/1.2.3.4/tcp/9000", "/ip4/1.2.3.4/udp/9000/quic", "/ip4/1.2.3.4"] {
            assert_eq!(wrong.parse::<Bootnode>(), Err(BootnodeError::Transport(wrong.into())));
        }
        for wrong in
            ["/dns4/a.example/udp/9000/quic-v1", "/dns6/a.example/udp/9/quic-v1", "/dns/a/tcp/1"]
        {
            assert_eq!(wrong.parse::<Bootnode>(), Err(BootnodeError::Name(wrong.into())));
        }
        for wrong in ["nodes.yaml", "./nodes", "/etc/quintet/nodes.yaml", "network/nodes"] {
            assert_eq!(wrong.parse::<Bootnode>(), Err(BootnodeError::NoFile(wrong.into())));
        }
        let socket = "1.2.3.4:9000".parse::<Bootnode>().expect_err("no multiaddr").to_string();
        assert!(socket.ends_with("/ip4/1.2.3.4/udp/9000/quic-v1"), "{socket}");
        for wrong in ["enr:-x", "enr:-IW4", "enr:x|y"] {
            let error = wrong.parse::<Bootnode>().expect_err("no record");
            assert!(matches!(error, BootnodeError::Record(_)), "{error}");
            assert!(error.to_string().contains("copy the whole text again"), "{error}");
        }
        for (ip, address) in [
            (Ipv4Addr::LOCALHOST.into(), "/ip4/127.0.0.1/udp/9/quic-v1"),
            (Ipv6Addr::LOCALHOST.into(), "/ip6/::1/udp/9/quic-v1"),
        ] {
            let record = NodeKey::new([1; 32]).expect("a key").record(ip, 9).expect("it is signed");
            let node: Bootnode = record.to_string().parse().expect("a record");
            assert_eq!(
                (node.address.to_string().as_str(), node.peer),
                (address, Some(record.peer_id()))
            );
        }
    }
}
