//! From a client's parts to its app.

use std::{net::SocketAddr, sync::Arc};

use bevy_app::{App, PluginGroup};
use quintet_components::{
    aggregation::AggregationConfig, chain::IsAggregator, clock::SlotClock,
    containers::ValidatorIndex, prover::ProverLimits, snapshot::NodeIdentity,
    storage::SigningRecord,
};
use quintet_plugins::{
    EndReason, MissingPiece, NodeConfig, NodePlugins, http::LocalHttp, network::LocalNode,
};
use quintet_prover::{ProofSystem, Workers};

use super::{
    Client, ClientError, Network, OpenStore, Settings,
    anchor::anchor,
    capacity::check_capacity,
    connect::{connect, http, subnets},
    genesis_time,
    signing::{self, open_store},
};

/// Makes the configuration, edits it, and builds the plugins.
pub(super) fn build(mut client: Client) -> Result<App, ClientError> {
    let network = match client.network.take() {
        Some(network) => network,
        None => Network::read(&client.settings)?,
    };
    let open = client.open_store.take();
    let mut config = config(&client, &network, open)?;
    for change in client.configure {
        change(&mut config);
    }
    let group = NodePlugins::new(config).build();
    let group = client.edit.into_iter().fold(group, |group, edit| edit(group));
    let mut app = crate::app(group);
    if let Some(missing) = MissingPiece::of(&app) {
        return Err(missing.into());
    }
    if app.should_exit().is_some() {
        let reason = EndReason::of(app.world_mut());
        let reason = reason.get().unwrap_or("the log says what failed");
        return Err(ClientError::Boot(reason.to_owned()));
    }
    tell_addresses(&mut app);
    Ok(app)
}

/// Makes the configuration of the plugin group from the settings.
fn config(
    client: &Client,
    network: &Network,
    open: Option<OpenStore>,
) -> Result<NodeConfig, ClientError> {
    let settings = &client.settings;
    let committee_count = network.committees(settings.attestation_committee_count)?;
    let proofs = network.proofs(settings.proof_system.as_deref(), &client.proofs)?;
    genesis_time::check(network.genesis_time(), client.clock.now_ms())
        .map_err(ClientError::Network)?;
    let http = http(settings, network)?;
    let validators = network.genesis.validators.len();
    tracing::info!(
        genesis_time = network.genesis_time(),
        validators,
        preset = %network.preset,
        committee_count,
        proof_system = proofs.name(),
        "network"
    );
    let own: Vec<ValidatorIndex> = network.keys.iter().map(|keys| keys.index).collect();
    let aggregation = aggregation(settings, &own, committee_count)?;
    let is_aggregator = settings
        .is_aggregator
        .unwrap_or_else(|| network.node.as_ref().is_some_and(|node| node.is_aggregator));
    let connection = connect(settings, network, &aggregation, is_aggregator)?;
    if let Err(error) = check_capacity(validators as u64, network.preset, &*proofs) {
        tracing::warn!("{error}");
    }
    share_threads(settings)?;
    let prover = prover_limits(settings, &*proofs, validators * network.preset.signature_bytes())?;
    // Before the database is made, so that a refused start leaves nothing behind.
    let keys = signing::keys(network, client.show_keys.as_deref().map(|show| show as _))?;
    let store = open_store(settings, network, open)?;
    let now_ms = client.clock.now_ms();
    let now_slot = SlotClock::new(network.genesis_time()).current_slot(now_ms);
    let (anchor, resumed) = anchor(
        &store,
        (&network.genesis, &*proofs),
        &settings.checkpoint_sync_urls,
        (now_ms, now_slot),
    )?;
    let signing = match keys {
        None => {
            tracing::info!("no validators: the node is an observer");
            None
        }
        Some(keys) => {
            let record: Arc<dyn SigningRecord> = Arc::clone(&store) as _;
            Some(signing::signing(settings, network, (keys, record))?)
        }
    };
    let identity = NodeIdentity {
        name: settings.node_id.clone().unwrap_or_else(|| "observer".into()),
        version: env!("CARGO_PKG_VERSION").into(),
        agent: concat!("quintet/", env!("CARGO_PKG_VERSION")).into(),
        fork_digest: connection.fork_digest.clone(),
        start_time_ms: now_ms,
        validators: own,
        ..NodeIdentity::default()
    };
    Ok(NodeConfig {
        is_aggregator,
        aggregation,
        prover,
        signing,
        store: Some(store),
        resumed,
        network: Some(connection),
        http: Some(http),
        identity,
        peer_names: network.peer_names.clone(),
        clock: client.clock.clone(),
        ..NodeConfig::new(anchor, network.preset, proofs)
    })
}

