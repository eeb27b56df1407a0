//! Signing.

use p3_field::{PackedValue, PrimeCharacteristicRing};

use super::SigningKey;
use crate::chain::{self, ChainJob};
use crate::encoding::{
    Codeword, MAX_HASH_ELEMENTS, RANDOMNESS_AT, decode_codeword, message_hash_input,
};
use crate::field::{DIGEST_LEN, F, Packed, RANDOMNESS_LEN, Randomness};
use crate::packing::LANES;
use crate::params::MAX_TRIES;
use crate::poseidon::compress_24;
use crate::prf::erase;
use crate::signature::SigningError;
use crate::wire::SignatureParts;

impl SigningKey {
    /// Signs. The same key, epoch and message always give the same signature.
    pub(crate) fn sign(
        &self,
        epoch: u32,
        message: &[u8; 32],
    ) -> Result<SignatureParts, SigningError> {
        let place = u64::from(epoch);
        let activation = self.activation();
        if !activation.contains(&place) {
            return Err(SigningError::EpochNotActive { epoch, activation });
        }
        let prepared = self.prepared();
        if !prepared.contains(&place) {
            return Err(SigningError::EpochNotPrepared { epoch, prepared });
        }
        let (rho, codeword) = self.find_codeword(epoch, message)?;

        let width = self.params.bottom_leaves();
        let bottom = if place < prepared.start + width {
            &self.left_bottom_tree
        } else {
            &self.right_bottom_tree
        };
        let mut path = Vec::with_capacity(self.params.path_len());
        bottom.path_from(place, &mut path);
        self.top_tree.path_from(place / width, &mut path);
        debug_assert_eq!(path.len(), self.params.path_len());

        Ok(SignatureParts { path, rho, hashes: self.walk_chains(epoch, &codeword) })
    }

    /// Tries one randomness after another until the message hash is a codeword. Returns the first.
    fn find_codeword(
        &self,
        epoch: u32,
        message: &[u8; 32],
    ) -> Result<(Randomness, Codeword), SigningError> {
        let mut derivation = self.prf_key.randomness(epoch, message);
        let input = message_hash_input(&self.parameter, epoch, message);
        let mut packed: [Packed; 24] = input.map(Packed::from);
        let mut rho = [Packed::ZERO; RANDOMNESS_LEN];
        for first in (0..MAX_TRIES).step_by(LANES) {
            derivation.attempts(&mut rho, first);
            packed[RANDOMNESS_AT..RANDOMNESS_AT + RANDOMNESS_LEN].copy_from_slice(&rho);
            let hashes: [Packed; MAX_HASH_ELEMENTS] = compress_24(&packed);
            for lane in 0..LANES {
                let hash = std::array::from_fn(|i| hashes[i].as_slice()[lane]);
                if let Some(codeword) = decode_codeword(self.params, &hash) {
                    return Ok((std::array::from_fn(|i| rho[i].as_slice()[lane]), codeword));
                }
            }
        }
        Err(SigningError::EncodingAttemptsExceeded {
            attempts: usize::try_from(MAX_TRIES).unwrap_or(usize::MAX),
        })
    }

    /// Walks every chain as far as the codeword says.
    fn walk_chains(&self, epoch: u32, codeword: &Codeword) -> Vec<[F; DIGEST_LEN]> {
        let mut derivation = self.prf_key.chain_starts();
        let mut starts = [Packed::ZERO; DIGEST_LEN];
        let mut jobs = Vec::with_capacity(self.params.dimension);
        for (chain_index, digit) in (0u8..).zip(&codeword[..self.params.dimension]) {
            let lane = usize::from(chain_index) % LANES;
            if lane == 0 {
                derivation
                    .starts(&mut starts, |lane| (epoch, u64::from(chain_index) + lane as u64));
            }
            jobs.push(ChainJob {
                parameter: &self.parameter,
                epoch,
                chain_index,
                step: 0,
                end: *digit,
                value: std::array::from_fn(|i| starts[i].as_slice()[lane]),
            });
        }
        erase(&mut starts);
        chain::walk(&mut jobs);
        jobs.iter().map(|job| job.value).collect()
    }
}
