//! The parts of the proof system: hashes, commitments, the low-degree test.

use p3_batch_stark::BatchProof;
use p3_blake3::Blake3;
use p3_commit::ExtensionMmcs;
use p3_dft::Radix2DitParallel;
use p3_fri::{FriParameters, TwoAdicFriPcs};
use p3_merkle_tree::MerkleTreeMmcs;
use p3_symmetric::{CompressionFunctionFromHasher, SerializingHasher};
use p3_uni_stark::StarkConfig;

use crate::{
    challenger::Challenger,
    field::{Extension, F},
    tables::MIN_LOG_HEIGHT,
    watch::{Watch, Watched},
};

type LeafHash = SerializingHasher<Blake3>;
type NodeHash = CompressionFunctionFromHasher<Blake3, 2, 32>;
/// Merkle trees over BLAKE3, with digests of 256 bits. Rows of at most 1024 bytes are hashed side by
/// side: no table is wider.
type Commitments = MerkleTreeMmcs<F, u8, LeafHash, NodeHash, 2, 32>;
type ExtensionCommitments = ExtensionMmcs<F, Extension, Commitments>;
/// The commitment scheme under its watch.
pub(crate) type Inner = TwoAdicFriPcs<F, Radix2DitParallel<F>, Commitments, ExtensionCommitments>;

pub(crate) type Config = StarkConfig<Watched, Extension, Challenger>;
pub(crate) type Proof = BatchProof<Config>;

/// The logarithm of how many roots stand for a Merkle tree: so many levels are in no opening.
pub(crate) const CAP_HEIGHT: usize = 2;
/// The logarithm of how much a step of the low-degree test folds, at most.
pub(crate) const MAX_LOG_ARITY: usize = 3;

/// The security of the low-degree test, and its cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Security {
    /// The logarithm of how many times longer a codeword is than what it encodes.
    pub(crate) log_blowup: usize,
    /// Places at which the low-degree test looks.
    pub(crate) queries: usize,
    /// Bits of work before the places are known.
    pub(crate) grinding_bits: usize,
    /// Bits of work before the challenge that joins all that is opened.
    pub(crate) batch_grinding_bits: usize,
    /// Bits of work before each challenge that folds a codeword.
    pub(crate) fold_grinding_bits: usize,
    /// Bits of work before the challenges of the lookups.
    pub(crate) lookup_grinding_bits: usize,
}

impl Security {
    /// 100 bits for the largest proof, as `tests/security.rs` computes them under the conjecture on
    /// random words; `docs/proofs.md` says what speaks for it.
    pub(crate) const CONJECTURED_100: Self = Self {
        log_blowup: 3,
        queries: 29,
        grinding_bits: 16,
        batch_grinding_bits: 10,
        fold_grinding_bits: 4,
        lookup_grinding_bits: 4,
    };

    /// The parts, with a transcript that starts as `challenger` is.
    pub(crate) fn config(self, challenger: Challenger, watch: Watch) -> Config {
        let commitments =
            Commitments::new(LeafHash::new(Blake3), NodeHash::new(Blake3), CAP_HEIGHT);
        let parameters = FriParameters {
            log_blowup: self.log_blowup,
            log_final_poly_len: MIN_LOG_HEIGHT - 1,
            max_log_arity: MAX_LOG_ARITY,
            num_queries: self.queries,
            batch_proof_of_work_bits: self.batch_grinding_bits,
            commit_proof_of_work_bits: self.fold_grinding_bits,
            query_proof_of_work_bits: self.grinding_bits,
            mmcs: ExtensionCommitments::new(commitments.clone()),
        };
        let inner = Inner::new(Radix2DitParallel::default(), commitments, parameters);
        Config::new(Watched::new(inner, watch), challenger)
            .with_lookup_proof_of_work_bits(self.lookup_grinding_bits)
    }
}
