//! Key generation: all bottom trees of the activation, two of which are kept, and the top tree.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use p3_field::PrimeCharacteristicRing;
use rand::RngExt;
use rayon::prelude::*;
use thiserror::Error;

use crate::field::{DIGEST_LEN, Digest, F, Parameter};
use crate::leaf::compute_leaves;
use crate::packing::{LANES, count_u32};
use crate::params::Params;
use crate::prf::PrfKey;
use crate::signing_key::SigningKey;
use crate::tree::{SubTree, bottom_tree, top_tree};

/// The smallest number of tasks for a bottom tree's leaves, so that all threads have work.
const MIN_TASKS: usize = 32;
/// The most epochs of one task: a few milliseconds of work.
const MAX_CHUNK: usize = 4 * LANES;

/// The reason no key was made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyGenError {
    /// The scheme does not have the requested epochs.
    #[error(
        "{num_active_epochs} epochs from epoch {activation_epoch} exceed the lifetime of {lifetime} epochs"
    )]
    Activation {
        /// The first requested epoch.
        activation_epoch: u64,
        /// The number of requested epochs.
        num_active_epochs: u64,
        /// The number of epochs of the scheme.
        lifetime: u64,
    },
    /// The caller asked to stop.
    #[error("key generation was cancelled")]
    Cancelled,
    /// The seed of a damaged key gives a different bottom tree than the one in the key.
    #[error("the key is damaged: its seed does not belong to its top tree")]
    Damaged,
}

/// The progress of key generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// One-time keys made so far.
    pub done: u64,
    /// One-time keys to be made.
    pub total: u64,
}

/// Options of key generation.
#[derive(Clone, Copy, Default)]
pub struct KeyGenOptions<'a> {
    /// The threads to use; `None` for those of the calling thread's pool.
    pub pool: Option<&'a rayon::ThreadPool>,
    /// Called from the pool's threads as work completes. Calls may arrive out of order.
    pub progress: Option<&'a (dyn Fn(Progress) + Sync)>,
    /// Set this to stop. It is checked every few milliseconds.
    pub cancel: Option<&'a AtomicBool>,
}

impl std::fmt::Debug for KeyGenOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyGenOptions")
            .field("threads", &self.pool.map(rayon::ThreadPool::current_num_threads))
            .field("progress", &self.progress.is_some())
            .field("cancel", &self.cancel)
            .finish()
    }
}

impl KeyGenOptions<'_> {
    /// Runs work on the chosen threads.
    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        match self.pool {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }

    fn check_cancelled(&self) -> Result<(), KeyGenError> {
        match self.cancel {
            Some(cancel) if cancel.load(Ordering::Relaxed) => Err(KeyGenError::Cancelled),
            _ => Ok(()),
        }
    }
}

/// Counts one-time keys and reports them.
struct Meter<'a> {
    options: &'a KeyGenOptions<'a>,
    done: AtomicU64,
    total: u64,
}

impl Meter<'_> {
    fn add(&self, count: u64) {
        let done = self.done.fetch_add(count, Ordering::Relaxed) + count;
        if let Some(report) = self.options.progress {
            report(Progress { done, total: self.total });
        }
    }
}

/// Extends an activation to whole bottom trees, at least two. Returns the index of the first one
/// and the index after the last one.
pub(crate) fn expand_activation(
    params: &Params,
    activation_epoch: u64,
    num_active_epochs: u64,
) -> Result<(u64, u64), KeyGenError> {
    let lifetime = params.lifetime();
    let end = activation_epoch.checked_add(num_active_epochs).filter(|end| *end <= lifetime);
    let Some(end) = end else {
        return Err(KeyGenError::Activation { activation_epoch, num_active_epochs, lifetime });
    };
    let width = params.bottom_leaves();
    let trees = lifetime / width;
    let first = activation_epoch / width;
    let end = end.div_ceil(width).max(first + 2);
    // Trees past the end of the lifetime are replaced by trees at the front.
    let excess = end.saturating_sub(trees);
    Ok((first - excess, end - excess))
}

