//! The folder that a network is described by: what launchers write and nodes read.
//!
//! | file | read as | written by [`create`] |
//! | --- | --- | --- |
//! | `config.yaml` | [`GenesisFile`] | yes |
//! | `annotated_validators.yaml` | [`AnnotatedValidators`] | yes |
//! | `validators.yaml` | [`NodeValidators`] | yes |
//! | `validator-config.yaml` | [`ValidatorConfig`] | yes |
//! | `nodes.yaml` | [`Bootnodes`] | yes |
//! | `hash-sig-keys/validator-keys-manifest.yaml` | [`KeyManifest`] | yes |
//! | `<node>.key` | [`NodeKey`] | yes |
//!
//! Launchers disagree in spelling; every spelling that is known is read, and keys that are not
//! known are ignored. Files come from elsewhere: their sizes and lists are bounded, and every
//! error names the file, the place in it, and what to do. [`NetworkFiles`] reads them together, and
//! refuses those that contradict each other.

mod annotated;
mod check;
mod create;
mod files;
mod manifest;
mod numbers;
mod own;
mod write;
mod yaml;

pub use annotated::{AnnotatedRow, AnnotatedValidators};
pub use check::{NetworkFiles, existing};
pub use create::{
    CreateError, CreatedNetwork, NetworkPlan, PlannedNode, create, write_public_file,
};
pub use files::{
    Bootnodes, GenesisFile, GenesisKeys, KeyManifest, ManifestEntry, ManifestHeader, NodeConfig,
    NodeValidators, ValidatorConfig,
};
pub use quintet_plugins::network::{NodeKey, NodeRecord};
pub use write::manifest;
pub use yaml::{MAX_ENTRIES, MAX_FILE_BYTES, NetworkFileError};

/// The proof system of a network whose files name none.
pub const DEFAULT_PROOF_SYSTEM: &str = quintet_prover::Multisig::NAME;
/// The genesis: time and validators' keys.
pub const CONFIG: &str = "config.yaml";
/// The validators of each node, with their key files.
pub const ANNOTATED_VALIDATORS: &str = "annotated_validators.yaml";
/// The validators of each node.
pub const VALIDATORS: &str = "validators.yaml";
/// The ports, key and role of each node.
pub const VALIDATOR_CONFIG: &str = "validator-config.yaml";
/// The nodes' addresses.
pub const NODES: &str = "nodes.yaml";
/// The folder of the validators' keys.
pub const KEYS: &str = "hash-sig-keys";
/// The list of these keys, in their folder.
pub const KEY_MANIFEST: &str = "validator-keys-manifest.yaml";
