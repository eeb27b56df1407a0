//! A node from settings and files.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use bevy_app::App;
use quintet::node;
use quintet_components::{
    aggregation::AggregationConfig,
    clock::SlotClock,
    containers::{State, ValidatorIndex},
    preset::SignaturePreset,
    prover::ProverLimits,
    snapshot::NodeIdentity,
    storage::{ChainIdentity, SigningRecord},
};
use quintet_plugins::{
    EndReason, NodeConfig, StopHandle, WallClock,
    driver::TestDriverPlugin,
    http::LocalHttp,
    network::{DEFAULT_FORK_DIGEST, LocalNode},
    storage::{Retention, RocksDbConfig, Store},
};
use quintet_systems::transition::generate_genesis;
use tree_hash::TreeHash;

use super::{
    Failure,
    anchor::anchor,
    files::Files,
    genesis_time,
    network::{http, network, subnets},
    signing::signing,
};
use crate::{cli::NodeArgs, commands::capacity, signals::NodeSignals};

const DATA_DIR: &str = "quintet-data";
/// Harnesses set it to `1` to run vectors in the node.
const TEST_DRIVER: &str = "HIVE_LEAN_TEST_DRIVER";

/// A node that is ready to run and stops on a signal.
pub(super) fn start(settings: &NodeArgs, signals: &NodeSignals) -> Result<App, Failure> {
    if let Some(parent) = settings.end_with_parent {
        end_with(parent)?;
    }
    let files = Files::read(settings)?;
    let genesis = generate_genesis(files.genesis.genesis_time, files.genesis.registry()?);
    let committee_count = files.committee_count(settings)?;
    let proofs = files.proof_system(settings)?;
    let clock = settings.clock_offset_file.clone().map_or_else(WallClock::default, stepping_clock);
    genesis_time::check(files.genesis.genesis_time, clock.now_ms())?;
    let http = http(settings, &files)?;
    tracing::info!(
        genesis_time = files.genesis.genesis_time,
        validators = genesis.validators.len(),
        preset = %files.preset,
        committee_count,
        proof_system = proofs.name(),
        "network"
    );

    let data_dir = data_dir(settings);
    let own: Vec<ValidatorIndex> = files.keys.iter().map(|keys| keys.index).collect();
    let asked = settings.aggregate_subnet_ids.as_deref().unwrap_or_default();
    let (validator_subnets, subnets) = subnets(asked, &own, committee_count)?;
    let aggregation = AggregationConfig {
        committee_count,
        subnets,
        validator_subnets,
        ..AggregationConfig::default()
    };
    let is_aggregator = settings
        .is_aggregator
        .unwrap_or_else(|| files.node.as_ref().is_some_and(|node| node.is_aggregator));
    let network = network(settings, &files, &aggregation, is_aggregator)?;

    if let Err(error) = capacity::check(genesis.validators.len() as u64, files.preset, &*proofs) {
        tracing::warn!("{error}");
    }
    let store = open_store(settings, &data_dir, &genesis, files.preset)?;
    let now_ms = clock.now_ms();
    let now_slot = SlotClock::new(files.genesis.genesis_time).current_slot(now_ms);
    let urls = settings.checkpoint_sync_url.as_deref().unwrap_or_default();
    let (anchor, resumed) = anchor(&store, (&genesis, &*proofs), urls, (now_ms, now_slot))?;
    let signing = if files.keys.is_empty() {
        tracing::info!("no validators: the node observes");
        None
    } else {
        let record: Arc<dyn SigningRecord> = Arc::clone(&store) as _;
        let root = genesis.tree_hash_root();
        Some(signing(settings, &files, &data_dir, (&genesis, root), record)?)
    };
    let identity = NodeIdentity {
        name: settings.node_id.clone().unwrap_or_else(|| "observer".into()),
        version: env!("CARGO_PKG_VERSION").into(),
        agent: concat!("quintet/", env!("CARGO_PKG_VERSION")).into(),
        fork_digest: network.fork_digest.clone(),
        start_time_ms: now_ms,
        validators: own.clone(),
        ..NodeIdentity::default()
    };
    let mut app = node(NodeConfig {
        is_aggregator,
        aggregation,
        prover: prover_limits(settings),
        signing,
        store: Some(store),
        resumed,
        network: Some(network),
        http: Some(http),
        identity,
        peer_names: files.peer_names.clone(),
        clock,
        ..NodeConfig::new(anchor, files.preset, proofs)
    });
    if app.should_exit().is_some() {
        let reason = EndReason::of(app.world_mut());
        return Err(reason.get().unwrap_or("the log says what failed").into());
    }
    if std::env::var_os(TEST_DRIVER).is_some_and(|value| value == "1") {
        tracing::warn!("{TEST_DRIVER}=1: the test driver is served beside the API");
        app.add_plugins(TestDriverPlugin { preset: files.preset });
    }
    signals.stop(app.world().resource::<StopHandle>().clone());
    if let Some(local) = app.world().get_resource::<LocalNode>().cloned() {
        tracing::info!(
            address = local.address(),
            record = local.record.as_deref().unwrap_or("none"),
            is_aggregator,
            validators = ?own,
            "listening"
        );
        if let Some(mut identity) = app.world_mut().get_resource_mut::<NodeIdentity>() {
            identity.peer_id = Some(local.peer.to_string());
            identity.addresses = vec![local.address()];
            identity.record = local.record;
        }
    }
    if let Some(LocalHttp { api, metrics }) = app.world().get_resource() {
        let address = |address: &Option<SocketAddr>| address.map(|address| address.to_string());
        tracing::info!(api = address(api), metrics = address(metrics), "HTTP");
    }
    Ok(app)
}

