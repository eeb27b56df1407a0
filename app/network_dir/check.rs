//! What the files of a network have to agree on.

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    path::{Path, PathBuf},
};

use quintet_components::containers::ValidatorIndex;

use super::{
    ANNOTATED_VALIDATORS, AnnotatedValidators, CONFIG, GenesisFile, NodeConfig, NodeValidators,
    VALIDATOR_CONFIG, VALIDATORS, ValidatorConfig, yaml::NetworkFileError,
};

/// Names that an error lists at most.
const SHOWN_NAMES: usize = 16;

/// A network's files that are at hand, each with its path.
#[derive(Clone, Debug)]
pub struct NetworkFiles {
    /// `config.yaml`.
    pub genesis: (PathBuf, GenesisFile),
    /// `annotated_validators.yaml`.
    pub annotated: Option<(PathBuf, AnnotatedValidators)>,
    /// `validators.yaml`.
    pub validators: Option<(PathBuf, NodeValidators)>,
    /// `validator-config.yaml`.
    pub config: Option<(PathBuf, ValidatorConfig)>,
}

impl NetworkFiles {
    /// Reads the files of a network's folder, those that are there, and checks them.
    ///
    /// # Errors
    /// [`NetworkFileError`].
    pub fn read(folder: &Path) -> Result<Self, NetworkFileError> {
        let named = |name: &str| existing(folder.join(name));
        Self::read_named(
            folder.join(CONFIG),
            named(ANNOTATED_VALIDATORS),
            named(VALIDATORS),
            named(VALIDATOR_CONFIG),
        )
    }

    /// Reads these files, and checks them.
    ///
    /// # Errors
    /// [`NetworkFileError`].
    pub fn read_named(
        genesis: PathBuf,
        annotated: Option<PathBuf>,
        validators: Option<PathBuf>,
        config: Option<PathBuf>,
    ) -> Result<Self, NetworkFileError> {
        let files = Self {
            genesis: located(genesis, GenesisFile::read)?,
            annotated: annotated
                .map(|path| located(path, AnnotatedValidators::read))
                .transpose()?,
            validators: validators.map(|path| located(path, NodeValidators::read)).transpose()?,
            config: config.map(|path| located(path, ValidatorConfig::read)).transpose()?,
        };
        files.check()?;
        Ok(files)
    }

    /// The entry of a node in `validator-config.yaml`; `None` without this file.
    ///
    /// # Errors
    /// The file is there and does not name the node.
    pub fn node(&self, name: &str) -> Result<Option<&NodeConfig>, NetworkFileError> {
        let Some((path, config)) = &self.config else { return Ok(None) };
        match config.node(name) {
            Some(node) => Ok(Some(node)),
            None => {
                let names = config.nodes.iter().map(|node| node.name.as_str());
                Err(NetworkFileError::content(path, no_such_node(name, names)))
            }
        }
    }

    /// The committees that the files name.
    pub fn committee_count(&self) -> Option<u64> {
        let config = self.config.as_ref().and_then(|(_, it)| it.attestation_committee_count);
        self.genesis.1.attestation_committee_count.or(config)
    }

    fn check(&self) -> Result<(), NetworkFileError> {
        self.check_keys()?;
        self.check_committees()?;
        self.check_nodes()?;
        let annotated = self.check_annotated()?;
        self.check_lists(annotated.as_ref())
    }

    /// A key that stands in two places would sign two messages for one slot, which gives it away.
    fn check_keys(&self) -> Result<(), NetworkFileError> {
        let (path, genesis) = &self.genesis;
        let mut places = HashMap::with_capacity(2 * genesis.validators.len());
        for (at, keys) in genesis.validators.iter().enumerate() {
            for (key, role) in [(keys.attestation, "attestation"), (keys.proposal, "proposal")] {
                let place = format!("GENESIS_VALIDATORS[{at}].{role}_pubkey");
                if let Some(before) = places.insert(key, place.clone()) {
                    let reason = format!(
                        "{before} and {place} are the same key, which would sign twice for a \
                         slot: every validator needs two keys of its own"
                    );
                    return Err(NetworkFileError::content(path, reason));
                }
            }
        }
        Ok(())
    }

    fn check_committees(&self) -> Result<(), NetworkFileError> {
        let (one, genesis) = &self.genesis;
        let Some((other, config)) = &self.config else { return Ok(()) };
        match (genesis.attestation_committee_count, config.attestation_committee_count) {
            (Some(first), Some(second)) if first != second => {
                Err(NetworkFileError::Contradiction {
                    one: one.clone(),
                    other: other.clone(),
                    reason: format!(
                        "ATTESTATION_COMMITTEE_COUNT is {first}, and \
                         config.attestation_committee_count is {second}"
                    ),
                })
            }
            _ => Ok(()),
        }
    }

