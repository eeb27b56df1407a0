//! A node outlives its log.

use std::{
    fs::OpenOptions,
    io::{ErrorKind, PipeReader, PipeWriter, Read, Write},
    os::fd::OwnedFd,
    process::Stdio,
};

use rustix::fs::{OFlags, fcntl_setfl};

use super::Watched;
use crate::devnet::network::{Network, Plan};

fn network(name: &str) -> Network {
    Network::make(name, Plan { nodes: 1, genesis_delay: 2, ..Plan::default() })
}

fn start(network: &Network, stderr: impl Into<Stdio>) -> Watched {
    Watched::start(network.command(Some(0)), stderr, (network.ip(), 5051).into())
}

/// A pipe that takes nothing more.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    fcntl_setfl(&writer, OFlags::NONBLOCK).expect("it can be set");
    let block = [b'\n'; 4096];
    loop {
        match writer.write(&block) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return (reader, writer),
            Err(error) => panic!("{error}"),
        }
    }
}

/// It walks its slots, and stops in order.
fn assert_lives(node: &mut Watched) {
    node.wait_for(3);
    let status = node.stop();
    assert!(status.success(), "{status}");
}

#[test]
fn a_node_outlives_the_reader_of_its_log() {
    let network = network("log-reader");
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let mut node = start(&network, OwnedFd::from(writer));
    let mut line = [0; 16];
    reader.read_exact(&mut line).expect("it logs");
    drop(reader);
    assert_lives(&mut node);
}

#[test]
fn a_node_outlives_a_full_disk_under_its_log() {
    let network = network("log-disk");
    let full = OpenOptions::new().write(true).open("/dev/full").expect("it is there");
    assert_lives(&mut start(&network, full));
}

#[test]
fn a_node_does_not_wait_for_who_does_not_read_its_log() {
    let network = network("log-waits");
    let (mut reader, writer) = full_pipe();
    fcntl_setfl(&writer, OFlags::empty()).expect("it can be set");
    let mut node = start(&network, OwnedFd::from(writer));
    node.wait_for(3);
    // What waited comes when somebody reads.
    let mut text = String::new();
    while !text.contains("slot ends") {
        let mut bytes = [0; 4096];
        let read = reader.read(&mut bytes).expect("it can be read");
        assert!(read > 0, "no line of a slot: {text}");
        text += &String::from_utf8_lossy(&bytes[..read]);
    }
    assert_lives(&mut node);
}

#[test]
fn a_node_that_nobody_reads_stops_when_it_is_asked_to() {
    let network = network("log-stops");
    let (_reader, writer) = full_pipe();
    fcntl_setfl(&writer, OFlags::empty()).expect("it can be set");
    assert_lives(&mut start(&network, OwnedFd::from(writer)));
}

#[test]
fn a_node_goes_on_when_another_process_has_made_its_log_non_blocking() {
    let network = network("log-non-blocking");
    let (mut reader, writer) = full_pipe();
    let mut node = start(&network, OwnedFd::from(writer));
    node.wait_for(3);
    let mut text = String::new();
    while !text.contains("slot ends") {
        let mut bytes = [0; 4096];
        let read = reader.read(&mut bytes).expect("it can be read");
        assert!(read > 0, "no line of a slot: {text}");
        text += &String::from_utf8_lossy(&bytes[..read]);
    }
    // Every line is whole.
    let lines = text.trim_start().lines().filter(|line| line.ends_with('}'));
    for line in lines {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|error| {
            panic!("{error}: {line}");
        });
    }
    assert_lives(&mut node);
}
