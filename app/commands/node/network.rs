//! Where the node is and whom it talks to.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use quintet::network_dir;
use quintet_components::{aggregation::AggregationConfig, containers::ValidatorIndex};
use quintet_plugins::{NetworkConfig, network::NodeKey};

use super::{Failure, files::Files};
use crate::cli::NodeArgs;

/// Ports when neither settings nor files name one.
const QUIC_PORT: u16 = 9000;
const API_PORT: u16 = 5052;
const METRICS_PORT: u16 = 5054;

/// Where the node serves its API and its metrics: on one listener when both are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HttpAddresses {
    pub(super) api: SocketAddr,
    pub(super) metrics: SocketAddr,
}

impl HttpAddresses {
    pub(super) fn new(settings: &NodeArgs, files: &Files) -> Self {
        let ip = settings.http_address.unwrap_or(Ipv4Addr::LOCALHOST.into());
        let node = files.node.as_ref();
        let api = settings.api_port.or(node.and_then(|node| node.api_port));
        let metrics = settings.metrics_port.or(node.and_then(|node| node.metrics_port));
        Self {
            api: (ip, api.unwrap_or(API_PORT)).into(),
            metrics: (ip, metrics.unwrap_or(METRICS_PORT)).into(),
        }
    }
}

/// The subnets that are asked for, or those of the node's validators; all without either.
pub(super) fn subnets(
    asked: &[u64],
    own: &[ValidatorIndex],
    committees: u64,
) -> Result<Vec<u64>, Failure> {
    if let Some(wrong) = asked.iter().find(|subnet| **subnet >= committees) {
        return Err(format!("there is no subnet {wrong}: there are {committees}").into());
    }
    let mut subnets = asked.to_vec();
    if asked.is_empty() {
        subnets.extend(own.iter().map(|index| index % committees));
    }
    subnets.sort_unstable();
    subnets.dedup();
    Ok(subnets)
}

pub(super) fn network(
    settings: &NodeArgs,
    files: &Files,
    aggregation: &AggregationConfig,
    is_aggregator: bool,
) -> Result<NetworkConfig, Failure> {
    let mut config = NetworkConfig::new(node_key(settings, files)?);
    let own_ip = files.node.as_ref().and_then(|node| node.ip);
    let default_ip = own_ip.filter(IpAddr::is_loopback).unwrap_or(Ipv4Addr::UNSPECIFIED.into());
    let port = settings.gossipsub_port.or(files.node.as_ref().and_then(|node| node.quic_port));
    config.listen =
        (settings.listen_address.unwrap_or(default_ip), port.unwrap_or(QUIC_PORT)).into();
    config.external_ip = own_ip;
    if let Some(digest) = &settings.fork_digest {
        config.fork_digest.clone_from(digest);
    }
    config.committee_count = aggregation.committee_count;
    if is_aggregator {
        config.subnets = aggregation.expected_subnets();
    }
    for text in &files.bootnodes {
        config.bootnodes.push(text.parse().map_err(|error| format!("bootnode {text}: {error}"))?);
    }
    Ok(config)
}

/// The key that is named, the one of `validator-config.yaml`, the one of the folder, or a new one.
fn node_key(settings: &NodeArgs, files: &Files) -> Result<NodeKey, Failure> {
    if let Some(path) = &settings.node_key {
        return Ok(NodeKey::read(path)?);
    }
    if let Some(key) = files.node.as_ref().and_then(|node| node.key.as_ref()) {
        return Ok(NodeKey::from(*key.bytes()));
    }
    let file = |node: &String| Some(settings.network_dir.as_ref()?.join(format!("{node}.key")));
    if let Some(path) = settings.node_id.as_ref().and_then(file).filter(|path| path.exists()) {
        return Ok(NodeKey::read(&path)?);
    }
    tracing::info!("no key for the node: a new identity");
    loop {
        // One draw in 2^127 is no key.
        if let Ok(key) = network_dir::NodeKey::new(rand::random()) {
            return Ok(NodeKey::from(*key.bytes()));
        }
    }
}
