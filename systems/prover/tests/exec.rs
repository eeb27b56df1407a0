//! Provers in processes of their own: what they do, and what happens when they die, hang or lie.
//!
//! The process is this test's own binary, which plays a prover where the variable says which.

use std::{
    env,
    io::{Read, Write},
    process::exit,
    sync::Arc,
    thread,
    time::Duration,
};

use leansig::{KeyGenOptions, scheme::Scheme, scheme::SecretKey};
use libtest_mimic::{Arguments, Trial};
use quintet_prover::{
    CancelToken, Child, Exec, ExecLimits, Multisig, NoProofSystem, ProofSystem, ProveError,
    RawSignature, Statement, VerifyError, by_name,
    check::{Signers, check},
    serve,
};
use rand::{SeedableRng, rngs::StdRng};

const SCHEME: Scheme = Scheme::Lifetime8;
const ROLE: &str = "QUINTET_TEST_PROVER";

/// The command of a prover that plays this role.
fn command(role: &str) -> String {
    let own = env::current_exe().expect("a binary");
    format!("/usr/bin/env {ROLE}={role} {}", own.display())
}

fn quick() -> ExecLimits {
    ExecLimits {
        start: Duration::from_secs(20),
        prove: Duration::from_millis(600),
        check: Duration::from_millis(600),
        stop: Duration::from_millis(100),
        backoff: Duration::from_millis(1),
        ..ExecLimits::default()
    }
}

fn start(role: &str) -> Exec {
    Exec::start(&command(role), SCHEME, quick()).expect("a prover")
}

/// A multisig system with a fault.
#[derive(Debug)]
struct Faulty(Multisig<Scheme>, String);

impl Faulty {
    fn strike(&self, message: [u8; 32], cancel: Option<&CancelToken>) {
        // Only the message of nines meets the fault.
        if message != [9; 32] {
            return;
        }
        match self.1.as_str() {
            "dies" => exit(3),
            "hangs" => thread::sleep(Duration::from_secs(600)),
            "obeys" => {
                let cancel = cancel.expect("a proof has a token");
                cancel.enter("waiting");
                while !cancel.is_cancelled() {
                    thread::sleep(Duration::from_millis(5));
                }
            }
            "panics" => panic!("a planted fault"),
            "garbage" => {
                let _ = std::io::stdout().write_all(&[0xff; 64]);
                let _ = std::io::stdout().flush();
            }
            "long" => {
                // A frame that says it has 16 MiB.
                let _ = std::io::stdout().write_all(&[0, 0, 0, 1, 128, 1, 0, 0, 0]);
                let _ = std::io::stdout().flush();
            }
            _ => {}
        }
    }
}

