//! Loads secret keys from files, and checks them against the registry.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use leansig::{
    KeyGenOptions,
    keys::{self, KeyFileError, KeyKind, find_file},
    scheme::{Scheme, SecretKey},
};
use quintet_components::{
    containers::{PublicKey, Slot, ValidatorIndex, Validators},
    duties::Role,
};

use super::window::WindowedKey;

/// The number of errors of a load that are shown; further ones are counted.
const SHOWN_ERRORS: usize = 8;

/// The files of a validator's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFiles {
    /// The validator.
    pub index: ValidatorIndex,
    /// The attester key's file. If absent, every usual name in the folder is tried.
    pub attester: Option<PathBuf>,
    /// The proposer key's file; the same applies.
    pub proposer: Option<PathBuf>,
}

/// Options for loading keys.
pub struct LoadOptions<'a> {
    /// The network's scheme.
    pub scheme: Scheme,
    /// The folder for files without a path and for relative paths.
    pub folder: &'a Path,
    /// The number of threads that read and check keys, at most one per core. Each one holds a file
    /// of up to 67 MB.
    pub threads: usize,
    /// The slot for which keys are prepared.
    pub slot: Slot,
    /// Called from these threads for each finished key.
    pub progress: Option<&'a (dyn Fn(LoadProgress) + Sync)>,
}

/// The progress of loading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadProgress {
    /// Keys that were loaded or refused.
    pub done: usize,
    /// Keys to load.
    pub total: usize,
}

/// Keys that match the registry.
pub struct LoadedKeys {
    pub(super) keys: Vec<WindowedKey>,
}

/// The reason a key was not loaded. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum KeyLoadError {
    /// The registry does not have the validator.
    #[error(
        "validator {index} is not in the registry, which has {count}: the list of this node's \
         validators belongs to another genesis"
    )]
    Unregistered {
        /// The validator.
        index: ValidatorIndex,
        /// Validators in the registry.
        count: usize,
    },
    /// There is no file.
    #[error(
        "{}: no {role} key of validator {index}; copy it there, for example as \
         validator_{index}_{role}_key_sk.ssz",
        folder.display()
    )]
    Missing {
        /// The folder that was searched.
        folder: PathBuf,
        /// The validator.
        index: ValidatorIndex,
        /// `attester` or `proposer`.
        role: &'static str,
    },
    /// The file cannot be read.
    #[error("{}: cannot be read: {reason}; check that it is there and readable by this user", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error.
        reason: String,
    },
    /// The file has no key.
    #[error(
        "{}: not a secret key: {reason}. The file is damaged or cut short: copy it again from where \
         it was made",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// The key belongs to another scheme.
    #[error(
        "{}: a key of lifetime 2^{}, but this network's keys have 2^{}: choose the preset that the \
         keys were made with, or the keys of this network",
        path.display(), log_lifetime(*found), log_lifetime(*expected)
    )]
    OtherScheme {
        /// The file.
        path: PathBuf,
        /// The network's scheme.
        expected: Scheme,
        /// The scheme of the key.
        found: Scheme,
    },
    /// The file has the validator's other key.
    #[error(
        "{}: this is validator {index}'s {found} key, where its {expected} key should be: the two \
         files are swapped; exchange their names, or the rows in annotated_validators.yaml",
        path.display()
    )]
    Swapped {
        /// The file.
        path: PathBuf,
        /// The validator.
        index: ValidatorIndex,
        /// The expected role.
        expected: &'static str,
        /// The role of the key in the registry.
        found: &'static str,
    },
    /// The key is not the one in the registry.
    #[error(
        "{}: not the {role} key of validator {index} in the registry{}. Put the key of this \
         genesis there, or start with the genesis of this key",
        path.display(),
        owner.map_or_else(String::new, |(owner, role)| {
            format!(", but the {role} key of validator {owner}")
        })
    )]
    OtherKey {
        /// The file.
        path: PathBuf,
        /// The validator.
        index: ValidatorIndex,
        /// `attester` or `proposer`.
        role: &'static str,
        /// The owner of the key, if the registry has it.
        owner: Option<(ValidatorIndex, &'static str)>,
    },
    /// The key cannot be prepared.
    #[error(
        "{}: cannot be prepared for slot {slot}: {reason}; restore the file from a backup",
        path.display()
    )]
    Window {
        /// The file.
        path: PathBuf,
        /// The slot.
        slot: Slot,
        /// The reason.
        reason: String,
    },
}

/// All errors of a set of keys.
#[derive(Debug)]
pub struct KeyLoadErrors(pub Vec<KeyLoadError>);

impl std::error::Error for KeyLoadErrors {}

impl fmt::Display for KeyLoadErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.0.iter().take(SHOWN_ERRORS).enumerate() {
            write!(f, "{}{error}", if at == 0 { "" } else { "\n" })?;
        }
        match self.0.len().checked_sub(SHOWN_ERRORS) {
            Some(more) if more > 0 => write!(f, "\nand {more} more"),
            _ => Ok(()),
        }
    }
}

const fn log_lifetime(scheme: Scheme) -> u32 {
    scheme.lifetime().ilog2()
}

