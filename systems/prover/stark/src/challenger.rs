//! The transcript, from which the verifier's challenges are drawn.

use p3_blake3::Blake3;
use p3_challenger::{
    ByteGrindingChallenger, CanObserve, CanSample, HashChallenger, SerializingChallenger32,
};
use p3_field::PrimeCharacteristicRing;
use rayon::prelude::*;

use crate::{claims::Claims, config::Security, field::F};

/// The first bytes of a transcript. Another version of the tables has another name.
const NAME: &[u8] = b"quintet-stark xmss v2";
/// Candidates for a proof of work that are tried together.
const GRINDING_BATCH: u64 = 1 << 12;

pub(crate) type Challenger = SerializingChallenger32<F, Bytes>;

/// The transcript as bytes, under BLAKE3.
#[derive(Clone, Debug)]
pub(crate) struct Bytes(HashChallenger<u8, Blake3, 32>);

/// A transcript that has taken all that both sides know: system, preset, security, claims.
pub(crate) fn challenger(claims: &Claims, security: Security) -> Challenger {
    let bytes = HashChallenger::new(NAME.to_vec(), Blake3);
    let mut challenger = Challenger::new(Bytes(bytes));
    let numbers = [
        claims.shape.log_lifetime,
        claims.shape.dimension,
        claims.shape.target_sum,
        security.log_blowup,
        security.queries,
        security.grinding_bits,
        security.batch_grinding_bits,
        security.fold_grinding_bits,
        security.lookup_grinding_bits,
        claims.statements.len(),
    ];
    challenger.observe_slice(&numbers.map(F::from_usize));
    for statement in &claims.statements {
        // A slot may be as large as the field.
        let halves = [statement.slot & 0xffff, statement.slot >> 16].map(F::from_u32);
        challenger.observe_slice(&halves);
        challenger.observe_slice(&statement.message);
        challenger.observe(F::from_usize(statement.keys.len()));
        for key in &statement.keys {
            challenger.observe_slice(&key.root);
            challenger.observe_slice(&key.parameter);
        }
    }
    challenger
}

impl CanObserve<u8> for Bytes {
    fn observe(&mut self, value: u8) {
        self.0.observe(value);
    }

    fn observe_slice(&mut self, values: &[u8]) {
        self.0.observe_slice(values);
    }
}

impl CanSample<u8> for Bytes {
    fn sample(&mut self) -> u8 {
        self.0.sample()
    }
}

impl ByteGrindingChallenger for Bytes {
    /// The smallest candidate that passes, so that a proof is the same whenever it is made.
    fn find_witness<const W: usize, const S: usize>(
        &self,
        num_candidates: u64,
        encode: impl Fn(u64) -> [u8; W] + Sync,
        accepts: impl Fn([u8; S]) -> bool + Sync,
    ) -> Option<u64> {
        let passes = |candidate: &u64| {
            let mut transcript = self.clone();
            transcript.observe_slice(&encode(*candidate));
            accepts(transcript.sample_array())
        };
        let mut batches = (0..num_candidates.div_ceil(GRINDING_BATCH)).map(|batch| {
            let first = batch * GRINDING_BATCH;
            first..(first + GRINDING_BATCH).min(num_candidates)
        });
        batches.find_map(|batch| batch.into_par_iter().find_first(passes))
    }
}
