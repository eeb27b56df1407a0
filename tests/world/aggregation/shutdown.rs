//! Stopping while the prover works.

use std::{
    io,
    sync::{
        Arc, Mutex,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use bevy_ecs::prelude::*;
use quintet_components::{
    aggregation::AggregationSession,
    clock::first_interval,
    prover::ProverPhases,
    schedule::Shutdown,
    task::{Job, TaskSpawner},
};
use quintet_prover::{CancelToken, ProveError};
use quintet_systems::{
    production::produce_attestation_data,
    proving::{JoinTimeout, ProverScheduler},
};

use crate::support::{
    chain,
    mocked::{Aggregate, Twist, Twisted},
    node::{Setup, TestNode},
};

/// A thread a proof.
struct Threads;

impl TaskSpawner for Threads {
    fn spawn(&self, job: Job) {
        job();
    }

    fn spawn_proof(&self, job: Job) {
        thread::spawn(job);
    }
}

/// The phase that the proofs report.
const PHASE: &str = "waiting for the test";

/// Proofs that go on until the test lets them end, or until they are asked to stop.
struct Endless {
    began: mpsc::Sender<()>,
    release: Mutex<mpsc::Receiver<()>>,
    obeys: bool,
}

impl Twist for Endless {
    fn before_aggregate(&self, _: &Aggregate<'_>, cancel: &CancelToken) -> Result<(), ProveError> {
        cancel.enter(PHASE);
        self.began.send(()).expect("the test listens");
        let release = self.release.lock().expect("one proof at a time");
        while release.recv_timeout(Duration::from_millis(1)) == Err(RecvTimeoutError::Timeout) {
            if self.obeys && cancel.is_cancelled() {
                return Err(ProveError::Cancelled);
            }
        }
        Ok(())
    }
}

/// The log of a test.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("not poisoned")).into_owned()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("not poisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Stops a node whose prover works. Returns how many proofs were left behind and the log.
fn stop(obeys: bool, timeout: Duration) -> (usize, String) {
    let (began, begun) = mpsc::channel();
    let (let_end, release) = mpsc::channel();
    let mut setup = Setup::new(chain::genesis(8)).accepting_signatures().tasks_on(Threads);
    setup.proofs = Arc::new(Twisted(Endless { began, release: Mutex::new(release), obeys }));
    let mut node = TestNode::new(setup);
    node.set_aggregator(true);
    node.tick_to(first_interval(1) + 1, false);
    let data = produce_attestation_data(node.world(), 1);
    node.attestation(chain::attested_by(data, 3));
    node.turn_to(first_interval(1) + 2);
    begun.recv_timeout(Duration::from_secs(30)).expect("the proof begins");

    // The timeline has the phase once the prover's queue was looked at.
    node.turn_to(first_interval(1) + 3);
    let world = node.world();
    let phases: Vec<_> = world.query::<&ProverPhases>().iter(world).cloned().collect();
    let names: Vec<_> =
        phases.iter().flat_map(|phases| &phases.0).map(|each| &*each.name).collect();
    assert_eq!(names, [PHASE]);

    node.world().insert_resource(JoinTimeout(timeout));
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
    tracing::subscriber::with_default(subscriber, || node.world().run_schedule(Shutdown));
    let world = node.world();
    assert_eq!(world.query::<&AggregationSession>().iter(world).count(), 0);
    let left = world.resource::<ProverScheduler>().running();
    // The proof's thread ends with the test.
    drop(let_end);
    (left, log.text())
}

#[test]
fn a_proof_that_ignores_its_token_is_left_behind_and_that_is_said() {
    let (left, log) = stop(false, Duration::from_millis(50));
    assert_eq!(left, 1, "the proof goes on, and the node did not wait for it");
    assert!(log.contains("proofs did not stop when asked"), "{log}");
}

#[test]
fn a_proof_that_obeys_its_token_is_waited_for() {
    let (left, log) = stop(true, Duration::from_secs(60));
    assert_eq!((left, log.as_str()), (0, ""));
}

#[test]
fn a_node_waits_two_seconds_for_its_prover() {
    assert_eq!(JoinTimeout::default().0, Duration::from_secs(2));
}