fn aggregation(
    settings: &Settings,
    own: &[ValidatorIndex],
    committee_count: u64,
) -> Result<AggregationConfig, ClientError> {
    let (validator_subnets, subnets) =
        subnets(&settings.aggregate_subnet_ids, own, committee_count)?;
    Ok(AggregationConfig {
        committee_count,
        subnets,
        validator_subnets,
        ..AggregationConfig::default()
    })
}

/// Makes the threads that proofs share, if their number is set.
///
/// # Errors
/// The system has no more threads.
fn share_threads(settings: &Settings) -> Result<(), ClientError> {
    let Some(threads) = settings.prover_threads.map(usize::from) else { return Ok(()) };
    let workers = Workers::new(threads)
        .map_err(|error| ClientError::setting("prover-threads", error.to_string()))?;
    if !workers.share() {
        let there = Workers::shared().threads();
        if there != threads {
            tracing::warn!(there, asked = threads, "this process has threads for proofs already");
        }
    }
    Ok(())
}

/// Returns how many proofs the prover may make at once, and with how much memory: by default enough
/// for a proof of signatures of `signatures_bytes` and of proofs that it builds on.
///
/// # Errors
/// It has no memory for one proof.
fn prover_limits(
    settings: &Settings,
    proofs: &dyn ProofSystem,
    signatures_bytes: usize,
) -> Result<ProverLimits, ClientError> {
    let usual = ProverLimits::default();
    // Beside the signatures there are messages, and proofs to build on.
    let input_bytes = signatures_bytes.saturating_add(proofs.max_proof_bytes());
    let memory_bytes = usual.memory_bytes.max(proofs.working_bytes(input_bytes));
    let limits = ProverLimits { memory_bytes, ..usual };
    let mib = |mib: u32| usize::try_from(mib).unwrap_or(usize::MAX).saturating_mul(1 << 20);
    let memory_bytes = settings.prover_memory_mib.map_or(limits.memory_bytes, mib);
    let needed = proofs.working_bytes(proofs.max_proof_bytes());
    if settings.prover_memory_mib.is_some() && memory_bytes < needed {
        let least = needed.div_ceil(1 << 20);
        let reason = format!("a proof may need {least} MiB: give at least as much");
        return Err(ClientError::setting("prover-memory-mib", reason));
    }
    Ok(ProverLimits {
        permits: settings.prover_permits.map_or(limits.permits, usize::from),
        memory_bytes,
        ..limits
    })
}

/// Puts the addresses that the node has taken into its identity, and into the log.
fn tell_addresses(app: &mut App) {
    if let Some(local) = app.world().get_resource::<LocalNode>().cloned() {
        let is_aggregator = app.world().get_resource().is_some_and(|IsAggregator(yes)| *yes);
        let identity = app.world_mut().get_resource_mut::<NodeIdentity>();
        tracing::info!(
            address = local.address(),
            record = local.record.as_deref().unwrap_or("none"),
            is_aggregator,
            validators = ?identity.as_ref().map_or(&[][..], |identity| &identity.validators),
            "listening"
        );
        if let Some(mut identity) = identity {
            identity.peer_id = Some(local.peer.to_string());
            identity.addresses = vec![local.address()];
            identity.record = local.record;
        }
    }
    if let Some(LocalHttp { api, metrics }) = app.world().get_resource() {
        let address = |address: &Option<SocketAddr>| address.map(|address| address.to_string());
        tracing::info!(api = address(api), metrics = address(metrics), "HTTP");
    }
}