/// The parameter and the seed, from which a whole key is computed. They are the first draws from
/// `rng`.
pub(crate) fn draw_secrets<R: RngExt + ?Sized>(rng: &mut R) -> (Parameter, PrfKey) {
    let parameter: Parameter = rng.random();
    (parameter, PrfKey::random(rng))
}

/// Makes a key. The order of draws from `rng` is upstream's: parameter, seed, padding.
pub(crate) fn key_gen<R: RngExt + ?Sized>(
    params: &'static Params,
    rng: &mut R,
    activation_epoch: u64,
    num_active_epochs: u64,
    options: &KeyGenOptions<'_>,
) -> Result<SigningKey, KeyGenError> {
    let (first, end) = expand_activation(params, activation_epoch, num_active_epochs)?;
    let (parameter, prf_key) = draw_secrets(rng);
    let padding = draw_padding(rng, params.log_lifetime / 2, first, end);

    let width = params.bottom_leaves();
    let meter = Meter { options, done: AtomicU64::new(0), total: (end - first) * width };
    let build = |index| build_bottom_tree(params, &prf_key, &parameter, index, &meter);
    let (left, right, top) = options.run(|| {
        let (left, right) = (build(first)?, build(first + 1)?);
        let mut roots = vec![root_of(&left), root_of(&right)];
        // One tree after the other: each one has work for all threads and takes 4 MiB of memory.
        for index in first + 2..end {
            roots.push(root_of(&build(index)?));
        }
        let top = top_tree(params.log_lifetime, index_u32(first), &parameter, roots, padding);
        Ok::<_, KeyGenError>((left, right, top))
    })?;
    Ok(SigningKey {
        params,
        prf_key,
        parameter,
        activation_epoch: first * width,
        num_active_epochs: (end - first) * width,
        top_tree: top,
        left_bottom_tree_index: first,
        left_bottom_tree: left,
        right_bottom_tree: right,
    })
}

/// Random nodes in the place of neighbours that a top tree over some of the bottom trees lacks.
fn draw_padding<R: RngExt + ?Sized>(rng: &mut R, half: u32, first: u64, end: u64) -> Vec<Digest> {
    let (mut first, mut last) = (first, end - 1);
    let mut missing = 0;
    for _ in 0..=half {
        missing += first % 2 + (1 - last % 2);
        first /= 2;
        last /= 2;
    }
    (0..missing).map(|_| rng.random()).collect()
}

fn root_of(tree: &SubTree) -> Digest {
    *tree.root().expect("a tree is built up to its root")
}

fn index_u32(index: u64) -> u32 {
    u32::try_from(index).expect("a lifetime has at most 2^16 bottom trees")
}

/// Computes a bottom tree of a key.
pub(crate) fn bottom_tree_of(
    params: &Params,
    prf_key: &PrfKey,
    parameter: &Parameter,
    index: u64,
    options: &KeyGenOptions<'_>,
) -> Result<SubTree, KeyGenError> {
    let meter = Meter { options, done: AtomicU64::new(0), total: params.bottom_leaves() };
    build_bottom_tree(params, prf_key, parameter, index, &meter)
}

fn build_bottom_tree(
    params: &Params,
    prf_key: &PrfKey,
    parameter: &Parameter,
    index: u64,
    meter: &Meter<'_>,
) -> Result<SubTree, KeyGenError> {
    let half = params.log_lifetime / 2;
    let first_epoch = index_u32(index) << half;
    let mut leaves = vec![[F::ZERO; DIGEST_LEN]; 1 << half];
    let chunk_len = (leaves.len() / MIN_TASKS).clamp(LANES, MAX_CHUNK);
    leaves.par_chunks_mut(chunk_len).enumerate().try_for_each(|(chunk, leaves)| {
        meter.options.check_cancelled()?;
        let epoch = first_epoch + count_u32(chunk * chunk_len);
        compute_leaves(params, prf_key, parameter, epoch, leaves);
        meter.add(leaves.len() as u64);
        Ok(())
    })?;
    Ok(bottom_tree(params.log_lifetime, index_u32(index), parameter, leaves))
}
