//! The files of a network, as one of its nodes reads them.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use quintet_components::{containers::State, preset::SignaturePreset};
use quintet_plugins::{PeerNames, keys::KeyFiles, network::MAX_COMMITTEES};
use quintet_prover::{Exec, ProofSystem, ProofSystems};
use quintet_systems::{transition::generate_genesis, verification::scheme_of};

use super::{ClientError, Settings};
use crate::network_dir::{
    self, Bootnodes, DEFAULT_PROOF_SYSTEM, KeyManifest, NetworkFiles, NodeConfig, ValidatorConfig,
    existing,
};

/// A network, as one of its nodes knows it.
#[derive(Clone, Debug)]
pub struct Network {
    /// The genesis state.
    pub genesis: State,
    /// The XMSS instantiation of the validators' keys.
    pub preset: SignaturePreset,
    /// Committees of attestations; `None` for one.
    pub committee_count: Option<u64>,
    /// The proof system of the blocks, by name.
    pub proof_system: String,
    /// This node's entry: ports, key, role. `None` for an observer.
    pub node: Option<NodeConfig>,
    /// The names of peers.
    pub peer_names: PeerNames,
    /// The key files of this node's validators.
    pub keys: Vec<KeyFiles>,
    /// The folder of the key files.
    pub keys_dir: Option<PathBuf>,
    /// Nodes to connect to: records and multiaddrs.
    pub bootnodes: Vec<String>,
}

impl Network {
    /// A network with this genesis, as an observer without bootnodes knows it.
    pub fn new(genesis: State, preset: SignaturePreset) -> Self {
        Self {
            genesis,
            preset,
            committee_count: None,
            proof_system: DEFAULT_PROOF_SYSTEM.into(),
            node: None,
            peer_names: PeerNames::default(),
            keys: Vec::new(),
            keys_dir: None,
            bootnodes: Vec::new(),
        }
    }

    /// Reads the files that the settings name, and those of the network's folder.
    ///
    /// # Errors
    /// [`ClientError::File`] for a file that is missing, malformed or contradicts another one;
    /// [`ClientError::Network`] when no file has the genesis.
    pub fn read(settings: &Settings) -> Result<Self, ClientError> {
        let in_folder = |name: &str| settings.network_dir.as_ref().map(|dir| dir.join(name));
        let there = |name: &str| in_folder(name).map_or(Ok(None), existing);
        // A file named by a setting must exist; a file of the folder need not.
        let optional = |named: &Option<PathBuf>, name: &str| match named {
            Some(path) => Ok(Some(path.clone())),
            None => there(name),
        };
        let config = settings.genesis.clone().or_else(|| in_folder(network_dir::CONFIG));
        let config = config
            .ok_or_else(|| ClientError::Network("--network-dir or --genesis is needed".into()))?;
        let files = NetworkFiles::read_named(
            config,
            optional(&settings.validators, network_dir::ANNOTATED_VALIDATORS)?,
            // It belongs to the folder's own list of keys, not to one named by a setting.
            match settings.validators {
                Some(_) => None,
                None => there(network_dir::VALIDATORS)?,
            },
            optional(&settings.validator_config, network_dir::VALIDATOR_CONFIG)?,
        )?;
        let keys_dir = optional(&settings.hash_sig_keys_dir, network_dir::KEYS)?;
        let preset = preset_of(settings.preset, keys_dir.as_deref())?;
        let (node, keys) = match settings.node_id.as_deref() {
            Some(name) => files.own(name)?,
            None => (None, Vec::new()),
        };
        if let Some(folder) = keys_dir.as_deref().filter(|_| !keys.is_empty())
            && let Some((path, manifest)) = KeyManifest::of_folder(folder)?
        {
            files.check_manifest(&path, &manifest)?;
        }
        let in_folder = there(network_dir::NODES)?;
        let genesis = &files.genesis.1;
        let registry = genesis.registry().map_err(ClientError::Network)?;
        Ok(Self {
            committee_count: files.committee_count(),
            proof_system: genesis
                .proof_system
                .clone()
                .unwrap_or_else(|| DEFAULT_PROOF_SYSTEM.into()),
            peer_names: files.config.as_ref().map(|(_, it)| names(it)).unwrap_or_default(),
            node,
            keys,
            keys_dir,
            bootnodes: bootnodes(settings.bootnodes.as_deref(), in_folder)?,
            ..Self::new(generate_genesis(genesis.genesis_time, registry), preset)
        })
    }

