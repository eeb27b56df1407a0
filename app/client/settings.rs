//! The settings of a client.

use std::{net::IpAddr, path::PathBuf};

use quintet_components::preset::SignaturePreset;
use quintet_plugins::http::AdminToken;

/// The folder of a node's data when none is named.
const DATA_DIR: &str = "quintet-data";

/// The settings of a client. What is left open comes from the network's files, or has a default.
/// Each field is the flag of the same name of `quintet node`; where the names differ, the field's
/// text says so.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The network's folder, as `quintet genesis` writes it.
    pub network_dir: Option<PathBuf>,
    /// `config.yaml`, when it is not in the folder.
    pub genesis: Option<PathBuf>,
    /// `annotated_validators.yaml`, when it is not in the folder.
    pub validators: Option<PathBuf>,
    /// `validator-config.yaml`, when it is not in the folder.
    pub validator_config: Option<PathBuf>,
    /// Nodes to connect to: files like `nodes.yaml`, records, multiaddrs. `None` for those of the
    /// folder.
    pub bootnodes: Option<Vec<String>>,
    /// The folder of the validators' keys, when it is not in the network's folder.
    pub hash_sig_keys_dir: Option<PathBuf>,
    /// The folder of the chain and of the record of signatures; `quintet-data` by default.
    pub data_dir: Option<PathBuf>,
    /// Keep the whole chain and its states.
    pub archive: bool,
    /// The folder of the mark of the record of signatures; beside the data folder by default.
    pub signing_mark_dir: Option<PathBuf>,
    /// The node's name in the network's files. A node without a name has no validators.
    pub node_id: Option<String>,
    /// The file of the node's secp256k1 key.
    pub node_key: Option<PathBuf>,
    /// The UDP port of QUIC: `gossipsub-port`. 0 takes a free one.
    pub quic_port: Option<u16>,
    /// The address to listen on for QUIC.
    pub listen_address: Option<IpAddr>,
    /// The address to serve HTTP on; 127.0.0.1 by default.
    pub http_address: Option<IpAddr>,
    /// The API's port. 0 takes a free one.
    pub api_port: Option<u16>,
    /// The metrics' port. The API's port serves both.
    pub metrics_port: Option<u16>,
    /// The token of the admin surface: the variable `QUINTET_ADMIN_TOKEN` of the command.
    pub admin_token: Option<AdminToken>,
    /// The file of the token, when there is no token here.
    pub admin_token_file: Option<PathBuf>,
    /// Origins whose pages may read the API's answers: `*`, or a scheme and an authority.
    pub cors_origins: Vec<String>,
    /// Base URLs to get a finalized state from: `checkpoint-sync-url`.
    pub checkpoint_sync_urls: Vec<String>,
    /// Aggregate signatures, or not, whatever `validator-config.yaml` says.
    pub is_aggregator: Option<bool>,
    /// Committees of attestations, 1 to 64.
    pub attestation_committee_count: Option<u64>,
    /// Subnets that an aggregator serves besides those of its validators.
    pub aggregate_subnet_ids: Vec<u64>,
    /// The network's name in gossip topics.
    pub fork_digest: Option<String>,
    /// The signature preset: `xmss`. By default the one of the keys' manifest, or `production`.
    pub preset: Option<SignaturePreset>,
    /// The proof system of the network's blocks, by name.
    pub proof_system: Option<String>,
    /// Proofs made at once, 1 or more.
    pub prover_permits: Option<u16>,
    /// Threads that all proofs share, 1 or more. Those of a process: the first client sets them.
    pub prover_threads: Option<u16>,
    /// Memory in MiB that proofs may take together.
    pub prover_memory_mib: Option<u32>,
    /// Start although the record of signatures is older than its mark, or gone.
    pub accept_signing_history_loss: bool,
}

impl Settings {
    /// The folder of the node's data.
    pub fn data_folder(&self) -> PathBuf {
        self.data_dir.clone().unwrap_or_else(|| PathBuf::from(DATA_DIR))
    }
}
