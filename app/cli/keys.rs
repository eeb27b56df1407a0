//! Networks and keys to make.

use std::{net::IpAddr, path::PathBuf};

use clap::{Args, Subcommand, builder::NonEmptyStringValueParser};
use quintet::network_dir::DEFAULT_PROOF_SYSTEM;
use quintet_components::preset::SignaturePreset;
use quintet_plugins::keys::MAX_ACTIVE_SLOTS_LOG;

/// The network to write.
#[derive(Debug, Args)]
pub(crate) struct GenesisArgs {
    /// The folder to write.
    #[arg(long)]
    pub(crate) out: PathBuf,
    /// The number of nodes.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) nodes: u16,
    /// The number of validators; they are dealt to the nodes one by one.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=4096))]
    pub(crate) validators: Option<u64>,
    /// The number of validators of each node.
    #[arg(
        long,
        default_value_t = 1,
        conflicts_with = "validators",
        value_parser = clap::value_parser!(u64).range(1..=4096)
    )]
    pub(crate) validators_per_node: u64,
    /// Unix time of slot 0 in seconds.
    #[arg(long)]
    pub(crate) genesis_time: Option<u64>,
    /// Slot 0 is so many seconds after the folder is complete.
    #[arg(long, default_value_t = 30, conflicts_with = "genesis_time")]
    pub(crate) genesis_delay: u64,
    /// Committees of attestations; as many nodes aggregate.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) committees: u64,
    /// The proof system of the network's blocks.
    #[arg(
        long,
        env = "QUINTET_PROOF_SYSTEM",
        default_value = DEFAULT_PROOF_SYSTEM,
        value_parser = NonEmptyStringValueParser::new(),
        value_name = "NAME"
    )]
    pub(crate) proof_system: String,
    /// The address of all nodes.
    #[arg(long, default_value = "127.0.0.1")]
    pub(crate) ip: IpAddr,
    /// The first node's QUIC port; the other nodes' follow.
    #[arg(long, default_value_t = 9001, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) base_port: u16,
    /// The first node's metrics port.
    #[arg(long, default_value_t = 8081, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) metrics_base_port: u16,
    /// The first node's API port.
    #[arg(long, default_value_t = 5051, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) api_base_port: u16,
    /// Replace the network that is there, keys included.
    #[arg(long)]
    pub(crate) force: bool,
    /// Options for making keys.
    #[command(flatten)]
    pub(crate) keys: KeyArgs,
}

/// Options for making keys.
#[derive(Debug, Args)]
pub(crate) struct KeyArgs {
    /// The signature preset: `short`, `production` or `test`.
    #[arg(long, default_value_t = SignaturePreset::Short)]
    pub(crate) xmss: SignaturePreset,
    /// Keys are for 2 to the power of this many slots, after which their validators cannot sign any
    /// more: 13 for `short` (nine hours), 17 for `production` (six days) and 8 for `test` by default.
    #[arg(long, value_parser = clap::value_parser!(u32).range(..=i64::from(MAX_ACTIVE_SLOTS_LOG)))]
    pub(crate) active_epoch: Option<u32>,
    /// Derive all keys from this number. The same number gives the same keys, to anyone who knows it.
    /// For local networks only.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// The folder that keeps keys of a seed, to be used again; below the user's cache folder by
    /// default.
    #[arg(long, env = "QUINTET_KEY_CACHE")]
    pub(crate) key_cache: Option<PathBuf>,
    /// Threads that make keys; all cores by default.
    #[arg(long, default_value_t = 0)]
    pub(crate) threads: usize,
}

impl KeyArgs {
    /// Base-2 logarithm of the slots that keys are for.
    pub(crate) fn active_epoch(&self) -> u32 {
        self.active_epoch.unwrap_or(match self.xmss {
            // The shortest lifetime.
            SignaturePreset::Production => 17,
            // Nine hours. A key takes a second.
            SignaturePreset::Short => 13,
            SignaturePreset::Test => 8,
        })
    }

