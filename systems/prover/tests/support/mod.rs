//! A cheap signature scheme, and what the tests and the fuzz targets do with it.
// Each test uses a part of it, and its numbers are small.
#![allow(dead_code, unreachable_pub, missing_docs, clippy::cast_possible_truncation)]

pub mod cases;
pub mod hostile;
pub mod hostile_proofs;
pub mod seal;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use quintet_prover::{CancelToken, Multisig, RawSignature, Refused, SignatureCheck, SignedItem};
use quintet_prover::{Child, ProofSystem, ProveError, Statement};

pub const KEY_LEN: usize = 4;
pub const SIGNATURE_LEN: usize = 6;
pub const SLOT: u64 = 7;
pub const MESSAGE: [u8; 32] = [9; 32];

/// Signatures that anybody can make, and a count of those that were checked.
#[derive(Clone, Debug, Default)]
pub struct Fake {
    pub checked: Arc<AtomicUsize>,
}

impl Fake {
    pub fn checked(&self) -> usize {
        self.checked.load(Ordering::Relaxed)
    }
}

impl SignatureCheck for Fake {
    fn public_key_len(&self) -> usize {
        KEY_LEN
    }

    fn signature_len(&self) -> usize {
        SIGNATURE_LEN
    }

    fn check(&self, items: &[SignedItem<'_>]) -> Result<(), Refused> {
        self.checked.fetch_add(items.len(), Ordering::Relaxed);
        for (index, (key, epoch, message, signature)) in items.iter().enumerate() {
            if *signature != sign(key, *epoch, message) {
                return Err(Refused { index, reason: "forged".to_owned() });
            }
        }
        Ok(())
    }
}

/// The signature of a key: a hash of everything that it binds.
pub fn sign(key: &[u8], epoch: u32, message: &[u8; 32]) -> [u8; SIGNATURE_LEN] {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in key.iter().chain(&epoch.to_le_bytes()).chain(message) {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    let bytes = hash.to_be_bytes();
    std::array::from_fn(|index| bytes[index])
}

/// Keys of validators `0..count`.
pub fn keys(count: usize) -> Vec<[u8; KEY_LEN]> {
    (0..count).map(|index| (index as u32).to_le_bytes()).collect()
}

/// A system over the cheap scheme, its counter and its validators.
#[derive(Debug)]
pub struct World {
    pub fake: Fake,
    pub system: Multisig<Fake>,
    pub keys: Vec<[u8; KEY_LEN]>,
}

impl World {
    pub fn new(validators: usize) -> Self {
        let fake = Fake::default();
        Self { system: Multisig::new(fake.clone()), fake, keys: keys(validators) }
    }

    /// The statement that these validators signed the usual message at the usual slot.
    pub fn statement(&self, validators: &[usize]) -> Statement<'_> {
        self.statement_of(validators, SLOT, MESSAGE)
    }

    pub fn statement_of(
        &self,
        validators: &[usize],
        slot: u64,
        message: [u8; 32],
    ) -> Statement<'_> {
        let public_keys = validators.iter().map(|&index| &self.keys[index][..]).collect();
        Statement { slot, message, public_keys }
    }

    /// Every signature of a statement, in order.
    pub fn signatures(statement: &Statement<'_>) -> Vec<[u8; SIGNATURE_LEN]> {
        let epoch = statement.slot as u32;
        statement.public_keys.iter().map(|key| sign(key, epoch, &statement.message)).collect()
    }

    /// A proof of a statement from fresh signatures alone.
    pub fn prove(&self, statement: &Statement<'_>) -> Vec<u8> {
        let signatures = Self::signatures(statement);
        self.aggregate(statement, &[], &raw(&signatures)).expect("the inputs are whole")
    }

    /// A proof that these validators signed the usual message at the usual slot.
    pub fn proof(&self, validators: &[usize]) -> Vec<u8> {
        self.prove(&self.statement(validators))
    }

    pub fn aggregate(
        &self,
        statement: &Statement<'_>,
        children: &[Child<'_>],
        signatures: &[RawSignature<'_>],
    ) -> Result<Vec<u8>, ProveError> {
        self.system.aggregate(statement, children, signatures, &CancelToken::default())
    }

    pub fn merge(&self, parts: &[(Statement<'_>, &[u8])]) -> Result<Vec<u8>, ProveError> {
        self.system.merge(parts, &CancelToken::default())
    }

    pub fn split(
        &self,
        proof: &[u8],
        statements: &[Statement<'_>],
        index: usize,
    ) -> Result<Vec<u8>, ProveError> {
        self.system.split(proof, statements, index, &CancelToken::default())
    }
}

/// Signatures of the signers `0..`.
pub fn raw(signatures: &[[u8; SIGNATURE_LEN]]) -> Vec<RawSignature<'_>> {
    signatures
        .iter()
        .enumerate()
        .map(|(signer, signature)| RawSignature { signer, signature })
        .collect()
}
