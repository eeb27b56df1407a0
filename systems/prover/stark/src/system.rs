//! Making and checking proofs.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

use leansig::relation::SignatureParts;
use leansig::scheme::Scheme;
use p3_batch_stark::{
    CommonData, ProverData, ProverOnlyData, ProvingError, StarkInstance, prove_batch, verify_batch,
};
use p3_blake3::Blake3;
use p3_lookup::{LogUpGadget, Lookups};
use p3_matrix::dense::RowMajorMatrix;
use p3_symmetric::CryptographicHasher;

use crate::{
    ProveError, VerifyError,
    challenger::{Challenger, challenger},
    claims::{Claim, Claims},
    codec,
    config::{Proof, Security},
    field::{Extension, F},
    size,
    tables::{Checked, TABLES, Table, log_heights, tables},
    watch::{Phase, Stopped, Watch},
    witness,
    workers::Workers,
};

/// The lookups of each table. They depend on the preset alone.
type TableLookups = Vec<Lookups<F>>;

/// Makes and checks proofs for one preset of the signature scheme.
#[derive(Clone, Debug)]
pub struct Stark {
    pub(crate) scheme: Scheme,
    pub(crate) security: Security,
    /// The threads that prove; those that all share if there are none.
    pub(crate) workers: Option<Workers>,
}

impl Stark {
    /// Proofs of signatures of this preset.
    #[must_use]
    pub const fn new(scheme: Scheme) -> Self {
        Self { scheme, security: Security::CONJECTURED_100, workers: None }
    }

    /// The same, proved by these threads.
    #[must_use]
    pub fn with_workers(self, workers: Workers) -> Self {
        Self { workers: Some(workers), ..self }
    }

