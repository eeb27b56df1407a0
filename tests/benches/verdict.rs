//! Measures the time until a check's verdict while proofs are made. There are three cases: nothing
//! proves; every permit is lent, and as many proofs whose permits were written off still run; and a
//! proposal's proof runs as well.
//!
//! The check is that of 256 signatures of the test preset, as a block's import asks for it. The proofs
//! are succinct ones, made again and again. `VERDICT_ROUNDS` sets another number of checks than 200.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::channel,
    },
    thread::sleep,
    time::{Duration, Instant},
};

use leansig::{
    KeyGenOptions,
    scheme::{Scheme, SecretKey},
};
use quintet::{
    components::{
        prover::ProverLimits,
        task::{TaskKind, Tasks},
        waker::NodeWaker,
    },
    plugins::PoolSpawner,
    prover::{CancelToken, Hybrid, Multisig, ProofSystem, RawSignature, Statement, Workers},
};
use rand::{SeedableRng, rngs::StdRng};

const SCHEME: Scheme = Scheme::Lifetime8;
const SLOT: u32 = 3;
const MESSAGE: [u8; 32] = [1; 32];
/// Signatures of a check, and of a proof.
const SIGNATURES: usize = 256;

fn main() {
    let quick = std::env::args().any(|argument| argument == "--test");
    let rounds = std::env::var("VERDICT_ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
    let rounds: usize = rounds.unwrap_or(if quick { 3 } else { 200 });
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let (waker, _wakes) = NodeWaker::new();
    let tasks = Tasks::new(PoolSpawner::own(cores.max(2)), waker);
    let inputs = Arc::new(Inputs::new());

    let idle = verdicts(&tasks, &inputs, rounds);
    let (stop, made) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let proofs = 2 * ProverLimits::default().permits + 1;
    let running: Vec<_> = (0..proofs)
        .map(|_| {
            let (stop, made, inputs) = (Arc::clone(&stop), Arc::clone(&made), Arc::clone(&inputs));
            let (handle, job) = tasks.prepare(move |_| {
                while !stop.load(Ordering::Relaxed) {
                    inputs.prove();
                    made.fetch_add(1, Ordering::Relaxed);
                }
            });
            (handle, tasks.run_proof(job))
        })
        .collect();
    while made.load(Ordering::Relaxed) < proofs {
        sleep(Duration::from_millis(10));
    }
    let busy = verdicts(&tasks, &inputs, rounds);
    stop.store(true, Ordering::Relaxed);
    while running.iter().any(|(_, running)| !running.has_ended()) {
        sleep(Duration::from_millis(10));
    }

    let threads = Workers::shared().threads();
    println!("{rounds} checks; {proofs} proofs at once on {threads} threads, {made:?} made");
    for (name, times) in [("nothing proves", &idle), ("proofs", &busy)] {
        let at = |part: usize| times[(times.len() - 1) * part / 100].as_secs_f64() * 1000.0;
        println!(
            "{name:>15}: median {:.2} ms, p90 {:.2} ms, most {:.2} ms",
            at(50),
            at(90),
            at(100)
        );
    }
    let ratio = busy[busy.len() / 2].as_secs_f64() / idle[idle.len() / 2].as_secs_f64();
    println!("ratio of the medians: {ratio:.2}");
}

/// The times from the request to the verdict, ascending.
fn verdicts(tasks: &Tasks, inputs: &Arc<Inputs>, rounds: usize) -> Vec<Duration> {
    let mut times: Vec<_> = (0..rounds)
        .map(|_| {
            sleep(Duration::from_millis(10));
            let (verdict, came) = channel();
            let (inputs, began) = (Arc::clone(inputs), Instant::now());
            let _work = tasks.spawn_kind(TaskKind::Import, move |_| {
                inputs.check();
                let _heard = verdict.send(began.elapsed());
            });
            came.recv().expect("a verdict")
        })
        .collect();
    times.sort_unstable();
    times
}

struct Inputs {
    key: Vec<u8>,
    signature: Vec<u8>,
    carried: Vec<u8>,
}

impl Inputs {
    fn new() -> Self {
        let mut rng = StdRng::seed_from_u64(0);
        let key = SecretKey::generate(SCHEME, &mut rng, 0, 16, &KeyGenOptions::default());
        let key = key.expect("a key");
        let signature = key.sign(SLOT, &MESSAGE).expect("the key has the slot").to_vec();
        let mut inputs = Self { key: key.public_key().to_vec(), signature, carried: Vec::new() };
        inputs.carried = inputs.aggregate(&Multisig::new(SCHEME));
        inputs
    }

    fn statement(&self) -> Statement<'_> {
        let public_keys = vec![&self.key[..]; SIGNATURES];
        Statement { slot: SLOT.into(), message: MESSAGE, public_keys }
    }

    fn aggregate(&self, system: &dyn ProofSystem) -> Vec<u8> {
        let raw = |signer| RawSignature { signer, signature: &self.signature };
        let raw: Vec<_> = (0..SIGNATURES).map(raw).collect();
        let proof = system.aggregate(&self.statement(), &[], &raw, &CancelToken::default());
        proof.expect("a proof")
    }

    fn prove(&self) {
        self.aggregate(&Hybrid::stark(SCHEME).with_crossover(1));
    }

    fn check(&self) {
        let verdict = Multisig::new(SCHEME).verify_single(&self.statement(), &self.carried);
        verdict.expect("it verifies");
    }
}
