//! The command line.

use std::{net::IpAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand};
use quintet_components::preset::SignaturePreset;
use quintet_plugins::keys::MAX_ACTIVE_SLOTS_LOG;

/// A Lean Ethereum consensus client.
#[derive(Debug, Parser)]
#[command(version = version(), about, propagate_version = true)]
pub(crate) struct Cli {
    /// What to log, to standard error: a level, or filters such as `quintet_systems=debug`.
    /// `info` for a node and `warn` for the rest by default.
    #[arg(long, env = "QUINTET_LOG_LEVEL", global = true)]
    pub(crate) log_level: Option<String>,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a network of nodes in this process and watch it finalize.
    Devnet(DevnetArgs),
    /// Write the folder of a new network: genesis, nodes and keys.
    Genesis(GenesisArgs),
    /// Make validators' keys, and look at them.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Run a node of an existing network.
    Node(Box<NodeArgs>),
}

impl Command {
    /// What is logged unless something else is asked for.
    pub(crate) const fn log_level(&self) -> &'static str {
        match self {
            Self::Node(_) => "info",
            _ => "warn",
        }
    }
}

/// The node and its network. Files that are not named are looked for in the network's folder.
#[derive(Debug, Args)]
pub(crate) struct NodeArgs {
    /// The network's folder, as `quintet genesis` and other generators write it.
    #[arg(long, env = "QUINTET_NETWORK_DIR", required_unless_present = "genesis")]
    pub(crate) network_dir: Option<PathBuf>,
    /// The genesis: `config.yaml`.
    #[arg(long, env = "QUINTET_GENESIS")]
    pub(crate) genesis: Option<PathBuf>,
    /// Which node has which validators: `annotated_validators.yaml`.
    #[arg(long, env = "QUINTET_VALIDATORS")]
    pub(crate) validators: Option<PathBuf>,
    /// Whom to connect to: a file like `nodes.yaml`, or records and multiaddrs with commas between.
    #[arg(long, env = "QUINTET_BOOTNODES")]
    pub(crate) bootnodes: Option<String>,
    /// Ports and keys of the nodes: `validator-config.yaml`.
    #[arg(long, env = "QUINTET_VALIDATOR_CONFIG")]
    pub(crate) validator_config: Option<PathBuf>,
    /// The folder of the validators' keys.
    #[arg(long, env = "QUINTET_HASH_SIG_KEYS_DIR")]
    pub(crate) hash_sig_keys_dir: Option<PathBuf>,
    /// Where the node keeps its chain and its record of signatures.
    #[arg(long, env = "QUINTET_DATA_DIR", default_value = "quintet-data")]
    pub(crate) data_dir: PathBuf,
    /// Which node of the network this is; without it the node has no validators.
    #[arg(long, env = "QUINTET_NODE_ID")]
    pub(crate) node_id: Option<String>,
    /// The file of the node's secp256k1 key; a new identity at every start without any.
    #[arg(long, env = "QUINTET_NODE_KEY")]
    pub(crate) node_key: Option<PathBuf>,
    /// The UDP port to listen on for QUIC; the one of `validator-config.yaml`, or 9000.
    #[arg(long, env = "QUINTET_GOSSIPSUB_PORT")]
    pub(crate) gossipsub_port: Option<u16>,
    /// The address to listen on; every IPv4 address, but loopback for a node whose record says so.
    #[arg(long, env = "QUINTET_LISTEN_ADDRESS")]
    pub(crate) listen_address: Option<IpAddr>,
    /// Aggregate signatures, whatever `validator-config.yaml` says.
    #[arg(long, env = "QUINTET_IS_AGGREGATOR")]
    pub(crate) is_aggregator: bool,
    /// Committees of attestations; those of `config.yaml` by default.
    #[arg(long, env = "QUINTET_ATTESTATION_COMMITTEE_COUNT")]
    pub(crate) attestation_committee_count: Option<u64>,
    /// The subnets that an aggregator serves, with commas between; those of the node's validators
    /// by default.
    #[arg(long, env = "QUINTET_AGGREGATE_SUBNET_IDS", value_delimiter = ',')]
    pub(crate) aggregate_subnet_ids: Vec<u64>,
    /// The text that names the network in its topics.
    #[arg(long, env = "QUINTET_FORK_DIGEST", default_value = "12345678")]
    pub(crate) fork_digest: String,
    /// The signature preset; the one of the keys' manifest, or `production`.
    #[arg(long, env = "QUINTET_XMSS")]
    pub(crate) xmss: Option<SignaturePreset>,
    /// Proofs that are made at once; a core less than there are by default.
    #[arg(long, env = "QUINTET_PROVER_PERMITS", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) prover_permits: Option<u16>,
    /// Memory in MiB that proofs may take together.
    #[arg(long, env = "QUINTET_PROVER_MEMORY_MIB", default_value_t = 256)]
    pub(crate) prover_memory_mib: u32,
    /// Go on although the record of signatures is older than its mark, or gone: the node signs for
    /// no slot up to the last one that is known.
    #[arg(long)]
    pub(crate) accept_signing_history_loss: bool,
}

