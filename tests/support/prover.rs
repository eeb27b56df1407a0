//! A prover whose jobs take as long, in virtual time, as a test says.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
};

use quintet_components::task::{Job, TaskSpawner};
use quintet_prover::{CancelToken, MAX_PROOF_BYTES, ProveError};

use super::mocked::{Aggregate, Twist, Twisted};

/// The end of a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It is made, whether or not anyone asked to stop.
    Proof,
    /// It is made unless it was asked to stop.
    Obedient,
    /// It fails.
    Error,
    /// It panics.
    Panic,
}

/// A finished job of the prover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The message.
    pub message: [u8; 32],
    /// The number of the statement's keys.
    pub signers: usize,
    /// The number of proofs that went in.
    pub children: usize,
    /// The number of signatures that went in.
    pub signatures: usize,
}

/// Runs proofs in virtual time and everything else at once. Its clones are one prover.
#[derive(Clone, Default)]
pub struct VirtualProver(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    now_ms: u64,
    /// The costs in milliseconds of the jobs to come; the last goes on for ever.
    costs: VecDeque<u64>,
    endings: VecDeque<Ending>,
    started: u64,
    /// Jobs that run, by the time at which they end and in the order of their start.
    running: BTreeMap<(u64, u64), (Ending, Job)>,
    /// The end of the job that runs now.
    ending: Option<Ending>,
    made: Vec<Made>,
    /// Signers of all attestations of a block together, the proposer included, at most.
    signers: Option<usize>,
}

impl VirtualProver {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("no job runs under the lock")
    }

    /// Its proof system.
    pub fn proofs(&self) -> Twisted<Self> {
        Twisted(self.clone())
    }

    /// Sets the times of the jobs to come, in milliseconds, in the order in which they start. The
    /// last one holds for all that follow.
    pub fn costs(&self, costs: &[u64]) {
        self.lock().costs = costs.iter().copied().collect();
    }

    /// Sets the ends of the jobs to come, in the order in which they start; those that follow are
    /// obedient.
    pub fn endings(&self, endings: &[Ending]) {
        self.lock().endings = endings.iter().copied().collect();
    }

    /// Makes proofs a byte a signer long, and allows as many bytes.
    pub fn limit_signers(&self, signers: usize) {
        self.lock().signers = Some(signers);
    }

    /// The time at which the next job ends, if any runs.
    pub fn next_end_ms(&self) -> Option<u64> {
        self.lock().running.first_key_value().map(|((end, _), _)| *end)
    }

    /// The number of running jobs.
    pub fn running(&self) -> usize {
        self.lock().running.len()
    }

    /// The jobs that have finished so far, in order.
    pub fn made(&self) -> Vec<Made> {
        self.lock().made.clone()
    }

    /// Turns the prover's clock, and lets the jobs end that are due.
    pub fn turn_to(&self, now_ms: u64) {
        loop {
            let (ending, job) = {
                let mut inner = self.lock();
                inner.now_ms = now_ms;
                match inner.running.first_entry() {
                    Some(first) if first.key().0 <= now_ms => first.remove(),
                    _ => return,
                }
            };
            self.lock().ending = Some(ending);
            job();
        }
    }
}

impl TaskSpawner for VirtualProver {
    fn spawn(&self, job: Job) {
        job();
    }

    fn spawn_proof(&self, job: Job) {
        let mut inner = self.lock();
        let cost = if inner.costs.len() > 1 {
            inner.costs.pop_front().unwrap_or_default()
        } else {
            inner.costs.front().copied().unwrap_or_default()
        };
        let ending = inner.endings.pop_front().unwrap_or(Ending::Obedient);
        inner.started += 1;
        let place = (inner.now_ms + cost, inner.started);
        inner.running.insert(place, (ending, job));
    }
}

impl Twist for VirtualProver {
    fn before_aggregate(
        &self,
        input: &Aggregate<'_>,
        cancel: &CancelToken,
    ) -> Result<(), ProveError> {
        let ending = self.lock().ending.unwrap_or(Ending::Proof);
        match ending {
            Ending::Obedient if cancel.is_cancelled() => return Err(ProveError::Cancelled),
            Ending::Error => return Err(ProveError::InvalidInput("as the test wants it".into())),
            Ending::Panic => panic!("as the test wants it"),
            Ending::Proof | Ending::Obedient => {}
        }
        self.lock().made.push(Made {
            message: input.statement.message,
            signers: input.statement.public_keys.len(),
            children: input.children,
            signatures: input.signatures,
        });
        Ok(())
    }

    fn max_proof_bytes(&self) -> usize {
        self.lock().signers.unwrap_or(MAX_PROOF_BYTES)
    }

    fn single_proof_bytes(&self, signers: usize) -> usize {
        self.lock().signers.map_or(0, |_| signers)
    }
}
