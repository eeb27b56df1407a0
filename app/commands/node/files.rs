//! What the network's files say about the node.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use quintet::network_dir::{
    self, Bootnodes, DEFAULT_PROOF_SYSTEM, GenesisFile, KeyManifest, NetworkFiles, NodeConfig,
    ValidatorConfig,
};
use quintet_components::preset::SignaturePreset;
use quintet_plugins::{PeerNames, keys::KeyFiles, network::MAX_COMMITTEES};
use quintet_prover::ProofSystem;
use quintet_systems::verification::scheme_of;

use super::Failure;
use crate::cli::{NodeArgs, origin};

/// What the files say about this node.
pub(crate) struct Files {
    pub(crate) genesis: GenesisFile,
    /// The node's entry in `validator-config.yaml`.
    pub(super) node: Option<NodeConfig>,
    /// The committees that the files name.
    committees: Option<u64>,
    /// What the nodes are called.
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
        // A link that leads nowhere is there, too: reading it says so.
        let is_there = |path: &PathBuf| path.symlink_metadata().is_ok();
        // A file that is named has to be there; one of the folder need not.
        let optional = |named: &Option<PathBuf>, name: &str| {
            named.clone().or_else(|| in_folder(name).filter(is_there))
        };
        let config = settings.genesis.clone().or_else(|| in_folder(network_dir::CONFIG));
        // It belongs to the folder's list of keys, not to one that is named.
        let list = in_folder(network_dir::VALIDATORS)
            .filter(|path| settings.validators.is_none() && is_there(path));
        let network = NetworkFiles::read_named(
            config.ok_or("--network-dir or --genesis is needed")?,
            optional(&settings.validators, network_dir::ANNOTATED_VALIDATORS),
            list,
            optional(&settings.validator_config, network_dir::VALIDATOR_CONFIG),
        )?;
        let keys_dir = optional(&settings.hash_sig_keys_dir, network_dir::KEYS);
        let (mut node, mut keys) = (None, Vec::new());
        if let Some(name) = settings.node_id.as_deref() {
            if let Some((_, annotated)) = &network.annotated {
                keys = annotated.key_files(name, &network.genesis.1)?;
            }
            node = network.node(name)?.cloned();
        }
        let config = network.config.as_ref().map(|(_, config)| config);
        Ok(Self {
            node,
            peer_names: config.map(peer_names).unwrap_or_default(),
            committees: network.committee_count(),
            keys,
            preset: preset(settings.xmss, keys_dir.as_deref())?,
            keys_dir,
            bootnodes: bootnodes(
                settings.bootnodes.as_deref(),
                in_folder(network_dir::NODES).filter(is_there),
            )?,
            genesis: network.genesis.1,
        })
    }

    /// How many committees attest.
    ///
    /// # Errors
    /// More or fewer were asked for than a network has.
    pub(super) fn committee_count(&self, settings: &NodeArgs) -> Result<u64, Failure> {
        let Some(asked) = settings.attestation_committee_count else {
            return Ok(self.committees.unwrap_or(1));
        };
        if !(1..=MAX_COMMITTEES).contains(&asked) {
            return Err(format!(
                "{} is {asked}, and a network has 1 to {MAX_COMMITTEES} committees",
                origin("attestation-committee-count")
            )
            .into());
        }
        if let Some(of_files) = self.committees.filter(|of_files| *of_files != asked) {
            tracing::warn!(
                asked,
                of_files,
                "the network's files name another number of committees than \
                 --attestation-committee-count: nodes that go by the files use other subnets"
            );
        }
        Ok(asked)
    }

    /// What makes and checks the network's proofs.
    ///
    /// # Errors
    /// There is no proof system of this name; the error lists those there are.
    pub(super) fn proof_system(
        &self,
        settings: &NodeArgs,
    ) -> Result<Arc<dyn ProofSystem>, Failure> {
        let of_files = self.genesis.proof_system.as_deref().unwrap_or(DEFAULT_PROOF_SYSTEM);
        let name = settings.proof_system.as_deref().unwrap_or(of_files);
        if name != of_files {
            tracing::warn!(
                asked = name,
                of_files,
                "the network's files name another proof system than --proof-system: nodes that go \
                 by the files refuse this node's blocks"
            );
        }
        quintet::prover::by_name(name, scheme_of(self.preset)).map_err(|error| {
            let place = match settings.proof_system {
                Some(_) => origin("proof-system"),
                None => "PROOF_SYSTEM in config.yaml".into(),
            };
            format!("{place}: {error}").into()
        })
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
            // Whoever reads it says what is wrong with it.
            _ => nodes.push(text.to_owned()),
        }
    }
    Ok(nodes)
}