fn prover_limits(settings: &NodeArgs) -> ProverLimits {
    let limits = ProverLimits::default();
    let mib = |mib: u32| usize::try_from(mib).unwrap_or(usize::MAX).saturating_mul(1 << 20);
    ProverLimits {
        permits: settings.prover_permits.map_or(limits.permits, usize::from),
        memory_bytes: settings.prover_memory_mib.map_or(limits.memory_bytes, mib),
        ..limits
    }
}

/// Where the node keeps its chain and its record of signatures.
pub(crate) fn data_dir(settings: &NodeArgs) -> PathBuf {
    settings.data_dir.clone().unwrap_or(PathBuf::from(DATA_DIR))
}

/// The node's database, made where there is none.
pub(crate) fn open_store(
    settings: &NodeArgs,
    data_dir: &Path,
    genesis: &State,
    preset: SignaturePreset,
) -> Result<Arc<Store>, Failure> {
    std::fs::create_dir_all(data_dir)
        .map_err(|error| format!("{}: {error}", data_dir.display()))?;
    let is_archive = settings.archive.unwrap_or(false);
    let retention = if is_archive { Retention::archive() } else { Retention::default() };
    let config = RocksDbConfig { path: data_dir.join("chain"), retention };
    let network = settings.fork_digest.as_deref().unwrap_or(DEFAULT_FORK_DIGEST);
    let identity = ChainIdentity::of(genesis, network, preset);
    Ok(Arc::new(Store::open(&config, &identity)?))
}

/// The system's clock, and the milliseconds that the file has now; none while it cannot be read.
fn stepping_clock(file: PathBuf) -> WallClock {
    let system = WallClock::default();
    WallClock::new(move || {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        system.now_ms().saturating_add_signed(text.trim().parse().unwrap_or(0))
    })
}

/// Has this process killed when the one that started it ends, however it does: also while it is
/// stopped, when it could not end itself.
fn end_with(parent: i32) -> Result<(), Failure> {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

        set_parent_process_death_signal(Some(Signal::KILL))?;
        if getppid() != Pid::from_raw(parent) {
            return Err("the process that started the node has ended".into());
        }
    }
    Ok(())
}
