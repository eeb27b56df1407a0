//! Proving in phases: whoever waits for a proof is told each one, and can give the proof up there.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use p3_commit::{OpenedValues, OpeningRequest, Pcs, PeriodicLdeTable, UnivariateStarkPcs};
use p3_fri::FriProverError;
use p3_matrix::dense::RowMajorMatrix;

use crate::{
    challenger::Challenger,
    config::Inner,
    field::{Extension, F},
};

/// The next step of a prover.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Fill the tables from the signatures.
    Fill,
    /// Commit to the tables.
    Rows,
    /// Commit to the lookups between them.
    Lookups,
    /// Commit to the quotients of the equations.
    Quotients,
    /// Open the commitments where the verifier looks.
    Openings,
    /// Verify what came out.
    Check,
}

impl Phase {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fill => "filling the tables",
            Self::Rows => "committing to the tables",
            Self::Lookups => "committing to the lookups",
            Self::Quotients => "committing to the quotients",
            Self::Openings => "opening the commitments",
            Self::Check => "checking the proof",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Is told each phase before it begins; what it answers is whether to go on.
pub type Watch = Arc<dyn Fn(Phase) -> bool + Send + Sync>;

/// A commitment scheme that tells its phases.
#[derive(Clone)]
pub(crate) struct Watched {
    inner: Inner,
    watch: Watch,
    commitments: Arc<AtomicUsize>,
}

/// The reason no commitment was made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stopped {
    /// The watch said so.
    #[error("given up")]
    GivenUp,
    /// The scheme itself.
    #[error(transparent)]
    Failed(#[from] FriProverError),
}

type Own = <Inner as Pcs<Extension, Challenger>>::Domain;
type Commitment = <Inner as Pcs<Extension, Challenger>>::Commitment;
type Data = <Inner as Pcs<Extension, Challenger>>::ProverData;

impl Watched {
    pub(crate) fn new(inner: Inner, watch: Watch) -> Self {
        Self { inner, watch, commitments: Arc::default() }
    }

    fn enter(&self, phase: Phase) -> Result<(), Stopped> {
        if (self.watch)(phase) { Ok(()) } else { Err(Stopped::GivenUp) }
    }
}

impl Pcs<Extension, Challenger> for Watched {
    type Domain = Own;
    type Commitment = Commitment;
    type ProverData = Data;
    type Proof = <Inner as Pcs<Extension, Challenger>>::Proof;
    type Error = <Inner as Pcs<Extension, Challenger>>::Error;
    type ProverError = Stopped;

    fn natural_domain_for_degree(&self, degree: usize) -> Own {
        <Inner as Pcs<Extension, Challenger>>::natural_domain_for_degree(&self.inner, degree)
    }

    fn commit(
        &self,
        evaluations: impl IntoIterator<Item = (Own, RowMajorMatrix<F>)>,
    ) -> Result<(Commitment, Data), Stopped> {
        // A prover commits to its rows, and then to the lookups.
        let first = self.commitments.fetch_add(1, Ordering::Relaxed) == 0;
        self.enter(if first { Phase::Rows } else { Phase::Lookups })?;
        Ok(<Inner as Pcs<Extension, Challenger>>::commit(&self.inner, evaluations)?)
    }

    fn open(
        &self,
        requests: Vec<OpeningRequest<'_, Data, Extension>>,
        challenger: &mut Challenger,
    ) -> Result<(OpenedValues<Extension>, Self::Proof), Stopped> {
        self.enter(Phase::Openings)?;
        Ok(self.inner.open(requests, challenger)?)
    }

    fn verify(
        &self,
        openings: Vec<p3_commit::CommitmentOpening<Extension, Commitment, Own>>,
        proof: &Self::Proof,
        challenger: &mut Challenger,
    ) -> Result<(), Self::Error> {
        self.inner.verify(openings, proof, challenger)
    }
}

impl UnivariateStarkPcs<Extension, Challenger> for Watched {
    type EvaluationsOnDomain<'a> =
        <Inner as UnivariateStarkPcs<Extension, Challenger>>::EvaluationsOnDomain<'a>;

    const ZK: bool = false;

    fn log_max_trace_height(&self) -> usize {
        <Inner as UnivariateStarkPcs<Extension, Challenger>>::log_max_trace_height(&self.inner)
    }

    fn log_min_trace_height(&self) -> usize {
        <Inner as UnivariateStarkPcs<Extension, Challenger>>::log_min_trace_height(&self.inner)
    }

    fn get_quotient_ldes(
        &self,
        evaluations: impl IntoIterator<Item = (Own, RowMajorMatrix<F>)>,
        chunks: usize,
    ) -> Result<Vec<RowMajorMatrix<F>>, Stopped> {
        Ok(<Inner as UnivariateStarkPcs<Extension, Challenger>>::get_quotient_ldes(
            &self.inner,
            evaluations,
            chunks,
        )?)
    }

    fn commit_ldes(&self, ldes: Vec<RowMajorMatrix<F>>) -> Result<(Commitment, Data), Stopped> {
        self.enter(Phase::Quotients)?;
        Ok(<Inner as UnivariateStarkPcs<Extension, Challenger>>::commit_ldes(&self.inner, ldes)?)
    }

    fn get_evaluations_on_domain<'a>(
        &self,
        data: &'a Data,
        index: usize,
        domain: Own,
    ) -> Self::EvaluationsOnDomain<'a> {
        <Inner as UnivariateStarkPcs<Extension, Challenger>>::get_evaluations_on_domain(
            &self.inner,
            data,
            index,
            domain,
        )
    }

    fn build_periodic_lde_table(
        &self,
        columns: &[Vec<F>],
        trace: Own,
        quotient: Own,
    ) -> PeriodicLdeTable<F> {
        <Inner as UnivariateStarkPcs<Extension, Challenger>>::build_periodic_lde_table(
            &self.inner,
            columns,
            trace,
            quotient,
        )
    }
}
