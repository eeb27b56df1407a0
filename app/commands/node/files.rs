//! What the network's files say about the node.

use std::path::{Path, PathBuf};

use quintet::network_dir::{
    self, AnnotatedValidators, Bootnodes, GenesisFile, KeyManifest, NodeConfig, ValidatorConfig,
};
use quintet_components::preset::SignaturePreset;
use quintet_plugins::{PeerNames, keys::KeyFiles};
use quintet_systems::verification::scheme_of;

use super::Failure;
use crate::cli::NodeArgs;

/// What the files say about this node.
pub(crate) struct Files {
    pub(crate) genesis: GenesisFile,
    /// The node's entry in `validator-config.yaml`.
    pub(super) node: Option<NodeConfig>,
    /// The committees that this file names.
    committees: Option<u64>,
    /// What it calls the nodes.
    pub(super) peer_names: PeerNames,
    /// The keys of the node's validators.
    pub(super) keys: Vec<KeyFiles>,
    pub(super) keys_dir: Option<PathBuf>,
    pub(crate) preset: SignaturePreset,
    pub(super) bootnodes: Vec<String>,
}

impl Files {
    pub(crate) fn read(settings: &NodeArgs) -> Result<Self, Failure> {
        let in_folder = |name: &str| settings.network_dir.as_ref().map(|dir| dir.join(name));
        // A file that is named has to be there; one of the folder need not.
        let optional = |named: &Option<PathBuf>, name: &str| {
            named.clone().or_else(|| in_folder(name).filter(|path| path.exists()))
        };
        let config = settings.genesis.clone().or_else(|| in_folder(network_dir::CONFIG));
        let genesis = GenesisFile::read(&config.ok_or("--network-dir or --genesis is needed")?)?;
        let validator_config = optional(&settings.validator_config, network_dir::VALIDATOR_CONFIG)
            .map(|path| ValidatorConfig::read(&path))
            .transpose()?;
        let named = settings.node_id.as_deref();
        let entry = |config: &ValidatorConfig| config.node(named?).cloned();
        let keys_dir = optional(&settings.hash_sig_keys_dir, network_dir::KEYS);
        let keys = match (named, optional(&settings.validators, network_dir::ANNOTATED_VALIDATORS))
        {
            (Some(node), Some(path)) => {
                AnnotatedValidators::read(&path)?.key_files(node, &genesis)?
            }
            _ => Vec::new(),
        };
        Ok(Self {
            node: validator_config.as_ref().and_then(entry),
            peer_names: validator_config.as_ref().map(peer_names).unwrap_or_default(),
            committees: validator_config.and_then(|config| config.attestation_committee_count),
            keys,
            preset: preset(settings.xmss, keys_dir.as_deref())?,
            keys_dir,
            bootnodes: bootnodes(
                settings.bootnodes.as_deref(),
                in_folder(network_dir::NODES).filter(|path| path.exists()),
            )?,
            genesis,
        })
    }

    /// How many committees attest.
    pub(super) fn committee_count(&self, settings: &NodeArgs) -> u64 {
        settings
            .attestation_committee_count
            .or(self.genesis.attestation_committee_count)
            .or(self.committees)
            .unwrap_or(1)
            .max(1)
    }
}

/// What the nodes are called whose identities the file has.
fn peer_names(config: &ValidatorConfig) -> PeerNames {
    PeerNames::new(config.nodes.iter().filter_map(|node| {
        let peer = node.key.as_ref()?.peer_id();
        Some((peer, node.name.clone()))
    }))
}

/// The preset that is asked for, or the one whose lifetime the keys' manifest names.
pub(crate) fn preset(
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

/// Records and multiaddrs: those that are named, themselves or by their file, or those of the
/// folder's file.
fn bootnodes(named: Option<&[String]>, in_folder: Option<PathBuf>) -> Result<Vec<String>, Failure> {
    let Some(named) = named else {
        return Ok(in_folder
            .map(|path| Bootnodes::read(&path))
            .transpose()?
            .map_or_else(Vec::new, |Bootnodes(nodes)| nodes));
    };
    let mut nodes = Vec::new();
    for text in named.iter().map(|text| text.trim()) {
        if text.is_empty() || text.eq_ignore_ascii_case("none") {
            continue;
        }
        match Path::new(text) {
            path if path.exists() => nodes.extend(Bootnodes::read(path)?.0),
            _ => nodes.push(text.to_owned()),
        }
    }
    Ok(nodes)
}
