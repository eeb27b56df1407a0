//! The files, as a node wants to know them.

use std::{collections::BTreeMap, net::IpAddr, path::Path};

use quintet_components::{
    constants::VALIDATOR_REGISTRY_LIMIT,
    containers::{PublicKey, Validator, ValidatorIndex, Validators},
};
use quintet_plugins::network::MAX_COMMITTEES;
use serde::Deserialize;

use super::{
    NodeKey, NodeRecord,
    yaml::{ByName, Flag, KeyText, List, NetworkFileError, Number, Text, read},
};

/// `config.yaml`: the genesis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenesisFile {
    /// Unix time of slot 0 in seconds.
    pub genesis_time: u64,
    /// Committees, and so subnets, of attestations.
    pub attestation_committee_count: Option<u64>,
    /// Base-2 logarithm of the slots that the keys were made for.
    pub active_epoch: Option<u64>,
    /// The most distinct attestation data of a block.
    pub max_attestations_data: Option<u64>,
    /// The proof system of the network's blocks, where it is not the usual one.
    pub proof_system: Option<String>,
    /// The validators' keys by index.
    pub validators: Vec<GenesisKeys>,
}

/// A validator's public keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GenesisKeys {
    /// Verifies attestations.
    pub attestation: PublicKey,
    /// Verifies blocks.
    pub proposal: PublicKey,
}

#[derive(Deserialize)]
#[serde(expecting = "the settings of a genesis, as config.yaml has them")]
struct GenesisForm {
    #[serde(rename = "GENESIS_TIME")]
    genesis_time: Number<u64>,
    #[serde(rename = "ATTESTATION_COMMITTEE_COUNT")]
    attestation_committee_count: Option<Number<u64>>,
    #[serde(rename = "ACTIVE_EPOCH")]
    active_epoch: Option<Number<u64>>,
    #[serde(rename = "VALIDATOR_COUNT")]
    validator_count: Option<Number<usize>>,
    #[serde(rename = "NUM_VALIDATORS")]
    num_validators: Option<Number<usize>>,
    #[serde(rename = "MAX_ATTESTATIONS_DATA")]
    max_attestations_data: Option<Number<u64>>,
    #[serde(rename = "PROOF_SYSTEM")]
    proof_system: Option<Text>,
    #[serde(rename = "GENESIS_VALIDATORS", default)]
    validators: List<GenesisKeysForm>,
}

#[derive(Deserialize)]
#[serde(expecting = "a validator's two public keys")]
struct GenesisKeysForm {
    #[serde(alias = "attestation_public_key")]
    attestation_pubkey: KeyText,
    #[serde(alias = "proposal_public_key")]
    proposal_pubkey: KeyText,
}

impl GenesisFile {
    /// Reads the file.
    ///
    /// # Errors
    /// [`NetworkFileError`].
    pub fn read(path: &Path) -> Result<Self, NetworkFileError> {
        let form: GenesisForm = read(path)?;
        let wrong = |reason: String| Err(NetworkFileError::content(path, reason));
        let found = form.validators.0.len();
        if found > VALIDATOR_REGISTRY_LIMIT {
            return wrong(format!(
                "GENESIS_VALIDATORS has {found} entries, and a network at most \
                 {VALIDATOR_REGISTRY_LIMIT}"
            ));
        }
        let counts =
            [("VALIDATOR_COUNT", form.validator_count), ("NUM_VALIDATORS", form.num_validators)];
        for (name, count) in counts {
            if let Some(Number(count)) = count.filter(|count| count.0 != found) {
                return wrong(format!("{name} is {count}, but GENESIS_VALIDATORS has {found}"));
            }
        }
        let number = |number: Option<Number<u64>>| number.map(|number| number.0);
        let committees = number(form.attestation_committee_count);
        check_committees("ATTESTATION_COMMITTEE_COUNT", committees)
            .map_err(|reason| NetworkFileError::content(path, reason))?;
        Ok(Self {
            genesis_time: form.genesis_time.0,
            attestation_committee_count: committees,
            active_epoch: number(form.active_epoch),
            max_attestations_data: number(form.max_attestations_data),
            proof_system: form.proof_system.map(|name| name.0),
            validators: form
                .validators
                .0
                .into_iter()
                .map(|keys| GenesisKeys {
                    attestation: keys.attestation_pubkey.0,
                    proposal: keys.proposal_pubkey.0,
                })
                .collect(),
        })
    }

