//! `annotated_validators.yaml`: each node's validators with their key files.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use leansig::keys::Role;
use quintet_components::containers::{PublicKey, ValidatorIndex};
use quintet_plugins::keys::KeyFiles;
use serde::Deserialize;

use super::{
    GenesisFile,
    check::no_such_node,
    yaml::{ByName, KeyText, List, NetworkFileError, Number, Text, read},
};

/// A key of a validator: there are two rows a validator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnnotatedRow {
    /// The validator.
    pub index: ValidatorIndex,
    /// The public key, where it is given.
    pub public_key: Option<PublicKey>,
    /// The secret key's file, where it is given.
    pub file: Option<String>,
}

/// Each node's rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnnotatedValidators {
    path: PathBuf,
    /// The rows by the node's name.
    pub nodes: BTreeMap<String, Vec<AnnotatedRow>>,
}

#[derive(Deserialize)]
#[serde(expecting = "a row with an index, pubkey_hex and privkey_file")]
struct RowForm {
    index: Number<u64>,
    pubkey_hex: Option<KeyText>,
    privkey_file: Option<Text>,
}

impl AnnotatedValidators {
    /// Reads the file.
    ///
    /// # Errors
    /// [`NetworkFileError`].
    pub fn read(path: &Path) -> Result<Self, NetworkFileError> {
        let ByName(nodes) = read::<ByName<List<RowForm>>>(path)?;
        let row = |row: RowForm| AnnotatedRow {
            index: row.index.0,
            public_key: row.pubkey_hex.map(|key| key.0),
            file: row.privkey_file.map(|file| file.0),
        };
        let nodes = nodes
            .into_iter()
            .map(|(name, List(rows))| (name, rows.into_iter().map(row).collect()))
            .collect();
        Ok(Self { path: path.to_owned(), nodes })
    }

    /// The key files of a node's validators, ascending. A row belongs to the role that its file's
    /// name says and its public key confirms; where the name says nothing, to the key's. A file
    /// that no row names is left to be looked for.
    ///
    /// # Errors
    /// The node is not there, or a row contradicts `config.yaml` or another row.
    pub fn key_files(
        &self,
        node: &str,
        genesis: &GenesisFile,
    ) -> Result<Vec<KeyFiles>, NetworkFileError> {
        let wrong = |reason: String| NetworkFileError::content(&self.path, reason);
        let rows = self
            .nodes
            .get(node)
            .ok_or_else(|| wrong(no_such_node(node, self.nodes.keys().map(String::as_str))))?;
        let mut files: BTreeMap<ValidatorIndex, KeyFiles> = BTreeMap::new();
        for (at, row) in rows.iter().enumerate() {
            let place = format!("{node}[{at}]");
            let index = row.index;
            let keys = usize::try_from(index).ok().and_then(|at| genesis.validators.get(at));
            let keys = keys
                .ok_or_else(|| wrong(format!("{place}: config.yaml has no validator {index}")))?;
            let by_name = row.file.as_deref().and_then(role_of_file);
            let by_key = match row.public_key {
                None => None,
                Some(key) if key == keys.attestation => Some(Role::Attestation),
                Some(key) if key == keys.proposal => Some(Role::Proposal),
                Some(_) => {
                    return Err(wrong(format!(
                        "{place}: pubkey_hex is neither key of validator {index} in config.yaml"
                    )));
                }
            };
            let role = match (by_name, by_key) {
                (Some(name), Some(key)) if name != key => {
                    return Err(wrong(format!(
                        "{place}: the file's name and pubkey_hex are of different roles; exchange \
                         the public keys of validator {index}'s rows"
                    )));
                }
                (name, key) => name.or(key),
            };
            let entry =
                files.entry(index).or_insert(KeyFiles { index, attester: None, proposer: None });
            // A row may have only the index of its validator: its files then have the usual names.
            let (Some(role), Some(file)) = (role, &row.file) else { continue };
            let slot = match role {
                Role::Attestation => &mut entry.attester,
                Role::Proposal => &mut entry.proposer,
            };
            if slot.replace(PathBuf::from(file)).is_some() {
                return Err(wrong(format!(
                    "{place}: a second row for the same key of validator {index}"
                )));
            }
        }
        Ok(files.into_values().collect())
    }
}

/// The role that a file's name says; the folders before it say nothing.
fn role_of_file(file: &str) -> Option<Role> {
    Role::from_file_name(Path::new(file).file_name()?.to_str()?)
}
