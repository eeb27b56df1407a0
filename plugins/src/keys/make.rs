//! Makes keys, as files in a folder.

use std::{
    ops::Range,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use leansig::{
    KeyGenError, KeyGenOptions, Progress,
    keys::{self, KeyFileError, KeyKind, file_names, read_secret_key},
    scheme::{Scheme, SecretKey},
};
use quintet_components::{
    containers::{PublicKey, ValidatorIndex},
    duties::Role,
};
use rand::{SeedableRng, rngs::StdRng};
use sha2::{Digest, Sha256};

use super::load::file_role;
use crate::text::make_folder;

/// Base-2 logarithm of the largest number of slots for which a key is made. It is 24: making a
/// production key for more takes hours.
pub const MAX_ACTIVE_SLOTS_LOG: u32 = 24;
/// Changes when the same seed gives different keys.
const CACHE_VERSION: u32 = 1;

/// Options for making keys.
#[derive(Clone, Copy)]
pub struct MakeOptions<'a> {
    /// The scheme.
    pub scheme: Scheme,
    /// The first slot that the keys sign for.
    pub first_slot: u64,
    /// The number of slots that they sign for, from the first; extended to whole bottom trees.
    pub slots: u64,
    /// The seed of the keys. Anyone who knows it knows the keys, so it is for local networks only.
    /// Without it the keys are random.
    pub seed: Option<u64>,
    /// The folder in which keys of a seed are cached.
    pub cache: Option<&'a Path>,
    /// The number of threads, at most one per core; 0 for all cores.
    pub threads: usize,
    /// Called as work is done, from several threads.
    pub progress: Option<&'a (dyn Fn(MakeProgress) + Sync)>,
    /// Set it to stop.
    pub cancel: Option<&'a AtomicBool>,
}

/// The progress of making keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MakeProgress {
    /// Finished keys.
    pub keys_done: u64,
    /// All keys.
    pub keys: u64,
    /// Keys that came from the cache.
    pub cached: u64,
    /// The finished slots of the current key.
    pub slots_done: u64,
    /// The slots of a key.
    pub slots: u64,
}

/// A validator's new keys, and the names of their files in the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeKeys {
    /// The validator.
    pub index: ValidatorIndex,
    /// Verifies its attestations.
    pub attester: PublicKey,
    /// Verifies its blocks.
    pub proposer: PublicKey,
    /// The attester secret key's file name.
    pub attester_file: String,
    /// The proposer secret key's file name.
    pub proposer_file: String,
}

/// The reason keys were not made.
#[derive(Debug, thiserror::Error)]
pub enum MakeKeysError {
    /// The slots are invalid, or the work was cancelled.
    #[error(transparent)]
    KeyGen(#[from] KeyGenError),
    /// A key could not be read or written.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// A folder could not be created, or a file could not be copied.
    #[error("{}: {source}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// The error.
        source: std::io::Error,
    },
    /// The threads cannot be started.
    #[error("the threads to make keys cannot be started: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
}

/// Makes both keys of each validator, one key after the other, each on all threads. Replaces files
/// with the same names.
///
/// # Errors
/// [`MakeKeysError`].
pub fn make_keys(
    folder: &Path,
    validators: Range<ValidatorIndex>,
    options: &MakeOptions<'_>,
) -> Result<Vec<MadeKeys>, MakeKeysError> {
    for folder in [Some(folder), options.cache].into_iter().flatten() {
        make_folder(folder)
            .map_err(|source| MakeKeysError::Io { path: folder.to_owned(), source })?;
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads(options.threads)).build()?;
    let mut maker = Maker {
        folder,
        options,
        pool,
        keys: 2 * (validators.end.saturating_sub(validators.start)),
        done: 0,
        cached: 0,
    };
    validators
        .map(|index| {
            let (attester, attester_file) = maker.make(index, Role::Attester)?;
            let (proposer, proposer_file) = maker.make(index, Role::Proposer)?;
            Ok(MadeKeys { index, attester, proposer, attester_file, proposer_file })
        })
        .collect()
}

/// The threads to make keys with. More than there are cores gain nothing: to start many thousands
/// takes minutes.
fn threads(asked: usize) -> usize {
    asked.min(std::thread::available_parallelism().map_or(1, usize::from))
}

struct Maker<'a> {
    folder: &'a Path,
    options: &'a MakeOptions<'a>,
    pool: rayon::ThreadPool,
    keys: u64,
    done: u64,
    cached: u64,
}