/// Loads both keys of each validator, in parallel, and checks them against the registry.
///
/// # Errors
/// All errors of all keys.
pub fn load_keys(
    validators: &[KeyFiles],
    registry: &Validators,
    options: &LoadOptions<'_>,
) -> Result<LoadedKeys, KeyLoadErrors> {
    let wanted: Vec<_> = validators
        .iter()
        .flat_map(|files| {
            [
                (files.index, Role::Attester, files.attester.as_deref()),
                (files.index, Role::Proposer, files.proposer.as_deref()),
            ]
        })
        .collect();
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let outcomes = Mutex::new(Vec::with_capacity(wanted.len()));
    let work = || {
        while let Some((index, role, file)) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
            let outcome = load_key(*index, *role, *file, registry, options);
            outcomes.lock().unwrap_or_else(PoisonError::into_inner).push(outcome);
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            if let Some(progress) = options.progress {
                progress(LoadProgress { done, total: wanted.len() });
            }
        }
    };
    // More threads than cores gain nothing, and each holds a file.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = options.threads.clamp(1, cores).min(wanted.len().max(1));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let (mut keys, mut errors) = (Vec::new(), Vec::new());
    for outcome in outcomes.into_inner().unwrap_or_else(PoisonError::into_inner) {
        match outcome {
            Ok(key) => keys.push(key),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() {
        keys.sort_by_key(|key| (key.index, key.role));
        Ok(LoadedKeys { keys })
    } else {
        errors.sort_by_cached_key(ToString::to_string);
        Err(KeyLoadErrors(errors))
    }
}

fn load_key(
    index: ValidatorIndex,
    role: Role,
    file: Option<&Path>,
    registry: &Validators,
    options: &LoadOptions<'_>,
) -> Result<WindowedKey, KeyLoadError> {
    let count = registry.len();
    let validator = registry.get(index).ok_or(KeyLoadError::Unregistered { index, count })?;
    let (expected, other) = match role {
        Role::Attester => (validator.attestation_public_key, validator.proposal_public_key),
        Role::Proposer => (validator.proposal_public_key, validator.attestation_public_key),
    };
    let path = match file {
        Some(file) => options.folder.join(file),
        None => find(options.folder, index, role)?,
    };
    let key = read(&path, role, options.scheme)?;
    let found = PublicKey::from(key.public_key());
    if found == expected {
        let key = WindowedKey::new(index, role, key, path.clone());
        return prepare(key, path, options.slot);
    }
    if found == other {
        let other = match role {
            Role::Attester => Role::Proposer,
            Role::Proposer => Role::Attester,
        };
        return Err(KeyLoadError::Swapped {
            path,
            index,
            expected: role.name(),
            found: other.name(),
        });
    }
    let owner = owner_of(registry, &found);
    Err(KeyLoadError::OtherKey { path, index, role: role.name(), owner })
}

/// The key's file in the folder, by its usual names.
fn find(folder: &Path, index: ValidatorIndex, role: Role) -> Result<PathBuf, KeyLoadError> {
    if let Some(path) = find_file(folder, index, file_role(role), KeyKind::Secret) {
        return Ok(path);
    }
    let folder = folder.to_owned();
    Err(match std::fs::metadata(&folder) {
        Ok(_) => KeyLoadError::Missing { folder, index, role: role.name() },
        Err(error) => KeyLoadError::Unreadable { path: folder, reason: error.to_string() },
    })
}

fn owner_of(registry: &Validators, key: &PublicKey) -> Option<(ValidatorIndex, &'static str)> {
    registry.iter().find_map(|validator| {
        if validator.attestation_public_key == *key {
            Some((validator.index, Role::Attester.name()))
        } else if validator.proposal_public_key == *key {
            Some((validator.index, Role::Proposer.name()))
        } else {
            None
        }
    })
}

fn read(path: &Path, role: Role, scheme: Scheme) -> Result<SecretKey, KeyLoadError> {
    let read = |scheme| keys::read_secret_key(scheme, path, Some(file_role(role)));
    let path = path.to_owned();
    match read(scheme) {
        Ok(key) => Ok(key),
        Err(KeyFileError::Io { source, .. }) => {
            Err(KeyLoadError::Unreadable { path, reason: source.to_string() })
        }
        Err(error @ KeyFileError::TooLarge { .. }) => {
            Err(KeyLoadError::Damaged { path, reason: error.to_string() })
        }
        Err(KeyFileError::Content { source, .. }) => {
            let others = [Scheme::Lifetime8, Scheme::Lifetime18, Scheme::Lifetime32];
            match others.into_iter().find(|other| *other != scheme && read(*other).is_ok()) {
                Some(found) => Err(KeyLoadError::OtherScheme { path, expected: scheme, found }),
                None => Err(KeyLoadError::Damaged { path, reason: source.to_string() }),
            }
        }
    }
}

/// Advances the window to the slot, because a file has the window with which the key was made.
fn prepare(key: WindowedKey, path: PathBuf, slot: Slot) -> Result<WindowedKey, KeyLoadError> {
    while key.is_due(slot) {
        let moved = key.advance_if(|key| key.is_due(slot), &KeyGenOptions::default());
        if let Err(error) = moved {
            return Err(KeyLoadError::Window { path, slot, reason: error.to_string() });
        }
    }
    Ok(key)
}

pub(super) const fn file_role(role: Role) -> keys::Role {
    match role {
        Role::Attester => keys::Role::Attestation,
        Role::Proposer => keys::Role::Proposal,
    }
}