    /// Of two nodes of one name only one would be started; two of one identity shut each other
    /// out.
    fn check_nodes(&self) -> Result<(), NetworkFileError> {
        let Some((path, config)) = &self.config else { return Ok(()) };
        let (mut names, mut keys) = (HashMap::new(), HashMap::new());
        for (at, node) in config.nodes.iter().enumerate() {
            if let Some(before) = names.insert(&node.name, at) {
                let reason = format!(
                    "validators[{before}].name and validators[{at}].name are both {:?}",
                    node.name
                );
                return Err(NetworkFileError::content(path, reason));
            }
            let key = node.key.as_ref().map(|key| *key.bytes());
            if let Some(before) = key.and_then(|key| keys.insert(key, at)) {
                let reason = format!(
                    "validators[{before}].privkey and validators[{at}].privkey are the same: \
                     every node needs an identity of its own"
                );
                return Err(NetworkFileError::content(path, reason));
            }
        }
        Ok(())
    }

    /// Each validator's node with the place that says so, by the annotated list.
    fn check_annotated(
        &self,
    ) -> Result<Option<BTreeMap<ValidatorIndex, (&str, String)>>, NetworkFileError> {
        let Some((path, annotated)) = &self.annotated else { return Ok(None) };
        let mut owners: BTreeMap<ValidatorIndex, (&str, String)> = BTreeMap::new();
        for (node, rows) in &annotated.nodes {
            annotated.key_files(node, &self.genesis.1)?;
            for (at, row) in rows.iter().enumerate() {
                let place = format!("{node}[{at}]");
                // A validator has a row for each of its keys.
                let (owner, before) =
                    owners.entry(row.index).or_insert_with(|| (node.as_str(), place.clone()));
                if *owner != node.as_str() {
                    return Err(NetworkFileError::content(
                        path,
                        two_nodes(row.index, before, &place),
                    ));
                }
            }
        }
        Ok(Some(owners))
    }

    /// The list without keys names each validator once, and the node that the annotated one names.
    fn check_lists(
        &self,
        annotated: Option<&BTreeMap<ValidatorIndex, (&str, String)>>,
    ) -> Result<(), NetworkFileError> {
        let Some((path, validators)) = &self.validators else { return Ok(()) };
        let mut places: HashMap<ValidatorIndex, String> = HashMap::new();
        for (node, indices) in &validators.0 {
            for (at, index) in indices.iter().enumerate() {
                let place = format!("{node}[{at}]");
                match places.entry(*index) {
                    Entry::Occupied(before) => {
                        let reason = two_nodes(*index, before.get(), &place);
                        return Err(NetworkFileError::content(path, reason));
                    }
                    Entry::Vacant(free) => _ = free.insert(place.clone()),
                }
                let owner = annotated.and_then(|owners| owners.get(index));
                if let (Some((owner, row)), Some((other, _))) = (owner, &self.annotated)
                    && owner != node
                {
                    return Err(NetworkFileError::Contradiction {
                        one: path.clone(),
                        other: other.clone(),
                        reason: format!(
                            "validator {index} is at {place} in one and at {row} in the other"
                        ),
                    });
                }
            }
        }
        Ok(())
    }
}

/// The path, if there is anything.
pub(super) fn existing(path: PathBuf) -> Option<PathBuf> {
    // A link that leads nowhere is something, too: reading it says so.
    path.symlink_metadata().is_ok().then_some(path)
}

fn located<T>(
    path: PathBuf,
    read: impl FnOnce(&Path) -> Result<T, NetworkFileError>,
) -> Result<(PathBuf, T), NetworkFileError> {
    let content = read(&path)?;
    Ok((path, content))
}

fn two_nodes(index: ValidatorIndex, one: &str, other: &str) -> String {
    format!(
        "validator {index} is at {one} and at {other}: signed for by both, its keys would be given \
         away"
    )
}

/// That a file does not name a node.
pub(super) fn no_such_node<'a>(
    name: &str,
    names: impl ExactSizeIterator<Item = &'a str>,
) -> String {
    let count = names.len();
    if count == 0 {
        return format!("there is no node {name:?}: the file names none");
    }
    let shown: Vec<_> = names.take(SHOWN_NAMES).collect();
    let more = match count - shown.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("there is no node {name:?}, only {}{more}", shown.join(", "))
}