    /// Proves that each claim's keys signed it. `signatures` has an encoded signature for each key,
    /// claim by claim. The same inputs give the same proof. The proof was verified.
    ///
    /// It is made on the prover's own threads, which the calling one waits for.
    ///
    /// # Errors
    /// - [`ProveError::Claim`]: the claims are none that a proof can be about.
    /// - [`ProveError::Signature`]: a signature is not valid.
    /// - [`ProveError::Cancelled`]: `watch` said so at a phase.
    /// - [`ProveError::Refused`], [`ProveError::Failed`]: a defect of this crate.
    pub fn prove(
        &self,
        claims: &[Claim<'_>],
        signatures: &[&[u8]],
        watch: &Watch,
    ) -> Result<Vec<u8>, ProveError> {
        let claims = Claims::new(self.scheme, claims)?;
        let signatures = self.decode(&claims, signatures)?;
        let workers = self.workers.clone().unwrap_or_else(Workers::shared);
        workers.run(|| self.prove_decoded(&claims, &signatures, watch))
    }

    fn prove_decoded(
        &self,
        claims: &Claims,
        signatures: &[SignatureParts],
        watch: &Watch,
    ) -> Result<Vec<u8>, ProveError> {
        let enter = |phase| if watch(phase) { Ok(()) } else { Err(ProveError::Cancelled) };
        enter(Phase::Fill)?;
        let tables = tables(claims);
        let rows = witness::fill(claims, &tables, signatures).map_err(|(index, invalid)| {
            ProveError::Signature { index, reason: invalid.to_string() }
        })?;
        let challenger = challenger(claims, self.security);
        let proof = self.prove_rows(&tables, &rows, challenger.clone(), watch)?;
        enter(Phase::Check)?;
        self.check(claims, &tables, &proof, challenger).map_err(|error| ProveError::Refused {
            inputs: digest(claims, signatures),
            reason: error.to_string(),
        })?;
        Ok(proof)
    }

    /// Checks a proof of these claims in this order.
    ///
    /// # Errors
    /// - [`VerifyError::Claim`]: the claims are none that a proof can be about.
    /// - [`VerifyError::Malformed`]: the bytes are no proof.
    /// - [`VerifyError::Invalid`]: it is not a proof of these claims.
    pub fn verify(&self, claims: &[Claim<'_>], proof: &[u8]) -> Result<(), VerifyError> {
        let claims = Claims::new(self.scheme, claims)?;
        self.check(&claims, &tables(&claims), proof, challenger(&claims, self.security))
    }

    /// No proof has fewer bytes.
    #[must_use]
    pub fn least_bytes(&self) -> usize {
        size::least(self.security, &self.shapes(1, 1))
    }

    /// Bytes of a proof of so many signatures and claims, about.
    #[must_use]
    pub fn proof_bytes(&self, signatures: usize, claims: usize) -> usize {
        size::about(self.security, &self.shapes(signatures, claims))
    }

    /// Bytes of memory that proving so many signatures takes, beside the inputs.
    #[must_use]
    pub fn working_bytes(&self, signatures: usize) -> usize {
        size::memory(self.security, &self.shapes(signatures, 1))
    }

    pub(crate) fn shapes(&self, signatures: usize, claims: usize) -> [size::Shape; TABLES] {
        let preset = self.scheme.shape();
        size::shapes(self.security, &preset, lookups(self.scheme), signatures, claims)
    }

    fn decode(
        &self,
        claims: &Claims,
        signatures: &[&[u8]],
    ) -> Result<Vec<SignatureParts>, ProveError> {
        let (found, expected) = (signatures.len(), claims.signatures());
        if found != expected {
            return Err(ProveError::Signatures { found, expected });
        }
        let parts = signatures.iter().enumerate().map(|(index, bytes)| {
            self.scheme
                .signature_parts(bytes)
                .map_err(|error| ProveError::Signature { index, reason: error.to_string() })
        });
        parts.collect()
    }

    /// A proof of tables with these rows, on a transcript that starts as `challenger` is.
    pub(crate) fn prove_rows(
        &self,
        tables: &[Table; TABLES],
        rows: &[RowMajorMatrix<F>; TABLES],
        challenger: Challenger,
        watch: &Watch,
    ) -> Result<Vec<u8>, ProveError> {
        let config = self.security.config(challenger, watch.clone());
        let common = CommonData::new(None, lookups(self.scheme).clone());
        let data = ProverData { common, prover_only: ProverOnlyData::empty() };
        let rows = rows.each_ref();
        let instances = StarkInstance::new_multiple(tables, &rows, &NO_PUBLIC_VALUES);
        let proof = prove_batch(&config, &instances, &data).map_err(|error| match error {
            ProvingError::Pcs { source: Stopped::GivenUp, .. } => ProveError::Cancelled,
            other => ProveError::Failed(format!("{other:?}")),
        })?;
        codec::write(&proof).map_err(|error| ProveError::Failed(error.to_string()))
    }

    /// Checks a proof against tables, on a transcript that starts as `challenger` is.
    pub(crate) fn check(
        &self,
        claims: &Claims,
        tables: &[Table; TABLES],
        proof: &[u8],
        challenger: Challenger,
    ) -> Result<(), VerifyError> {
        let proof: Proof =
            codec::read(proof).map_err(|error| VerifyError::Malformed(error.to_string()))?;
        // The heights are the claims', whatever a proof says.
        if proof.degree_bits != log_heights(claims) {
            return Err(VerifyError::Invalid("its tables have other heights".to_owned()));
        }
        let config = self.security.config(challenger, Arc::new(|_| true));
        let common = CommonData::new(None, lookups(self.scheme).clone());
        // The library is meant to refuse whatever a proof holds; a panic would be its defect, and
        // must not take the node along.
        let verdict = catch_unwind(AssertUnwindSafe(|| {
            verify_batch(
                &config,
                &tables.each_ref().map(Checked),
                &proof,
                &NO_PUBLIC_VALUES,
                &common,
            )
        }));
        match verdict {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(VerifyError::Invalid(error.to_string())),
            Err(_) => Err(VerifyError::Invalid("checking it failed".to_owned())),
        }
    }
}

/// A hash by which the inputs of a proof that went wrong can be told from others: BLAKE3 of the
/// claims' and signatures' debug forms.
fn digest(claims: &Claims, signatures: &[SignatureParts]) -> String {
    let inputs = format!("{claims:?} {signatures:?}");
    let digest: [u8; 32] = Blake3.hash_slice(inputs.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// All that is public is in the tables' public columns.
const NO_PUBLIC_VALUES: [Vec<F>; TABLES] = [const { Vec::new() }; TABLES];

/// The tables' lookups: found once for a preset, since claims make no difference.
pub(crate) fn lookups(scheme: Scheme) -> &'static TableLookups {
    static LOOKUPS: [OnceLock<TableLookups>; 3] = [const { OnceLock::new() }; 3];
    let [small, local, large] = &LOOKUPS;
    let cache = match scheme {
        Scheme::Lifetime8 => small,
        Scheme::Lifetime18 => local,
        Scheme::Lifetime32 => large,
    };
    cache.get_or_init(|| find_lookups(&tables(&Claims::any(scheme))))
}

fn find_lookups(tables: &[Table; TABLES]) -> TableLookups {
    let budget = |table: &Table| match table {
        // Few rows with many messages: each column less is worth more than what its degree costs.
        Table::Signatures(_) => (1 << Security::CONJECTURED_100.log_blowup) + 1,
        // The degree of the permutations.
        Table::Hashes(_) | Table::Chains(_) | Table::Tweaks(_) => 3,
    };
    let lookups = tables.iter().map(|table| {
        let lookups = Lookups::from_air::<Extension, Table>(table);
        lookups.pack_same_bus(&LogUpGadget::new(), budget(table))
    });
    lookups.collect()
}
