//! Node records.

use quintet::network_dir::{NodeKey, NodeRecord};
use quintet_plugins::network::Bootnode;

#[test]
fn a_record_says_where_a_node_is_and_is_the_same_again() {
    for ip in ["127.0.0.1", "2001:db8::1"] {
        for port in [9001, 80, 200] {
            let key = NodeKey::new([7; 32]).expect("it is a key");
            let ip: std::net::IpAddr = ip.parse().expect("an address");
            let record = key.record(ip, port).expect("it fits");
            assert_eq!((record.ip(), record.quic_port()), (Some(ip), Some(port)));
            assert_eq!(key.record(ip, port).expect("it fits").to_string(), record.to_string());
            // A node can call it.
            let bootnode: Bootnode = record.to_string().parse().expect("a bootnode");
            let version = if ip.is_ipv4() { "ip4" } else { "ip6" };
            let address = format!("/{version}/{ip}/udp/{port}/quic-v1");
            assert_eq!(bootnode.address.to_string(), address);
            assert_eq!(bootnode.peer, Some(record.peer_id()));
            // Parsing checks the signature.
            assert_eq!(record.to_string().parse::<NodeRecord>(), Ok(record));
        }
    }
}

#[test]
fn a_record_that_was_changed_is_refused() {
    let key = NodeKey::new([7; 32]).expect("it is a key");
    let record = key.record("127.0.0.1".parse().expect("an address"), 9001).expect("it fits");
    let text = record.to_string();
    let changed: String = text
        .char_indices()
        .map(|(at, letter)| match letter {
            'A' if at > 40 => 'B',
            'B' if at > 40 => 'A',
            letter => letter,
        })
        .collect();
    assert_ne!(changed, text);
    assert!(changed.parse::<NodeRecord>().is_err());
}

#[test]
fn a_secret_stays_out_of_messages() {
    let key = NodeKey::new([7; 32]).expect("it is a key");
    assert_eq!(format!("{key:?}"), "NodeKey(…)");
    let error = format!("{}zz", "07".repeat(31)).parse::<NodeKey>().expect_err("not hex");
    assert!(!error.to_string().contains("0707"), "{error}");
    assert!(NodeKey::new([0; 32]).is_err());
    assert!(NodeKey::new([0xff; 32]).is_err());
    assert!("07".repeat(31).parse::<NodeKey>().is_err());
}
