//! The claims of a proof, as elements of the field.

use leansig::relation::{
    DIGEST_LEN, MESSAGE_LEN, PARAMETER_LEN, PublicKeyParts, Shape, message_elements,
};
use leansig::scheme::Scheme;
use p3_field::PrimeCharacteristicRing;

use crate::{MAX_CLAIMS, MAX_SIGNATURES, field::F};

/// Each of these keys signed this message at this slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim<'a> {
    /// The slot: the signatures' epoch.
    pub slot: u32,
    /// The message.
    pub message: [u8; 32],
    /// The signers' encoded keys, in the order in which the claim lists them, at least one.
    pub public_keys: Vec<&'a [u8]>,
}

/// Claims that no proof can be about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// There are too few or too many.
    #[error("{0} claims, expected 1 to {MAX_CLAIMS}")]
    Claims(usize),
    /// A claim has no key.
    #[error("claim {0} has no key")]
    Empty(usize),
    /// There are too many keys in all claims together.
    #[error("{0} keys, expected at most {MAX_SIGNATURES}")]
    Keys(usize),
    /// The scheme has no such slot.
    #[error("claim {claim}: slot {slot} is past the scheme's lifetime of {lifetime} slots")]
    Slot {
        /// The claim.
        claim: usize,
        /// Its slot.
        slot: u32,
        /// Slots that the scheme has.
        lifetime: u64,
    },
    /// A key is no encoding of one.
    #[error("claim {claim}: key {key}: {reason}")]
    Key {
        /// The claim.
        claim: usize,
        /// The key.
        key: usize,
        /// The reason.
        reason: String,
    },
}

/// A claim's elements.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub(crate) slot: u32,
    pub(crate) message: [F; MESSAGE_LEN],
    pub(crate) keys: Vec<PublicKeyParts>,
}

/// All that a proof is about: the claims, in order. A signature has the number that its key has when
/// the claims' keys are counted through.
#[derive(Clone, Debug)]
pub(crate) struct Claims {
    pub(crate) shape: Shape,
    pub(crate) statements: Vec<Statement>,
}

impl Claims {
    pub(crate) fn new(scheme: Scheme, claims: &[Claim<'_>]) -> Result<Self, ClaimError> {
        if !(1..=MAX_CLAIMS).contains(&claims.len()) {
            return Err(ClaimError::Claims(claims.len()));
        }
        if let Some(empty) = claims.iter().position(|claim| claim.public_keys.is_empty()) {
            return Err(ClaimError::Empty(empty));
        }
        let keys = claims.iter().fold(0usize, |sum, claim| sum + claim.public_keys.len());
        if keys > MAX_SIGNATURES {
            return Err(ClaimError::Keys(keys));
        }
        let statements =
            claims.iter().enumerate().map(|(index, claim)| statement(scheme, index, claim));
        Ok(Self { shape: scheme.shape(), statements: statements.collect::<Result<_, _>>()? })
    }

    /// One claim with one key, of no meaning: what is the same for all claims can be seen with it.
    pub(crate) fn any(scheme: Scheme) -> Self {
        let key =
            PublicKeyParts { root: [F::ZERO; DIGEST_LEN], parameter: [F::ZERO; PARAMETER_LEN] };
        let statement = Statement { slot: 0, message: [F::ZERO; MESSAGE_LEN], keys: vec![key] };
        Self { shape: scheme.shape(), statements: vec![statement] }
    }

    /// Signatures in all.
    pub(crate) fn signatures(&self) -> usize {
        self.statements.iter().map(|statement| statement.keys.len()).sum()
    }

    /// For each signature its claim's number, its statement and its key.
    pub(crate) fn signers(&self) -> impl Iterator<Item = (usize, &Statement, &PublicKeyParts)> {
        self.statements.iter().enumerate().flat_map(|(index, statement)| {
            statement.keys.iter().map(move |key| (index, statement, key))
        })
    }
}

fn statement(scheme: Scheme, index: usize, claim: &Claim<'_>) -> Result<Statement, ClaimError> {
    let lifetime = scheme.lifetime();
    if u64::from(claim.slot) >= lifetime {
        return Err(ClaimError::Slot { claim: index, slot: claim.slot, lifetime });
    }
    let keys = claim.public_keys.iter().enumerate().map(|(key, bytes)| {
        scheme.key_parts(bytes).map_err(|error| ClaimError::Key {
            claim: index,
            key,
            reason: error.to_string(),
        })
    });
    Ok(Statement {
        slot: claim.slot,
        message: message_elements(&claim.message),
        keys: keys.collect::<Result<_, _>>()?,
    })
}
