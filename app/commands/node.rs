//! One node of an existing network.

use std::{
    error::Error,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use bevy_app::{App, AppExit, PluginGroup};
use quintet::{
    network_dir::{
        self, AnnotatedValidators, Bootnodes, GenesisFile, KeyManifest, NodeConfig, ValidatorConfig,
    },
    node,
};
use quintet_components::{
    aggregation::AggregationConfig,
    chain::IsAggregator,
    clock::SlotClock,
    containers::{State, ValidatorIndex},
    duties::Signing,
    preset::SignaturePreset,
    prover::ProverLimits,
    storage::{ChainIdentity, SigningRecord},
};
use quintet_plugins::{
    AggregationPlugin, Anchor, DutiesPlugin, ForkChoicePlugin, NetworkConfig, NetworkPlugin,
    NodePlugins, ProverPlugin, ResumePlugin, SlotLogPlugin, StopHandle, StopPlugin, SyncPlugin,
    keys::{
        AcceptHistoryLoss, GuardOptions, KeyFiles, KeyManager, LoadOptions, SigningGuard,
        load_keys, mark_path,
    },
    network::{LocalNode, NodeKey},
    storage::{Retention, RocksDbConfig, RocksDbPlugin, Store},
};
use quintet_systems::{
    transition::{anchor_block, generate_genesis},
    verification::scheme_of,
};
use tree_hash::TreeHash;

use crate::cli::NodeArgs;

type Failure = Box<dyn Error>;

/// Runs the node until it is asked to stop.
pub(crate) fn run(arguments: &NodeArgs) -> ExitCode {
    match start(arguments) {
        Ok(mut app) => match app.run() {
            AppExit::Success => ExitCode::SUCCESS,
            AppExit::Error(code) => ExitCode::from(code.get()),
        },
        Err(error) => {
            eprintln!("the node does not start: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What the files say about this node.
struct Files {
    genesis: GenesisFile,
    /// The node's entry in `validator-config.yaml`, and the committees that the file names.
    node: Option<NodeConfig>,
    committees: Option<u64>,
    /// The keys of the node's validators.
    keys: Vec<KeyFiles>,
    keys_dir: Option<PathBuf>,
    preset: SignaturePreset,
    bootnodes: Vec<String>,
}

impl Files {
    fn read(arguments: &NodeArgs) -> Result<Self, Failure> {
        let in_folder = |name: &str| arguments.network_dir.as_ref().map(|dir| dir.join(name));
        // A file that is named has to be there; one of the folder need not.
        let optional = |named: &Option<PathBuf>, name: &str| {
            named.clone().or_else(|| in_folder(name).filter(|path| path.exists()))
        };
        let config = arguments.genesis.clone().or_else(|| in_folder(network_dir::CONFIG));
        let genesis = GenesisFile::read(&config.ok_or("--network-dir or --genesis is needed")?)?;
        let validator_config = optional(&arguments.validator_config, network_dir::VALIDATOR_CONFIG)
            .map(|path| ValidatorConfig::read(&path))
            .transpose()?;
        let named = arguments.node_id.as_deref();
        let entry = |config: &ValidatorConfig| config.node(named?).cloned();
        let keys_dir = optional(&arguments.hash_sig_keys_dir, network_dir::KEYS);
        let keys = match (named, optional(&arguments.validators, network_dir::ANNOTATED_VALIDATORS))
        {
            (Some(node), Some(path)) => {
                AnnotatedValidators::read(&path)?.key_files(node, &genesis)?
            }
            _ => Vec::new(),
        };
        Ok(Self {
            node: validator_config.as_ref().and_then(entry),
            committees: validator_config.and_then(|config| config.attestation_committee_count),
            keys,
            preset: preset(arguments.xmss, keys_dir.as_deref())?,
            keys_dir,
            bootnodes: bootnodes(
                arguments.bootnodes.as_deref(),
                in_folder(network_dir::NODES).filter(|path| path.exists()),
            )?,
            genesis,
        })
    }

    fn committee_count(&self, arguments: &NodeArgs) -> u64 {
        arguments
            .attestation_committee_count
            .or(self.genesis.attestation_committee_count)
            .or(self.committees)
            .unwrap_or(1)
    }
}

/// The preset that is asked for, or the one whose lifetime the keys' manifest names.
fn preset(
    asked: Option<SignaturePreset>,
    keys_dir: Option<&Path>,
) -> Result<SignaturePreset, Failure> {
    let manifest = keys_dir.map(|dir| dir.join(network_dir::KEY_MANIFEST));
    let Some(path) = manifest.filter(|path| asked.is_none() && path.exists()) else {
        return Ok(asked.unwrap_or(SignaturePreset::Production));
    };
    let Some(lifetime) = KeyManifest::read(&path)?.header.lifetime else {
        return Ok(SignaturePreset::Production);
    };
    let presets = [SignaturePreset::Production, SignaturePreset::Short, SignaturePreset::Test];
    presets
        .into_iter()
        .find(|preset| scheme_of(*preset).lifetime() == lifetime)
        .ok_or_else(|| format!("{}: no preset has a lifetime of {lifetime}", path.display()).into())
}

/// Records and multiaddrs: from the file that is named, from the text itself, or from the folder's
/// file.
fn bootnodes(named: Option<&str>, in_folder: Option<PathBuf>) -> Result<Vec<String>, Failure> {
    match named {
        Some("none" | "") => Ok(Vec::new()),
        Some(text) if Path::new(text).exists() => Ok(Bootnodes::read(Path::new(text))?.0),
        Some(text) => Ok(text.split(',').map(|each| each.trim().to_owned()).collect()),
        None => Ok(in_folder
            .map(|path| Bootnodes::read(&path))
            .transpose()?
            .map_or_else(Vec::new, |Bootnodes(nodes)| nodes)),
    }
}

fn start(arguments: &NodeArgs) -> Result<App, Failure> {
    let files = Files::read(arguments)?;
    let genesis = generate_genesis(files.genesis.genesis_time, files.genesis.registry()?);
    let genesis_root = genesis.tree_hash_root();
    let committee_count = files.committee_count(arguments).max(1);
    tracing::info!(
        genesis_time = files.genesis.genesis_time,
        validators = genesis.validators.len(),
        preset = %files.preset,
        committee_count,
        "network"
    );

    let store = open_store(arguments, &genesis, files.preset)?;
    let resumed = store.resume()?;
    let anchor = match &resumed {
        Some(data) => Anchor::from(data),
        None => {
            let anchor = Anchor { block: anchor_block(&genesis), state: Arc::new(genesis.clone()) };
            store.begin(&anchor.block, &anchor.state)?;
            anchor
        }
    };

    let is_aggregator =
        arguments.is_aggregator || files.node.as_ref().is_some_and(|node| node.is_aggregator);
    let own: Vec<ValidatorIndex> = files.keys.iter().map(|keys| keys.index).collect();
    let aggregation = AggregationConfig {
        committee_count,
        subnets: subnets(&arguments.aggregate_subnet_ids, &own, committee_count)?,
        ..AggregationConfig::default()
    };
    let network = network(arguments, &files, &aggregation, is_aggregator)?;
    let proofs = quintet::prover::by_name("multisig", scheme_of(files.preset))?;
    let group = NodePlugins::new(anchor, files.preset, proofs)
        .build()
        .set(AggregationPlugin { config: aggregation })
        .set(ProverPlugin { limits: prover_limits(arguments) })
        .add(StopPlugin)
        .add(SlotLogPlugin)
        .add(RocksDbPlugin { store: Arc::clone(&store) })
        .add_after::<SyncPlugin>(NetworkPlugin { config: network });
    let group = match resumed {
        Some(data) => group.add_after::<ForkChoicePlugin>(ResumePlugin { data }),
        None => group,
    };
    let group = if files.keys.is_empty() {
        tracing::info!("no validators: the node observes");
        group
    } else {
        let record: Arc<dyn SigningRecord> = store;
        let signing = signing(arguments, &files, &genesis, record, genesis_root)?;
        group.add(DutiesPlugin { signing })
    };
    let mut app = node(group);
    app.insert_resource(IsAggregator(is_aggregator));
    if let Some(local) = app.world().get_resource::<LocalNode>() {
        tracing::info!(
            address = local.address(),
            record = local.record.as_deref().unwrap_or("none"),
            is_aggregator,
            validators = ?own,
            "listening"
        );
    }
    stop_on_signals(app.world().resource::<StopHandle>().clone())?;
    Ok(app)
}

fn prover_limits(arguments: &NodeArgs) -> ProverLimits {
    let limits = ProverLimits::default();
    let mib = usize::try_from(arguments.prover_memory_mib).unwrap_or(usize::MAX);
    ProverLimits {
        permits: arguments.prover_permits.map_or(limits.permits, usize::from),
        memory_bytes: mib.saturating_mul(1 << 20),
        ..limits
    }
}

fn open_store(
    arguments: &NodeArgs,
    genesis: &State,
    preset: SignaturePreset,
) -> Result<Arc<Store>, Failure> {
    std::fs::create_dir_all(&arguments.data_dir)
        .map_err(|error| format!("{}: {error}", arguments.data_dir.display()))?;
    let config =
        RocksDbConfig { path: arguments.data_dir.join("chain"), retention: Retention::default() };
    let identity = ChainIdentity::of(genesis, arguments.fork_digest.as_str(), preset);
    Ok(Arc::new(Store::open(&config, &identity)?))
}

/// The subnets that are asked for, or those of the node's validators; all without either.
fn subnets(asked: &[u64], own: &[ValidatorIndex], committees: u64) -> Result<Vec<u64>, Failure> {
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

fn network(
    arguments: &NodeArgs,
    files: &Files,
    aggregation: &AggregationConfig,
    is_aggregator: bool,
) -> Result<NetworkConfig, Failure> {
    let mut config = NetworkConfig::new(node_key(arguments, files)?);
    let own_ip = files.node.as_ref().and_then(|node| node.ip);
    let default_ip = own_ip.filter(IpAddr::is_loopback).unwrap_or(Ipv4Addr::UNSPECIFIED.into());
    let port = arguments.gossipsub_port.or(files.node.as_ref().and_then(|node| node.quic_port));
    config.listen = (arguments.listen_address.unwrap_or(default_ip), port.unwrap_or(9000)).into();
    config.external_ip = own_ip;
    config.fork_digest.clone_from(&arguments.fork_digest);
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
fn node_key(arguments: &NodeArgs, files: &Files) -> Result<NodeKey, Failure> {
    if let Some(path) = &arguments.node_key {
        return Ok(NodeKey::read(path)?);
    }
    if let Some(key) = files.node.as_ref().and_then(|node| node.key.as_ref()) {
        return Ok(NodeKey::from(*key.bytes()));
    }
    let file = |node: &String| Some(arguments.network_dir.as_ref()?.join(format!("{node}.key")));
    if let Some(path) = arguments.node_id.as_ref().and_then(file).filter(|path| path.exists()) {
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

fn signing(
    arguments: &NodeArgs,
    files: &Files,
    genesis: &State,
    record: Arc<dyn SigningRecord>,
    genesis_root: quintet_components::containers::Root,
) -> Result<Signing, Failure> {
    let folder = files
        .keys_dir
        .clone()
        .ok_or("the node has validators and no keys: --hash-sig-keys-dir names their folder")?;
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let now_ms = u64::try_from(now_ms).unwrap_or(u64::MAX);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let options = LoadOptions {
        scheme: scheme_of(files.preset),
        folder: &folder,
        threads,
        slot: SlotClock::new(files.genesis.genesis_time).current_slot(now_ms),
        progress: None,
    };
    let loaded = load_keys(&files.keys, &genesis.validators, &options)?;
    let node = arguments.node_id.as_deref().unwrap_or("node");
    let accept = if arguments.accept_signing_history_loss {
        AcceptHistoryLoss::Yes
    } else {
        AcceptHistoryLoss::No
    };
    let guard = SigningGuard::open(
        record,
        &GuardOptions {
            data_dir: arguments.data_dir.clone(),
            mark: mark_path(&folder, node, &genesis_root),
            genesis: genesis_root,
            accept_history_loss: accept,
        },
    )?;
    Ok(Signing(Arc::new(KeyManager::new(loaded, guard))))
}

/// The first signal stops the node, the second ends the process.
fn stop_on_signals(handle: StopHandle) -> Result<(), Failure> {
    ctrlc::set_handler(move || {
        if !handle.stop() {
            std::process::exit(130);
        }
    })?;
    Ok(())
}
