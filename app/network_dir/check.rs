//! Checks that the files of a network agree.

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    io,
    path::{Path, PathBuf},
};

use quintet_components::containers::ValidatorIndex;

use super::{
    ANNOTATED_VALIDATORS, AnnotatedValidators, CONFIG, GenesisFile, NodeConfig, NodeValidators,
    VALIDATOR_CONFIG, VALIDATORS, ValidatorConfig, yaml::NetworkFileError,
};

/// Names that an error lists at most.
const SHOWN_NAMES: usize = 16;

/// Each validator's node, and the place that says so.
type Owners<'a> = BTreeMap<ValidatorIndex, (&'a str, String)>;

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
            named(ANNOTATED_VALIDATORS)?,
            named(VALIDATORS)?,
            named(VALIDATOR_CONFIG)?,
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
        self.check_numbers()?;
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

    /// Checks that names, identities and addresses of nodes are unique. Only one of two nodes with
    /// one name would be started, and two with one identity would shut each other out.
    fn check_nodes(&self) -> Result<(), NetworkFileError> {
        let Some((path, config)) = &self.config else { return Ok(()) };
        let (mut names, mut keys, mut addresses) = (HashMap::new(), HashMap::new(), HashMap::new());
        for (at, node) in config.nodes.iter().enumerate() {
            if node.name.trim().is_empty() {
                let reason =
                    format!("validators[{at}].name is empty: a node is started by its name");
                return Err(NetworkFileError::content(path, reason));
            }
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
            let address = node.ip.zip(node.quic_port.filter(|port| *port > 0));
            if let Some((ip, port)) = address
                && let Some(before) = addresses.insert((ip, port), at)
            {
                let reason = format!(
                    "validators[{before}].enrFields and validators[{at}].enrFields are both {ip}, \
                     port {port}: only one of the nodes could listen there"
                );
                return Err(NetworkFileError::content(path, reason));
            }
        }
        Ok(())
    }

    /// Each validator's node with the place that says so, by the annotated list.
    fn check_annotated(&self) -> Result<Option<Owners<'_>>, NetworkFileError> {
        let Some((path, annotated)) = &self.annotated else { return Ok(None) };
        let mut owners = Owners::new();
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

    /// The list without keys names each validator of the genesis once, and the node that the
    /// annotated one names.
    fn check_lists(&self, annotated: Option<&Owners<'_>>) -> Result<(), NetworkFileError> {
        let Some((path, validators)) = &self.validators else { return Ok(()) };
        let registered = self.genesis.1.validators.len();
        let mut places: HashMap<ValidatorIndex, String> = HashMap::new();
        for (node, indices) in &validators.0 {
            for (at, index) in indices.iter().enumerate() {
                let place = format!("{node}[{at}]");
                if usize::try_from(*index).is_ok_and(|index| index >= registered) {
                    return Err(NetworkFileError::Contradiction {
                        one: path.clone(),
                        other: self.genesis.0.clone(),
                        reason: format!(
                            "{place} is validator {index}, and GENESIS_VALIDATORS has {registered}"
                        ),
                    });
                }
                match places.entry(*index) {
                    Entry::Occupied(before) => {
                        let reason = two_nodes(*index, before.get(), &place);
                        return Err(NetworkFileError::content(path, reason));
                    }
                    Entry::Vacant(free) => _ = free.insert(place.clone()),
                }
                self.check_owner(path, (node, *index, &place), annotated)?;
            }
        }
        if places.len() < registered {
            tracing::warn!(
                path = %path.display(),
                "{} of the {registered} validators belong to no node of the list: nobody signs for \
                 them, unless another list has them",
                registered - places.len()
            );
        }
        Ok(())
    }

    /// A row of the list without keys has a row in the annotated list, under the same node. The
    /// annotated list may leave out whole nodes: those of other operators.
    fn check_owner(
        &self,
        list: &Path,
        (node, index, place): (&str, ValidatorIndex, &str),
        annotated: Option<&Owners<'_>>,
    ) -> Result<(), NetworkFileError> {
        let (Some((other, rows)), Some(owners)) = (&self.annotated, annotated) else {
            return Ok(());
        };
        let reason = match owners.get(&index) {
            Some((owner, row)) if *owner != node => {
                format!("validator {index} is at {place} in one and at {row} in the other")
            }
            None if rows.nodes.contains_key(node) => format!(
                "validator {index} is at {place} in one, and {node} has no row for it in the \
                 other: the node would not sign for it"
            ),
            _ => return Ok(()),
        };
        let (one, other) = (list.to_owned(), other.clone());
        Err(NetworkFileError::Contradiction { one, other, reason })
    }
}

/// The path, if there is anything. A link that leads nowhere is something, too: reading it says so.
///
/// # Errors
/// [`NetworkFileError::Io`]: it cannot be known, for example because a folder may not be entered.
pub fn existing(path: PathBuf) -> Result<Option<PathBuf>, NetworkFileError> {
    match path.symlink_metadata() {
        Ok(_) => Ok(Some(path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(NetworkFileError::Io { path, source }),
    }
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

/// The error text for a node that a file does not name.
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
