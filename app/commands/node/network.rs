//! Where the node is and whom it talks to.

use std::net::{IpAddr, Ipv4Addr};

use quintet_components::{aggregation::AggregationConfig, containers::ValidatorIndex};
use quintet_plugins::{HttpConfig, NetworkConfig, http::AdminToken, network::NodeKey};

use super::{Failure, files::Files};
use crate::cli::NodeArgs;

/// Ports when neither settings nor files name one.
const QUIC_PORT: u16 = 9000;
const API_PORT: u16 = 5052;
const METRICS_PORT: u16 = 5054;

/// The variable with the token itself: as a flag, whoever lists processes would see it.
const ADMIN_TOKEN: &str = "QUINTET_ADMIN_TOKEN";

/// Where the node serves its API and its metrics: on one listener when both are the same.
pub(super) fn http(settings: &NodeArgs, files: &Files) -> Result<HttpConfig, Failure> {
    let ip = settings.http_address.unwrap_or(Ipv4Addr::LOCALHOST.into());
    let node = files.node.as_ref();
    let api = settings.api_port.or(node.and_then(|node| node.api_port));
    let metrics = settings.metrics_port.or(node.and_then(|node| node.metrics_port));
    Ok(HttpConfig {
        api: Some((ip, api.unwrap_or(API_PORT)).into()),
        metrics: Some((ip, metrics.unwrap_or(METRICS_PORT)).into()),
        admin_token: admin_token(settings)?,
        cors_origins: cors_origins(settings.cors_origins.as_deref().unwrap_or_default())?,
        ..HttpConfig::default()
    })
}

fn admin_token(settings: &NodeArgs) -> Result<Option<AdminToken>, Failure> {
    if let Ok(text) = std::env::var(ADMIN_TOKEN) {
        let token = AdminToken::new(&text).map_err(|error| format!("{ADMIN_TOKEN}: {error}"))?;
        return Ok(Some(token));
    }
    Ok(settings.admin_token_file.as_deref().map(AdminToken::read).transpose()?)
}

/// Each is `*`, or a scheme and an authority, as browsers send them.
fn cors_origins(named: &[String]) -> Result<Vec<String>, Failure> {
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
        Some(wrong) => Err(format!("{wrong:?} is no origin like http://127.0.0.1:3000").into()),
        None => Ok(origins),
    }
}

/// The subnets of the node's validators, and those that an aggregator serves: these and what is asked
/// for besides, all without either.
pub(super) fn subnets(
    asked: &[u64],
    own: &[ValidatorIndex],
    committees: u64,
) -> Result<(Vec<u64>, Vec<u64>), Failure> {
    if let Some(wrong) = asked.iter().find(|subnet| **subnet >= committees) {
        return Err(format!("there is no subnet {wrong}: there are {committees}").into());
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
    config.subnets = aggregation.subscribed_subnets(is_aggregator);
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
        return Ok(key.clone());
    }
    let file = |node: &String| Some(settings.network_dir.as_ref()?.join(format!("{node}.key")));
    if let Some(path) = settings.node_id.as_ref().and_then(file).filter(|path| path.exists()) {
        return Ok(NodeKey::read(&path)?);
    }
    tracing::info!("no key for the node: a new identity");
    loop {
        // One draw in 2^127 is no key.
        if let Ok(key) = NodeKey::new(rand::random()) {
            return Ok(key);
        }
    }
}