impl Maker<'_> {
    fn make(
        &mut self,
        index: ValidatorIndex,
        role: Role,
    ) -> Result<(PublicKey, String), MakeKeysError> {
        let name = |kind| file_names(index, file_role(role), kind).swap_remove(0);
        let (secret, public) = (name(KeyKind::Secret), name(KeyKind::Public));
        let path = self.folder.join(&secret);
        let cached = self.cached_path(index, role);
        let kept = cached.as_deref().and_then(|cached| self.kept(cached, index, role));
        let key = match kept {
            Some(key) => {
                self.cached += 1;
                key
            }
            None => {
                let key = self.generate(index, role)?;
                if let Some(cached) = &cached {
                    keys::write_secret_key(cached, &key)?;
                }
                key
            }
        };
        match &cached {
            Some(cached) => place(cached, &path)?,
            None => keys::write_secret_key(&path, &key)?,
        }
        keys::write_public_key(&self.folder.join(public), &key.public_key())?;
        self.done += 1;
        self.report(0);
        Ok((PublicKey::from(key.public_key()), secret))
    }

    fn report(&self, slots_done: u64) {
        if let Some(progress) = self.options.progress {
            progress(MakeProgress {
                keys_done: self.done,
                keys: self.keys,
                cached: self.cached,
                slots_done,
                slots: self.options.slots,
            });
        }
    }

    fn generate(&self, index: ValidatorIndex, role: Role) -> Result<SecretKey, KeyGenError> {
        let MakeOptions { scheme, first_slot, slots, seed, cancel, .. } = *self.options;
        let mut rng = match seed {
            Some(seed) => StdRng::from_seed(self.key_seed(seed, index, role)),
            None => rand::make_rng(),
        };
        let progress = |Progress { done, total }: Progress| {
            // Extended to whole trees, there may be more slots than requested.
            self.report(done.saturating_mul(slots) / total.max(1));
        };
        let options = KeyGenOptions { pool: Some(&self.pool), progress: Some(&progress), cancel };
        SecretKey::generate(scheme, &mut rng, first_slot, slots, &options)
    }

    /// The seed of one key: a hash of everything that distinguishes it from other keys.
    fn key_seed(&self, seed: u64, index: ValidatorIndex, role: Role) -> [u8; 32] {
        let MakeOptions { scheme, first_slot, slots, .. } = *self.options;
        let mut hash = Sha256::new();
        hash.update(b"quintet key of a local network");
        hash.update(role.name());
        for number in [u64::from(CACHE_VERSION), seed, index, scheme.lifetime(), first_slot, slots]
        {
            hash.update(number.to_le_bytes());
        }
        hash.finalize().into()
    }

    fn cached_path(&self, index: ValidatorIndex, role: Role) -> Option<PathBuf> {
        let MakeOptions { scheme, first_slot, slots, .. } = *self.options;
        let seed = self.options.seed?;
        let (lifetime, role) = (scheme.lifetime().ilog2(), role.name());
        let name = format!(
            "v{CACHE_VERSION}-{lifetime}-{first_slot}-{slots}-{seed}-{index}-{role}_sk.ssz"
        );
        Some(self.options.cache?.join(name))
    }

    /// The key in the cache, unless it is missing, damaged or a different one: somebody may have
    /// copied a file over it.
    fn kept(&self, path: &Path, index: ValidatorIndex, role: Role) -> Option<SecretKey> {
        if !path.exists() {
            return None;
        }
        let MakeOptions { scheme, first_slot, slots, seed, .. } = *self.options;
        let key = read_secret_key(scheme, path, None)
            .inspect_err(|error| tracing::warn!(%error, "a cached key is made again"))
            .ok()?;
        let mut rng = StdRng::from_seed(self.key_seed(seed?, index, role));
        if key.comes_from(&mut rng, first_slot, slots) {
            return Some(key);
        }
        let path = path.display();
        tracing::warn!(%path, "a cached key does not match its seed, and is made again");
        None
    }
}

/// Copies a cached key's file to its place, which takes no room if the file system shares blocks.
/// It never makes a second name of the same file: copying one key over another would then change
/// the cache too.
fn place(cached: &Path, path: &Path) -> Result<(), MakeKeysError> {
    let io = |source| MakeKeysError::Io { path: path.to_owned(), source };
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(error)),
        _ => {}
    }
    std::fs::copy(cached, path).map(drop).map_err(|source| {
        // What is there of it, as on a full disk, is no key. If this fails too, the reported error
        // is enough.
        let _ = std::fs::remove_file(path);
        io(source)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_no_more_threads_than_cores() {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        assert_eq!(threads(usize::MAX), cores);
        assert_eq!(threads(1), 1);
        assert_eq!(threads(0), 0, "all cores");
    }
}