    /// Unix time of slot 0 in seconds.
    pub fn genesis_time(&self) -> u64 {
        self.genesis.config.genesis_time
    }

    /// The number of attestation committees.
    ///
    /// # Errors
    /// More or fewer were asked for than a network has.
    pub(super) fn committees(&self, asked: Option<u64>) -> Result<u64, ClientError> {
        let Some(asked) = asked else { return Ok(self.committee_count.unwrap_or(1)) };
        if !(1..=MAX_COMMITTEES).contains(&asked) {
            let reason = format!("{asked}, and a network has 1 to {MAX_COMMITTEES} committees");
            return Err(ClientError::setting("attestation-committee-count", reason));
        }
        if let Some(of_files) = self.committee_count.filter(|of_files| *of_files != asked) {
            tracing::warn!(
                asked,
                of_files,
                "the network's files name another number of committees than the setting \
                 attestation-committee-count: nodes that follow the files use other subnets"
            );
        }
        Ok(asked)
    }

    /// The network's proof system.
    ///
    /// # Errors
    /// There is no proof system of this name, and the error lists those there are; or the network's
    /// files name a command, which they may not.
    pub(super) fn proofs(
        &self,
        asked: Option<&str>,
        systems: &ProofSystems,
    ) -> Result<Arc<dyn ProofSystem>, ClientError> {
        let of_files = self.proof_system.as_str();
        if of_files.starts_with(Exec::PREFIX) {
            // Who writes a network's files has no business in starting commands here.
            return Err(ClientError::Network(
                "PROOF_SYSTEM in config.yaml names a command: only the setting proof-system may"
                    .to_owned(),
            ));
        }
        let name = asked.unwrap_or(of_files);
        let system =
            systems.by_name(name, scheme_of(self.preset)).map_err(|error| match asked {
                Some(_) => ClientError::setting("proof-system", error),
                None => ClientError::Network(format!("PROOF_SYSTEM in config.yaml: {error}")),
            })?;
        if system.name() != of_files {
            tracing::warn!(
                asked = name,
                of_files,
                "the network's files name another proof system than the setting proof-system: \
                 nodes that follow the files refuse this node's blocks"
            );
        }
        Ok(system)
    }
}

/// The names of the nodes whose keys the file has.
fn names(config: &ValidatorConfig) -> PeerNames {
    PeerNames::new(config.nodes.iter().filter_map(|node| {
        let peer = node.key.as_ref()?.peer_id();
        Some((peer, node.name.clone()))
    }))
}

/// The preset that is asked for, or the one whose lifetime the manifest of the keys' folder names.
///
/// # Errors
/// [`ClientError::File`] for a folder or a manifest that cannot be read, or a lifetime that no preset
/// has.
pub fn preset_of(
    asked: Option<SignaturePreset>,
    keys_dir: Option<&Path>,
) -> Result<SignaturePreset, ClientError> {
    match (asked, keys_dir) {
        (Some(preset), _) => Ok(preset),
        (None, Some(folder)) => Ok(KeyManifest::preset_of(folder)?),
        (None, None) => Ok(SignaturePreset::Production),
    }
}

/// Records and multiaddrs: those that are named, themselves or by their file, or those of the
/// folder's file.
fn bootnodes(
    named: Option<&[String]>,
    in_folder: Option<PathBuf>,
) -> Result<Vec<String>, ClientError> {
    let Some(named) = named else {
        let Some(path) = in_folder else { return Ok(Vec::new()) };
        return Ok(Bootnodes::read(&path)?.0);
    };
    let mut nodes = Vec::new();
    for (at, text) in named.iter().map(|text| text.trim()).enumerate() {
        if text.is_empty() {
            let reason = format!(
                "entry {} of {} is empty: name files, records or multiaddrs with a comma between \
                 them, or `none` for no bootnodes",
                at + 1,
                named.len()
            );
            return Err(ClientError::setting("bootnodes", reason));
        }
        if text.eq_ignore_ascii_case("none") {
            continue;
        }
        match Path::new(text) {
            // A dangling link counts as a path, and reading it reports the error.
            path if path.symlink_metadata().is_ok() => nodes.extend(Bootnodes::read(path)?.0),
            // Parsing it reports what is wrong.
            _ => nodes.push(text.to_owned()),
        }
    }
    Ok(nodes)
}