    /// The registry at genesis.
    ///
    /// # Errors
    /// More than 4096 validators.
    pub fn registry(&self) -> Result<Validators, String> {
        let validators = (0..).zip(&self.validators).map(|(index, keys)| Validator {
            attestation_public_key: keys.attestation,
            proposal_public_key: keys.proposal,
            index,
        });
        Validators::new(validators.collect())
    }
}

/// A network has at least one committee.
fn check_committees(name: &str, count: Option<u64>) -> Result<(), String> {
    match count {
        Some(count) if !(1..=MAX_COMMITTEES).contains(&count) => {
            Err(format!("{name} is {count}, and a network has 1 to {MAX_COMMITTEES} committees"))
        }
        _ => Ok(()),
    }
}

/// `validators.yaml`: each node's validators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeValidators(pub BTreeMap<String, Vec<ValidatorIndex>>);

impl NodeValidators {
    /// Reads the file.
    ///
    /// # Errors
    /// [`NetworkFileError`].
    pub fn read(path: &Path) -> Result<Self, NetworkFileError> {
        let form: ByName<List<Number<u64>>> = read(path)?;
        let indices = |list: List<Number<u64>>| list.0.into_iter().map(|index| index.0).collect();
        Ok(Self(form.0.into_iter().map(|(name, list)| (name, indices(list))).collect()))
    }
}

/// `nodes.yaml`: the addresses of the nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bootnodes(pub Vec<String>);

impl Bootnodes {
    /// Reads the file: ENRs, which are checked, and multiaddrs.
    ///
    /// # Errors
    /// [`NetworkFileError`].
    pub fn read(path: &Path) -> Result<Self, NetworkFileError> {
        let List(entries) = read::<List<Text>>(path)?;
        let mut nodes = Vec::with_capacity(entries.len());
        for (at, Text(entry)) in entries.into_iter().enumerate() {
            let entry = entry.trim();
            if entry.eq_ignore_ascii_case("none") {
                continue;
            }
            if entry.is_empty() {
                let reason = format!("[{at}] is empty: expected enr:-… or /ip4/…, or none");
                return Err(NetworkFileError::content(path, reason));
            }
            if !entry.starts_with('/') {
                entry.parse::<NodeRecord>().map_err(|reason| {
                    NetworkFileError::content(
                        path,
                        format!("[{at}]: expected enr:-… or /ip4/…: {reason}"),
                    )
                })?;
            }
            nodes.push(entry.to_owned());
        }
        Ok(Self(nodes))
    }
}

/// `validator-config.yaml`: the ports, key and role of each node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidatorConfig {
    /// Base-2 logarithm of the slots that keys are made for.
    pub active_epoch: Option<u64>,
    /// Committees of attestations.
    pub attestation_committee_count: Option<u64>,
    /// The nodes.
    pub nodes: Vec<NodeConfig>,
}

/// The entry of a node in `validator-config.yaml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeConfig {
    /// Its name, by which launchers choose it.
    pub name: String,
    /// Its identity.
    pub key: Option<NodeKey>,
    /// Its address.
    pub ip: Option<IpAddr>,
    /// Its QUIC port.
    pub quic_port: Option<u16>,
    /// The port of its metrics.
    pub metrics_port: Option<u16>,
    /// The port of its HTTP API.
    pub api_port: Option<u16>,
    /// True if it aggregates.
    pub is_aggregator: bool,
    /// The number of its validators, if the file has it.
    pub validator_count: Option<u64>,
}

#[derive(Deserialize)]
#[serde(expecting = "the settings of nodes, as validator-config.yaml has them")]
struct ValidatorConfigForm {
    #[serde(default)]
    config: Option<SharedForm>,
    #[serde(default)]
    validators: List<NodeForm>,
}

#[derive(Default, Deserialize)]
#[serde(expecting = "settings of all nodes")]
struct SharedForm {
    #[serde(rename = "activeEpoch")]
    active_epoch: Option<Number<u64>>,
    attestation_committee_count: Option<Number<u64>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "the settings of a node")]
struct NodeForm {
    name: Text,
    privkey: Option<Text>,
    #[serde(default)]
    enr_fields: Option<EnrForm>,
    metrics_port: Option<Number<u16>>,
    api_port: Option<Number<u16>>,
    http_port: Option<Number<u16>>,
    #[serde(alias = "is_aggregator", default)]
    is_aggregator: Flag,
    count: Option<Number<u64>>,
}

