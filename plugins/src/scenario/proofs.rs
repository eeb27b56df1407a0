//! The check of a vector's proofs. The vector decides; no proof is tried in both ways.

use leansig::scheme::Scheme;
use quintet_components::{containers::Root, preset::SignaturePreset};
use quintet_prover::{
    CancelToken, Child, Multisig, ProofSystem, ProveError, RawSignature, Statement, VerifyError,
};
use quintet_systems::verification::scheme_of;
use serde_json::Value;

use super::{
    placeholder::{self, PlaceholderProofs},
    read::{ReadError, optional},
};

/// The kind of a vector's proofs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProofKind {
    /// All are placeholders.
    Placeholder,
    /// All are real.
    Real,
    /// The vector does not say. A proof that begins like a placeholder is one, and others are real.
    Tagged,
}

impl ProofKind {
    /// Reads `proofSetting`, if it is there: 0 for placeholders, 1 and 2 for real proofs. With 2
    /// the proofs are invalid.
    ///
    /// # Errors
    /// It has another value.
    pub(super) fn read(case: &Value) -> Result<Self, ReadError> {
        match optional::<u64>(case, "proofSetting")? {
            None => Ok(Self::Tagged),
            Some(0) => Ok(Self::Placeholder),
            Some(1 | 2) => Ok(Self::Real),
            Some(other) => Err(ReadError(format!("proofSetting: {other} is none of 0, 1 and 2"))),
        }
    }

    /// Returns true if a proof has to be a placeholder.
    pub(super) fn wants_placeholder(self, proof: &[u8]) -> bool {
        match self {
            Self::Placeholder => true,
            Self::Real => false,
            Self::Tagged => proof.starts_with(placeholder::PREFIX),
        }
    }
}

/// The preset of `leanEnv`, if it is there, else this one.
///
/// # Errors
/// It has another value than `test` and `prod`.
pub(super) fn preset_of(
    case: &Value,
    or_else: SignaturePreset,
) -> Result<SignaturePreset, ReadError> {
    match optional::<String>(case, "leanEnv")?.as_deref() {
        None => Ok(or_else),
        Some("test") => Ok(SignaturePreset::Test),
        Some("prod") => Ok(SignaturePreset::Production),
        Some(other) => Err(ReadError(format!("leanEnv: {other:?} is neither test nor prod"))),
    }
}

/// The proof system of a scenario's world. It checks the vector's proofs, and makes placeholders,
/// which never leave the world.
#[derive(Clone, Debug)]
pub(super) struct ScenarioProofs {
    kind: ProofKind,
    real: Multisig<Scheme>,
}

impl ScenarioProofs {
    pub(super) fn new(kind: ProofKind, preset: SignaturePreset) -> Self {
        Self { kind, real: Multisig::new(scheme_of(preset)) }
    }
}

/// The proof that a scenario makes for a block, because the vector does not contain the block's
/// own.
pub(super) fn block_stand_in(root: Root) -> Vec<u8> {
    placeholder::placeholder_of(&root.to_string())
}

impl ProofSystem for ScenarioProofs {
    fn name(&self) -> &'static str {
        "scenario"
    }

    fn aggregate(
        &self,
        statement: &Statement<'_>,
        children: &[Child<'_>],
        signatures: &[RawSignature<'_>],
        cancel: &CancelToken,
    ) -> Result<Vec<u8>, ProveError> {
        PlaceholderProofs.aggregate(statement, children, signatures, cancel)
    }

    fn merge(
        &self,
        parts: &[(Statement<'_>, &[u8])],
        cancel: &CancelToken,
    ) -> Result<Vec<u8>, ProveError> {
        PlaceholderProofs.merge(parts, cancel)
    }

    fn split(
        &self,
        proof: &[u8],
        statements: &[Statement<'_>],
        index: usize,
        cancel: &CancelToken,
    ) -> Result<Vec<u8>, ProveError> {
        PlaceholderProofs.split(proof, statements, index, cancel)
    }

    fn verify_single(&self, statement: &Statement<'_>, proof: &[u8]) -> Result<(), VerifyError> {
        if self.kind.wants_placeholder(proof) {
            PlaceholderProofs.verify_single(statement, proof)
        } else {
            self.real.verify_single(statement, proof)
        }
    }

    /// Only a block has such a proof. Its last statement is the proposer's, about the block's root.
    fn verify_multi(&self, statements: &[Statement<'_>], proof: &[u8]) -> Result<(), VerifyError> {
        let root = statements.last().map(|proposal| Root::from(proposal.message));
        if root.is_some_and(|root| proof == block_stand_in(root)) {
            return Ok(());
        }
        Err(VerifyError::Invalid("not the proof that the driver gave to this block".into()))
    }
}
