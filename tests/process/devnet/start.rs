//! The log of a node at its start, and its errors when it cannot start.

use std::{
    net::UdpSocket,
    process::{Output, Stdio},
};

use crate::devnet::network::{Network, Plan};

/// Runs the network's node with these flags until it ends by itself.
fn failed(network: &Network, flags: &[&str]) -> String {
    let mut command = network.command(Some(0));
    let run = command.args(flags).stdout(Stdio::null()).stderr(Stdio::piped());
    let Output { status, stderr, .. } = run.output().expect("the binary runs");
    let text = String::from_utf8(stderr).expect("text");
    assert!(!status.success(), "{text}");
    text
}

fn network(name: &str) -> Network {
    Network::make(name, Plan { nodes: 1, genesis_delay: 60, ..Plan::default() })
}

fn last_line(text: &str) -> &str {
    text.trim_end().lines().last().unwrap_or_default()
}

fn assert_says(line: &str, parts: &[&str]) {
    for part in parts {
        assert!(line.contains(part), "no {part:?} in {line:?}");
    }
}

#[test]
fn a_port_that_is_taken_ends_the_start_with_the_address_and_the_reason() {
    let network = network("taken");
    let taken = UdpSocket::bind((network.ip(), 0)).expect("a free port");
    let address = taken.local_addr().expect("bound");
    let text = failed(&network, &["--gossipsub-port", &address.port().to_string()]);
    let parts = ["does not start", &address.to_string(), "in use", "--gossipsub-port"];
    assert_says(last_line(&text), &parts);
    assert!(!text.contains("slot ends"), "{text}");
}

#[test]
fn an_address_that_is_not_here_ends_the_start_with_the_reason() {
    let text = failed(&network("elsewhere"), &["--listen-address", "192.0.2.1"]);
    let parts = ["does not start", "192.0.2.1:", "no such address", "--listen-address"];
    assert_says(last_line(&text), &parts);
}

#[test]
fn an_http_port_that_is_taken_ends_the_start_with_the_address_and_the_reason() {
    let network = network("taken-http");
    let taken = std::net::TcpListener::bind((network.ip(), 0)).expect("a free port");
    let address = taken.local_addr().expect("bound");
    let text = failed(&network, &["--api-port", &address.port().to_string()]);
    assert_says(last_line(&text), &["does not start", &address.to_string(), "in use"]);
}

#[test]
fn bootnodes_that_are_none_are_refused_by_what_they_are() {
    let network = network("bootnodes");
    let cases: [(&str, &[&str]); 8] = [
        ("/dns4/node.example/udp/9000/quic-v1", &["node.example", "names are not resolved"]),
        ("/dns6/node.example/udp/9000/quic-v1", &["node.example", "names are not resolved"]),
        ("/ip4/127.0.0.1/tcp/9000", &["/ip4/127.0.0.1/tcp/9000", "not a QUIC address"]),
        ("no-such-file.yaml", &["no-such-file.yaml", "there is no file"]),
        (",", &["--bootnodes: ", "entry 1 of 2 is empty", "`none`"]),
        ("none,", &["--bootnodes: ", "entry 2 of 2 is empty"]),
        ("", &["--bootnodes: ", "entry 1 of 1 is empty"]),
        ("127.0.0.1:9000", &["/ip4/127.0.0.1/udp/9000/quic-v1"]),
    ];
    for (bootnode, parts) in cases {
        assert_says(last_line(&failed(&network, &["--bootnodes", bootnode])), parts);
    }
}

#[test]
fn a_node_without_anybody_to_call_says_what_helps() {
    let network = network("lonely");
    let mut node = network.start_with(0, &["--bootnodes", "none"]);
    node.wait_for("listening");
    assert_says(&node.log(), &["no bootnodes", "--bootnodes"]);
}

#[test]
fn bootnodes_that_cannot_be_called_from_here_are_warned_of() {
    let network = network("families");
    let mut node = network.start_with(0, &["--bootnodes", "/ip6/::1/udp/9/quic-v1"]);
    node.wait_for("listening");
    assert_says(&node.log(), &["no bootnode can be dialled", "IPv6", "--listen-address ::"]);
}