#[derive(Deserialize)]
#[serde(expecting = "a node's ip and quic port")]
struct EnrForm {
    ip: Option<Number<IpAddr>>,
    quic: Option<Number<u16>>,
}

impl ValidatorConfig {
    /// Reads the file.
    ///
    /// # Errors
    /// [`NetworkFileError`].
    pub fn read(path: &Path) -> Result<Self, NetworkFileError> {
        let form: ValidatorConfigForm = read(path)?;
        let shared = form.config.unwrap_or_default();
        let node = |(at, node): (usize, NodeForm)| {
            let key = node.privkey.map(|Text(text)| text.parse::<NodeKey>()).transpose();
            let key = key.map_err(|reason| {
                NetworkFileError::content(path, format!("validators[{at}].privkey: {reason}"))
            })?;
            let (ip, quic) = node.enr_fields.map_or((None, None), |enr| (enr.ip, enr.quic));
            Ok(NodeConfig {
                name: node.name.0,
                key,
                ip: ip.map(|ip| ip.0),
                quic_port: quic.map(|port| port.0),
                metrics_port: node.metrics_port.map(|port| port.0),
                api_port: node.api_port.or(node.http_port).map(|port| port.0),
                is_aggregator: node.is_aggregator.0,
                validator_count: node.count.map(|count| count.0),
            })
        };
        let committees = shared.attestation_committee_count.map(|number| number.0);
        check_committees("config.attestation_committee_count", committees)
            .map_err(|reason| NetworkFileError::content(path, reason))?;
        Ok(Self {
            active_epoch: shared.active_epoch.map(|number| number.0),
            attestation_committee_count: committees,
            nodes: form
                .validators
                .0
                .into_iter()
                .enumerate()
                .map(node)
                .collect::<Result<_, NetworkFileError>>()?,
        })
    }

    /// The node of this name.
    pub fn node(&self, name: &str) -> Option<&NodeConfig> {
        self.nodes.iter().find(|node| node.name == name)
    }
}

/// `validator-keys-manifest.yaml`: the list of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyManifest {
    /// The facts that hold for all keys.
    pub header: ManifestHeader,
    /// Each validator's keys.
    pub validators: Vec<ManifestEntry>,
}

/// The facts that hold for all keys of a manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ManifestHeader {
    /// Slots of the scheme.
    pub lifetime: Option<u64>,
    /// Base-2 logarithm of the slots that the keys were made for.
    pub log_num_active_epochs: Option<u64>,
}

/// A validator's keys in a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestEntry {
    /// The validator.
    pub index: ValidatorIndex,
    /// Its attester's public key.
    pub attester: PublicKey,
    /// Its attester's secret key's file.
    pub attester_file: Option<String>,
    /// Its proposer's public key.
    pub proposer: PublicKey,
    /// Its proposer's secret key's file.
    pub proposer_file: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "a manifest of keys")]
struct ManifestForm {
    lifetime: Option<Number<u64>>,
    log_num_active_epochs: Option<Number<u64>>,
    #[serde(default)]
    validators: List<ManifestEntryForm>,
}

#[derive(Deserialize)]
#[serde(expecting = "a validator's keys")]
struct ManifestEntryForm {
    index: Number<u64>,
    #[serde(alias = "attestation_public_key_hex")]
    attester_key_pubkey_hex: KeyText,
    #[serde(alias = "attestation_private_key_file")]
    attester_key_privkey_file: Option<Text>,
    #[serde(alias = "proposal_public_key_hex")]
    proposer_key_pubkey_hex: KeyText,
    #[serde(alias = "proposal_private_key_file")]
    proposer_key_privkey_file: Option<Text>,
}

impl KeyManifest {
    /// Reads the file.
    ///
    /// # Errors
    /// [`NetworkFileError`].
    pub fn read(path: &Path) -> Result<Self, NetworkFileError> {
        let form: ManifestForm = read(path)?;
        let entry = |entry: ManifestEntryForm| ManifestEntry {
            index: entry.index.0,
            attester: entry.attester_key_pubkey_hex.0,
            attester_file: entry.attester_key_privkey_file.map(|file| file.0),
            proposer: entry.proposer_key_pubkey_hex.0,
            proposer_file: entry.proposer_key_privkey_file.map(|file| file.0),
        };
        Ok(Self {
            header: ManifestHeader {
                lifetime: form.lifetime.map(|number| number.0),
                log_num_active_epochs: form.log_num_active_epochs.map(|number| number.0),
            },
            validators: form.validators.0.into_iter().map(entry).collect(),
        })
    }
}
