//! Turns settings and the network's files into the node's addresses, key and bootnodes.

use std::{
    fmt::Display,
    net::{IpAddr, Ipv4Addr},
};

use quintet_components::{aggregation::AggregationConfig, containers::ValidatorIndex};
use quintet_plugins::{
    HttpConfig, NetworkConfig,
    http::AdminToken,
    network::{Bootnode, NodeKey},
};

use super::{ClientError, Network, Settings};
use crate::network_dir::existing;

/// Ports when neither settings nor files name one.
const QUIC_PORT: u16 = 9000;
const API_PORT: u16 = 5052;
const METRICS_PORT: u16 = 5054;

/// Returns the addresses of the API and of the metrics. Equal addresses share one listener.
pub(super) fn http(settings: &Settings, network: &Network) -> Result<HttpConfig, ClientError> {
    let ip = settings.http_address.unwrap_or(Ipv4Addr::LOCALHOST.into());
    let node = network.node.as_ref();
    let api = settings.api_port.or(node.and_then(|node| node.api_port));
    let metrics = settings.metrics_port.or(node.and_then(|node| node.metrics_port));
    Ok(HttpConfig {
        api: Some((ip, api.unwrap_or(API_PORT)).into()),
        metrics: Some((ip, metrics.unwrap_or(METRICS_PORT)).into()),
        admin_token: admin_token(settings)?,
        cors_origins: cors_origins(&settings.cors_origins)?,
        ..HttpConfig::default()
    })
}

fn admin_token(settings: &Settings) -> Result<Option<AdminToken>, ClientError> {
    let (None, Some(path)) = (&settings.admin_token, &settings.admin_token_file) else {
        return Ok(settings.admin_token.clone());
    };
    let token = AdminToken::read(path);
    token.map(Some).map_err(|error| ClientError::setting("admin-token-file", error))
}

/// Each is `*`, or a scheme and an authority, as browsers send them.
fn cors_origins(named: &[String]) -> Result<Vec<String>, ClientError> {
    let is_origin = |origin: &str| {
        origin == "*"
            || origin.split_once("://").is_some_and(|(scheme, authority)| {
                !scheme.is_empty()
                    && !authority.is_empty()
                    && authority.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/')
            })
    };
    let origins: Vec<String> = named.iter().map(|origin| origin.trim().to_owned()).collect();
    match origins.iter().find(|origin| !is_origin(origin)) {
        Some(wrong) => {
            let reason = format!("{wrong:?} is no origin like http://127.0.0.1:3000");
            Err(ClientError::setting("cors-origins", reason))
        }
        None => Ok(origins),
    }
}

/// The subnets of the node's validators, and those that an aggregator serves: these and what is asked
/// for besides, all without either.
pub(super) fn subnets(
    asked: &[u64],
    own: &[ValidatorIndex],
    committees: u64,
) -> Result<(Vec<u64>, Vec<u64>), ClientError> {
    if let Some(wrong) = asked.iter().find(|subnet| **subnet >= committees) {
        let last = committees.saturating_sub(1);
        let reason = format!(
            "there is no subnet {wrong}: {committees} committees have the subnets 0 to {last}"
        );
        return Err(ClientError::setting("aggregate-subnet-ids", reason));
    }
    let sorted = |mut subnets: Vec<u64>| {
        subnets.sort_unstable();
        subnets.dedup();
        subnets
    };
    let of_validators = sorted(own.iter().map(|index| index % committees).collect());
    let aggregated = sorted([of_validators.as_slice(), asked].concat());
    Ok((of_validators, aggregated))
}

/// The node's configuration of the network.
pub(super) fn connect(
    settings: &Settings,
    network: &Network,
    aggregation: &AggregationConfig,
    is_aggregator: bool,
) -> Result<NetworkConfig, ClientError> {
    let mut config = NetworkConfig::new(node_key(settings, network)?);
    let own_ip = network.node.as_ref().and_then(|node| node.ip);
    let default_ip = own_ip.filter(IpAddr::is_loopback).unwrap_or(Ipv4Addr::UNSPECIFIED.into());
    let port = settings.quic_port.or(network.node.as_ref().and_then(|node| node.quic_port));
    config.listen =
        (settings.listen_address.unwrap_or(default_ip), port.unwrap_or(QUIC_PORT)).into();
    config.external_ip = own_ip;
    if let Some(digest) = &settings.fork_digest {
        if digest.contains('/') {
            let reason = format!("{digest:?} has a slash, which topics cannot have");
            return Err(ClientError::setting("fork-digest", reason));
        }
        config.fork_digest.clone_from(digest);
    }
    config.committee_count = aggregation.committee_count;
    config.subnets = aggregation.subscribed_subnets(is_aggregator);
    let own_port = network.node.as_ref().and_then(|node| node.quic_port);
    for text in &network.bootnodes {
        let wrong = |error: &dyn Display| match settings.bootnodes {
            Some(_) => ClientError::setting("bootnodes", format!("bootnode {text}: {error}")),
            None => ClientError::Network(format!("bootnode {text}: {error}")),
        };
        let node: Bootnode = text.parse().map_err(|error| wrong(&error))?;
        check_identity(&node, own_ip.zip(own_port), &config.key.peer_id().to_string())
            .map_err(|error| wrong(&error))?;
        config.bootnodes.push(node);
    }
    Ok(config)
}

/// A bootnode at the address that the files give this node is this node.
fn check_identity(node: &Bootnode, own: Option<(IpAddr, u16)>, peer: &str) -> Result<(), String> {
    let Some((ip, port)) = own else { return Ok(()) };
    let kind = if ip.is_ipv4() { "ip4" } else { "ip6" };
    let own = format!("/{kind}/{ip}/udp/{port}/quic-v1");
    match node.peer.as_ref().map(ToString::to_string) {
        Some(other) if other != peer && node.address.to_string() == own => Err(format!(
            "it is at this node's own address {own} and has the identity {other}, and this node has \
             {peer}: one of the two files has another key"
        )),
        _ => Ok(()),
    }
}

/// The key that is named, the one of `validator-config.yaml`, the one of the folder, or a new one.
fn node_key(settings: &Settings, network: &Network) -> Result<NodeKey, ClientError> {
    if let Some(path) = &settings.node_key {
        return NodeKey::read(path).map_err(|error| ClientError::setting("node-key", error));
    }
    if let Some(key) = network.node.as_ref().and_then(|node| node.key.as_ref()) {
        return Ok(key.clone());
    }
    let file = |node: &String| Some(settings.network_dir.as_ref()?.join(format!("{node}.key")));
    if let Some(path) = settings.node_id.as_ref().and_then(file)
        && let Some(path) = existing(path)?
    {
        return Ok(NodeKey::read(&path)?);
    }
    tracing::info!("no node key: using a new identity");
    loop {
        // One draw in 2^127 is not a valid key.
        if let Ok(key) = NodeKey::new(rand::random()) {
            return Ok(key);
        }
    }
}
