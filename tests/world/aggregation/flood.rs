//! A flood of invalid attestations, and a block in the middle of it.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use quintet_components::{
    chain::{Head, States},
    containers::SignedAttestation,
    messages::{AttestationReceived, InputId, Verdict},
    task::{Job, TaskSpawner},
};
use quintet_plugins::InboundLanes;
use quintet_systems::{
    admission::attestations::{AttestationChecks, MAX_PENDING_ATTESTATIONS, MAX_TASKS_UNDER_WAY},
    production::produce_attestation_data,
    verification::{SignatureCheck, SignatureVerifier},
};

use crate::support::{
    chain,
    node::{Setup, TestNode},
};

/// One worker that runs tasks in the order of asking, when the test lets it.
#[derive(Clone, Default)]
struct OneWorker(Arc<Mutex<VecDeque<Job>>>);

impl OneWorker {
    fn run_one(&self) {
        let job = self.0.lock().expect("no job runs under the lock").pop_front();
        if let Some(job) = job {
            job();
        }
    }
}

impl TaskSpawner for OneWorker {
    fn spawn(&self, job: Job) {
        self.0.lock().expect("no job runs under the lock").push_back(job);
    }
}

/// Finds every signature invalid, and counts.
#[derive(Clone, Default)]
struct RejectAll(Arc<AtomicUsize>);

impl SignatureVerifier for RejectAll {
    fn verify_batch(&self, checks: &[SignatureCheck<'_>]) -> Vec<bool> {
        self.0.fetch_add(1, Ordering::Relaxed);
        vec![false; checks.len()]
    }
}

#[test]
fn a_block_waits_for_two_batches_of_attestations_at_most() {
    let worker = OneWorker::default();
    let batches = RejectAll::default();
    let mut setup = Setup::new(chain::genesis(64)).tasks_on(worker.clone());
    setup.signatures = Some(Arc::new(batches.clone()));
    let mut node = TestNode::new(setup);
    node.set_aggregator(true);
    node.turn_to(6);
    let data = produce_attestation_data(node.world(), 1);
    let lane = node.world().resource::<InboundLanes>().attestations.clone();
    let world = node.world();
    let head = world.resource::<Head>().0.root;
    let parent = Arc::clone(world.resource::<States>().get(&head).expect("it is held"));
    let block = chain::signed(chain::build_on(&parent, 1, vec![]).expect("it is valid").0);

    let mut offered = 0;
    let mut flood = |count: u64| {
        for _ in 0..count {
            offered += 1;
            let SignedAttestation { data, signature, .. } = chain::attested_by(data, 0);
            let attestation = SignedAttestation { validator_index: offered % 64, data, signature };
            let id = InputId(1 << 32 | offered);
            lane.offer(AttestationReceived::new(id, Arc::new(attestation)));
        }
        offered
    };
    for _ in 0..50 {
        flood(1000);
        node.update();
        worker.run_one();
        assert!(
            node.world().resource::<AttestationChecks>().len()
                <= MAX_PENDING_ATTESTATIONS + 64 * MAX_TASKS_UNDER_WAY
        );
    }
    let before = batches.0.load(Ordering::Relaxed);
    let id = node.offer_block(block);
    let mut verdict = None;
    while flood(0) < 100_000 || verdict.is_none() {
        flood(1000);
        node.update();
        worker.run_one();
        if verdict.is_none() {
            verdict = node.verdict_now(id);
            if verdict.is_some() {
                let between = batches.0.load(Ordering::Relaxed) - before;
                assert!(between <= MAX_TASKS_UNDER_WAY + 1, "{between} batches went before");
            }
        }
    }
    assert_eq!(verdict, Some(Verdict::Accepted));
    assert!(batches.0.load(Ordering::Relaxed) > 50, "the flood was looked at meanwhile");
}