impl ProofSystem for Faulty {
    fn name(&self) -> &'static str {
        "multisig"
    }

    fn aggregate(
        &self,
        statement: &Statement<'_>,
        children: &[Child<'_>],
        signatures: &[RawSignature<'_>],
        cancel: &CancelToken,
    ) -> Result<Vec<u8>, ProveError> {
        self.strike(statement.message, Some(cancel));
        let proof = self.0.aggregate(statement, children, signatures, cancel)?;
        let lies = self.1 == "lies" && statement.message == [9; 32];
        Ok(if lies { proof[1..].to_vec() } else { proof })
    }

    fn merge(
        &self,
        parts: &[(Statement<'_>, &[u8])],
        cancel: &CancelToken,
    ) -> Result<Vec<u8>, ProveError> {
        self.0.merge(parts, cancel)
    }

    fn split(
        &self,
        proof: &[u8],
        statements: &[Statement<'_>],
        index: usize,
        cancel: &CancelToken,
    ) -> Result<Vec<u8>, ProveError> {
        self.0.split(proof, statements, index, cancel)
    }

    fn verify_single(&self, statement: &Statement<'_>, proof: &[u8]) -> Result<(), VerifyError> {
        if statement.slot == 9 {
            self.strike([9; 32], None);
        }
        self.0.verify_single(statement, proof)
    }

    fn verify_multi(&self, statements: &[Statement<'_>], proof: &[u8]) -> Result<(), VerifyError> {
        self.0.verify_multi(statements, proof)
    }

    fn single_proof_bytes(&self, signers: usize) -> usize {
        self.0.single_proof_bytes(signers)
    }
}

/// Plays a prover.
fn play(role: &str) {
    match role {
        "mute" => thread::sleep(Duration::from_secs(600)),
        "leaves" => {}
        "version" => {
            let mut hello = vec![19, 0, 0, 0, 0, 0, 0, 0, 0];
            hello.extend(b"QPROVER\n");
            hello.extend(9u16.to_le_bytes());
            hello.extend([0; 4]);
            let _ = std::io::stdout().write_all(&hello);
            let _ = std::io::stdout().flush();
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
        }
        _ => {
            let make = |scheme| -> Arc<dyn ProofSystem> {
                Arc::new(Faulty(Multisig::new(scheme), role.to_owned()))
            };
            let _ = serve(make, std::io::stdin(), std::io::stdout());
        }
    }
}

fn main() {
    if let Ok(role) = env::var(ROLE) {
        play(&role);
        exit(0);
    }
    let trial = |name: &str, test: fn()| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    };
    let trials = vec![
        trial("a_process_keeps_the_contract", a_process_keeps_the_contract),
        trial("it_says_the_sizes_of_its_system", it_says_the_sizes_of_its_system),
        trial("what_is_no_prover_does_not_start", what_is_no_prover_does_not_start),
        trial("a_process_that_dies_is_started_again", a_process_that_dies_is_started_again),
        trial("a_process_that_hangs_is_killed", a_process_that_hangs_is_killed),
        trial("a_panic_ends_the_process_and_not_the_node", a_panic_ends_the_process),
        trial("garbage_and_long_frames_end_the_process", garbage_and_long_frames_end_the_process),
        trial("a_proof_that_does_not_verify_is_not_handed_out", a_lie_is_not_handed_out),
        trial("a_cancelled_proof_stops_and_says_its_phase", a_cancelled_proof_stops),
        trial("a_check_without_an_answer_is_nobodys_fault", a_check_without_an_answer_panics),
        trial("failures_in_a_row_are_further_and_further_apart", failures_in_a_row_wait),
        trial("requests_run_beside_one_another", requests_run_beside_one_another),
        trial("memory_has_a_limit", memory_has_a_limit),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

struct Keys(Vec<SecretKey>);

impl Keys {
    fn new() -> Self {
        let key = |seed| {
            let mut rng = StdRng::seed_from_u64(seed);
            SecretKey::generate(SCHEME, &mut rng, 0, 16, &KeyGenOptions::default()).expect("a key")
        };
        Self((0..4).map(key).collect())
    }

    fn encoded(&self) -> Vec<Vec<u8>> {
        self.0.iter().map(|key| key.public_key().to_vec()).collect()
    }

    fn sign(&self, signer: usize, slot: u32, message: &[u8; 32]) -> Vec<u8> {
        self.0[signer].sign(slot, message).expect("the key has the slot").to_vec()
    }

    /// Makes a proof of all keys with this message, and checks it.
    fn prove(&self, system: &dyn ProofSystem, byte: u8) -> Result<Vec<u8>, ProveError> {
        self.prove_with(system, byte, &CancelToken::default())
    }

    fn prove_with(
        &self,
        system: &dyn ProofSystem,
        byte: u8,
        cancel: &CancelToken,
    ) -> Result<Vec<u8>, ProveError> {
        let (keys, message) = (self.encoded(), [byte; 32]);
        let statement = statement(&keys, 3, message);
        let signatures: Vec<_> = (0..4).map(|signer| self.sign(signer, 3, &message)).collect();
        let raw: Vec<_> = signatures
            .iter()
            .enumerate()
            .map(|(signer, signature)| RawSignature { signer, signature })
            .collect();
        system.aggregate(&statement, &[], &raw, cancel)
    }
}

fn statement(keys: &[Vec<u8>], slot: u64, message: [u8; 32]) -> Statement<'_> {
    Statement { slot, message, public_keys: keys.iter().map(Vec::as_slice).collect() }
}

fn unavailable(made: Result<Vec<u8>, ProveError>) -> String {
    match made {
        Err(ProveError::Unavailable(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

fn a_process_keeps_the_contract() {
    let (system, keys) = (start("honest"), Keys::new());
    let sign = |signer: usize, slot: u32, message: &[u8; 32]| keys.sign(signer, slot, message);
    let signers = Signers { public_keys: keys.encoded(), sign: &sign };
    for system in [&system as &dyn ProofSystem, &Multisig::new(SCHEME)] {
        let findings = check(system, &signers);
        assert!(findings.len() > 20, "{findings:?}");
        for (what, outcome) in findings {
            assert_eq!(outcome, Ok(()), "{what}");
        }
    }
    // The same bytes as in this process.
    let own = keys.prove(&Multisig::new(SCHEME), 1);
    assert_eq!(keys.prove(&system, 1), own);
    // A system that does not keep it is found out.
    let faulty = Faulty(Multisig::new(SCHEME), "lies".to_owned());
    let sign = |signer: usize, slot: u32, message: &[u8; 32]| keys.sign(signer, slot + 1, message);
    let findings = check(&faulty, &Signers { public_keys: keys.encoded(), sign: &sign });
    assert!(findings.iter().any(|(_, outcome)| outcome.is_err()), "{findings:?}");
}

fn it_says_the_sizes_of_its_system() {
    let (system, own) = (start("honest"), Multisig::new(SCHEME));
    assert_eq!(system.name(), "multisig");
    assert_eq!(system.max_validators(), own.max_validators());
    assert_eq!(system.single_proof_bytes(64), own.single_proof_bytes(64));
    assert!(system.single_proof_bytes(65) <= own.single_proof_bytes(65));
}

fn what_is_no_prover_does_not_start() {
    let refused = |command: &str| {
        let limits = ExecLimits { start: Duration::from_millis(500), ..quick() };
        Exec::start(command, SCHEME, limits).expect_err("no prover").reason
    };
    let mute = refused(&command("mute"));
    assert!(mute.contains("did not answer within 500ms"), "{mute}");
    let leaves = refused(&command("leaves"));
    assert!(leaves.contains("its output ended"), "{leaves}");
    let version = refused(&command("version"));
    assert!(version.contains("version 9 of the protocol, expected 1"), "{version}");
    let nothing = refused("/no/such/prover");
    assert!(nothing.contains("No such file"), "{nothing}");
    assert!(refused("").contains("no command"));
    let text = refused("/usr/bin/env echo hello, I am no prover of any kind");
    assert!(text.contains("a frame of"), "{text}");
    let named = by_name("exec:/no/such/prover", SCHEME).err().expect("no prover");
    assert!(matches!(named, NoProofSystem::Exec(_)), "{named}");
}

fn a_process_that_dies_is_started_again() {
    let (system, keys) = (start("dies"), Keys::new());
    for _ in 0..3 {
        let reason = unavailable(keys.prove(&system, 9));
        assert!(reason.contains("ended"), "{reason}");
        thread::sleep(Duration::from_millis(10));
        assert!(keys.prove(&system, 1).is_ok(), "the next one serves");
    }
}

fn a_process_that_hangs_is_killed() {
    let (system, keys) = (start("hangs"), Keys::new());
    let reason = unavailable(keys.prove(&system, 9));
    assert!(reason.contains("did not answer within 600ms"), "{reason}");
    thread::sleep(Duration::from_millis(10));
    assert!(keys.prove(&system, 1).is_ok());
    // Asked to stop, it does not.
    let cancel = CancelToken::default();
    let asked = cancel.clone();
    let asker = thread::spawn(move || {
        thread::sleep(Duration::from_millis(100));
        asked.cancel();
    });
    assert_eq!(keys.prove_with(&system, 9, &cancel), Err(ProveError::Cancelled));
    asker.join().expect("no panic");
    thread::sleep(Duration::from_millis(10));
    assert!(keys.prove(&system, 1).is_ok());
}

fn a_panic_ends_the_process() {
    let (system, keys) = (start("panics"), Keys::new());
    let reason = unavailable(keys.prove(&system, 9));
    assert!(reason.contains("ended"), "{reason}");
    thread::sleep(Duration::from_millis(10));
    assert!(keys.prove(&system, 1).is_ok());
}

fn garbage_and_long_frames_end_the_process() {
    for (role, words) in
        [("garbage", "a frame of 4294967295 bytes"), ("long", "a frame of 16777216")]
    {
        let (system, keys) = (start(role), Keys::new());
        let reason = unavailable(keys.prove(&system, 9));
        assert!(reason.contains(words), "{role}: {reason}");
        thread::sleep(Duration::from_millis(10));
        assert!(keys.prove(&system, 1).is_ok(), "{role}");
    }
}

fn a_lie_is_not_handed_out() {
    let (system, keys) = (start("lies"), Keys::new());
    match keys.prove(&system, 9) {
        Err(ProveError::InvalidInput(reason)) => {
            assert!(reason.contains("the proof that was made is refused"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    assert!(keys.prove(&system, 1).is_ok());
}

fn a_cancelled_proof_stops() {
    let limits =
        ExecLimits { prove: Duration::from_secs(60), stop: Duration::from_secs(60), ..quick() };
    let system = Exec::start(&command("obeys"), SCHEME, limits).expect("a prover");
    let (keys, cancel) = (Keys::new(), CancelToken::default());
    let asked = cancel.clone();
    // Cancels once the process has said what it does, so that both are seen to arrive.
    let asker = thread::spawn(move || {
        while asked.phase().as_deref() != Some("waiting") {
            thread::sleep(Duration::from_millis(5));
        }
        asked.cancel();
    });
    assert_eq!(keys.prove_with(&system, 9, &cancel), Err(ProveError::Cancelled));
    asker.join().expect("no panic");
    assert!(keys.prove(&system, 1).is_ok());
}

fn a_check_without_an_answer_panics() {
    let (system, keys) = (start("dies"), Keys::new());
    let proof = keys.prove(&system, 1).expect("a proof");
    let encoded = keys.encoded();
    // A check at slot 9 meets the fault, in this process and in the next.
    let verdict = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        system.verify_single(&statement(&encoded, 9, [1; 32]), &proof)
    }));
    let text = verdict.expect_err("no verdict").downcast::<String>().expect("a text");
    assert!(text.contains("a proof was not checked"), "{text}");
    thread::sleep(Duration::from_millis(20));
    assert_eq!(system.verify_single(&statement(&encoded, 3, [1; 32]), &proof), Ok(()));
}

fn failures_in_a_row_wait() {
    let limits = ExecLimits { backoff: Duration::from_secs(600), ..quick() };
    let system = Exec::start(&command("dies"), SCHEME, limits).expect("a prover");
    let keys = Keys::new();
    unavailable(keys.prove(&system, 9));
    let reason = unavailable(keys.prove(&system, 1));
    assert!(reason.contains("it failed 1 times and is started in"), "{reason}");
    // The process that checks is another one.
    let multisig = keys.prove(&Multisig::new(SCHEME), 1).expect("a proof");
    assert_eq!(system.verify_single(&statement(&keys.encoded(), 3, [1; 32]), &multisig), Ok(()));
}

fn requests_run_beside_one_another() {
    let limits =
        ExecLimits { prove: Duration::from_secs(60), stop: Duration::from_secs(60), ..quick() };
    let system = Exec::start(&command("obeys"), SCHEME, limits).expect("a prover");
    let (keys, cancel) = (Keys::new(), CancelToken::default());
    thread::scope(|scope| {
        let waiting = scope.spawn(|| keys.prove_with(&system, 9, &cancel));
        while cancel.phase().is_none() {
            thread::sleep(Duration::from_millis(5));
        }
        assert!(keys.prove(&system, 1).is_ok(), "one that waits is in nobody's way");
        cancel.cancel();
        assert_eq!(waiting.join().expect("no panic"), Err(ProveError::Cancelled));
    });
}

fn memory_has_a_limit() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let limits = ExecLimits { memory_bytes: Some(1 << 20), ..quick() };
    let refused = Exec::start(&command("honest"), SCHEME, limits);
    assert!(refused.is_err(), "a process cannot do with a mebibyte");
}