/// The network to write.
#[derive(Debug, Args)]
pub(crate) struct GenesisArgs {
    /// The folder to write.
    #[arg(long)]
    pub(crate) out: PathBuf,
    /// How many nodes.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) nodes: u16,
    /// How many validators; they are dealt to the nodes one by one.
    #[arg(long, value_parser = clap::value_parser!(u64).range(..=4096))]
    pub(crate) validators: Option<u64>,
    /// How many validators each node has.
    #[arg(long, default_value_t = 1, conflicts_with = "validators")]
    pub(crate) validators_per_node: u64,
    /// Unix time of slot 0 in seconds.
    #[arg(long)]
    pub(crate) genesis_time: Option<u64>,
    /// Slot 0 is so many seconds after the folder is complete.
    #[arg(long, default_value_t = 30, conflicts_with = "genesis_time")]
    pub(crate) genesis_delay: u64,
    /// Committees of attestations; as many nodes aggregate.
    #[arg(long, default_value_t = 1)]
    pub(crate) committees: u64,
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
    /// How keys are made.
    #[command(flatten)]
    pub(crate) keys: KeyArgs,
}

/// How keys are made.
#[derive(Debug, Args)]
pub(crate) struct KeyArgs {
    /// The signature preset: `short`, `production` or `test`.
    #[arg(long, default_value_t = SignaturePreset::Short)]
    pub(crate) xmss: SignaturePreset,
    /// Keys are for 2 to the power of this many slots: 13 for `short`, 17 for `production` and 8
    /// for `test` by default.
    #[arg(long, value_parser = clap::value_parser!(u32).range(..=i64::from(MAX_ACTIVE_SLOTS_LOG)))]
    pub(crate) active_epoch: Option<u32>,
    /// Make all keys from this number: the same again next time, and known to whoever knows it.
    /// For local networks only.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Where keys of a seed are kept to be used again; below the user's cache folder by default.
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
            // The least there is.
            SignaturePreset::Production => 17,
            // Nine hours, in a second a key.
            SignaturePreset::Short => 13,
            SignaturePreset::Test => 8,
        })
    }

    /// The cache for keys of a seed, if there is a place for one.
    pub(crate) fn cache(&self) -> Option<PathBuf> {
        let folder = |name| std::env::var_os(name).map(PathBuf::from);
        self.key_cache.clone().or_else(|| {
            let cache = folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")));
            Some(cache?.join("quintet/keys"))
        })
    }
}

/// What to do with keys.
#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make validators' keys, with a manifest.
    Generate(GenerateArgs),
    /// Say what is in key files, and nothing secret of it.
    Inspect {
        /// Key files, or folders of them.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
    /// Check the key files of a network's folder against its genesis.
    Verify {
        /// The folder.
        #[arg(long)]
        network_dir: PathBuf,
        /// Check the keys of this node only; of all validators without it.
        #[arg(long)]
        node: Option<String>,
        /// The network's signature preset.
        #[arg(long, default_value_t = SignaturePreset::Short)]
        xmss: SignaturePreset,
        /// Threads that read keys.
        #[arg(long, default_value_t = 2)]
        threads: usize,
    },
}

/// Which keys to make.
#[derive(Debug, Args)]
pub(crate) struct GenerateArgs {
    /// The folder to write.
    #[arg(long)]
    pub(crate) out: PathBuf,
    /// How many validators.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=4096))]
    pub(crate) validators: u64,
    /// The first slot that the keys sign for.
    #[arg(long, default_value_t = 0)]
    pub(crate) first_slot: u64,
    /// Replace the keys that are there.
    #[arg(long)]
    pub(crate) force: bool,
    /// How they are made.
    #[command(flatten)]
    pub(crate) keys: KeyArgs,
}

/// How the devnet looks.
#[derive(Debug, Args)]
pub(crate) struct DevnetArgs {
    /// How many nodes. The first one aggregates.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) nodes: u16,
    /// How many validators each node has.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) validators_per_node: u16,
    /// Stop after this many slots, with exit code 0 only if every node finalized within 4 slots of
    /// the end. Without it the network runs until it is interrupted.
    #[arg(long)]
    pub(crate) slots: Option<u64>,
    /// The signature preset: `short`, `production` or `test`.
    #[arg(long, default_value_t = SignaturePreset::Short)]
    pub(crate) xmss: SignaturePreset,
}

/// The version, and which field arithmetic the build has.
fn version() -> String {
    format!("{} (packing: {})", env!("CARGO_PKG_VERSION"), leansig::packing::active())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn bad_values_are_refused_with_what_is_possible() {
        let error = Cli::try_parse_from(["quintet", "devnet", "--xmss", "full"])
            .expect_err("no such preset")
            .to_string();
        assert!(error.contains("production, short or test"), "{error}");
        assert!(Cli::try_parse_from(["quintet", "devnet", "--nodes", "0"]).is_err());
    }
}