    /// The cache for keys of a seed, if there is a place for one.
    pub(crate) fn cache(&self) -> Option<PathBuf> {
        // One that is set and empty counts as unset.
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let folder = |name| set(name).map(PathBuf::from);
        self.key_cache.clone().or_else(|| {
            let cache = folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")));
            Some(cache?.join("quintet/keys"))
        })
    }
}

/// The commands for keys.
#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make validators' keys, with a manifest.
    Generate(GenerateArgs),
    /// Show the content of key files, without secrets.
    Inspect {
        /// Key files, or folders of them.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
    /// Write what a node's keys have signed to a file. The node must not run, and never again once
    /// its keys are elsewhere.
    Export {
        /// What, and where to.
        #[command(flatten)]
        history: HistoryArgs,
        /// Replace the file.
        #[arg(long)]
        force: bool,
    },
    /// Add what another machine's keys have signed to a node's record, before the node starts.
    Import {
        /// What, and where to.
        #[command(flatten)]
        history: HistoryArgs,
        /// Continue although the record of signatures is older than its mark, or gone. The node then
        /// signs for no slot up to the last known one, except for the messages in the file.
        #[arg(long)]
        accept_signing_history_loss: bool,
    },
    /// Check the key files of a network's folder against its genesis.
    Verify {
        /// The folder.
        #[arg(long)]
        network_dir: PathBuf,
        /// Check the keys of this node only; of all validators without it.
        #[arg(long)]
        node: Option<String>,
        /// The network's signature preset; the keys' manifest names it, or else it is `production`.
        #[arg(long)]
        xmss: Option<SignaturePreset>,
        /// Threads that read keys.
        #[arg(long, default_value_t = 2)]
        threads: usize,
    },
}

/// A node's record of signatures, and a file to take it from one machine to another.
#[derive(Clone, Debug, Args)]
pub(crate) struct HistoryArgs {
    /// The file: JSON, as docs/keys.md describes it.
    pub(crate) file: PathBuf,
    /// The network's folder.
    #[arg(long, env = "QUINTET_NETWORK_DIR", value_name = "DIR")]
    pub(crate) network_dir: Option<PathBuf>,
    /// The genesis: `config.yaml`.
    #[arg(long, env = "QUINTET_GENESIS", value_name = "FILE")]
    pub(crate) genesis: Option<PathBuf>,
    /// The folder of the chain and of the record of signatures; `quintet-data` by default.
    #[arg(long, env = "QUINTET_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// The node's name in the network's files.
    #[arg(
        long,
        env = "QUINTET_NODE_ID",
        value_parser = NonEmptyStringValueParser::new(),
        value_name = "NAME"
    )]
    pub(crate) node_id: Option<String>,
    /// The folder of the validators' keys, whose manifest names the preset.
    #[arg(long, env = "QUINTET_HASH_SIG_KEYS_DIR", value_name = "DIR")]
    pub(crate) hash_sig_keys_dir: Option<PathBuf>,
    /// The folder of the record's mark, if it is not beside the data folder.
    #[arg(long, env = "QUINTET_SIGNING_MARK_DIR", value_name = "DIR")]
    pub(crate) signing_mark_dir: Option<PathBuf>,
    /// The text that names the network in its topics; `12345678` by default.
    #[arg(
        long,
        env = "QUINTET_FORK_DIGEST",
        value_parser = super::node::fork_digest,
        value_name = "TEXT"
    )]
    pub(crate) fork_digest: Option<String>,
    /// The signature preset; the one of the keys' manifest, or `production`.
    #[arg(long, env = "QUINTET_XMSS", value_name = "PRESET")]
    pub(crate) xmss: Option<SignaturePreset>,
}

/// Options for `keys generate`.
#[derive(Debug, Args)]
pub(crate) struct GenerateArgs {
    /// The folder to write.
    #[arg(long)]
    pub(crate) out: PathBuf,
    /// The number of validators.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=4096))]
    pub(crate) validators: u64,
    /// The first slot that the keys sign for.
    #[arg(long, default_value_t = 0)]
    pub(crate) first_slot: u64,
    /// Replace the keys that are there.
    #[arg(long)]
    pub(crate) force: bool,
    /// Options for making keys.
    #[command(flatten)]
    pub(crate) keys: KeyArgs,
}
