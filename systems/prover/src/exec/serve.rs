//! The prover's side of the protocol.

use std::{
    collections::HashMap,
    io::{self, Read, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{RecvTimeoutError, sync_channel},
    },
    thread,
};

use leansig::scheme::Scheme;

use super::{
    facts::{Facts, read_greeting},
    wire::{Fields, Frame, Kind, MAX_REQUEST, MalformedBody, Reason, read_frame, write_frame},
};
use crate::{CancelToken, ProofSystem, ProveError};

/// Requests that are worked on at once at most; more wait in the pipe.
const MAX_REQUESTS: usize = 64;
/// The time between two looks at the phase of a running proof.
const LOOK_EVERY: std::time::Duration = std::time::Duration::from_millis(50);

type Output = Arc<Mutex<Box<dyn Write + Send>>>;
type Tokens = Arc<Mutex<HashMap<u32, CancelToken>>>;

/// Answers a node's requests with the system that `make` makes, until the input ends. Each request has
/// a thread of its own. What was being proved then is given up.
///
/// # Errors
/// The pipes broke, or the other side does not speak the protocol.
pub fn serve(
    make: impl FnOnce(Scheme) -> Arc<dyn ProofSystem>,
    mut input: impl Read,
    output: impl Write + Send + 'static,
) -> io::Result<()> {
    let invalid = |reason: String| io::Error::new(io::ErrorKind::InvalidData, reason);
    let Some(hello) = read_frame(&mut input, MAX_REQUEST)? else { return Ok(()) };
    if hello.kind != Kind::Hello {
        return Err(invalid(format!("a greeting was expected, found {:?}", hello.kind)));
    }
    let system = make(read_greeting(&hello.body).map_err(invalid)?);
    let output: Output = Arc::new(Mutex::new(Box::new(output)));
    let body = Facts::of(&*system).body();
    send(&output, &Frame { kind: Kind::Hello, request: hello.request, body })?;

    let tokens = Tokens::default();
    let (enter, leave) = sync_channel::<()>(MAX_REQUESTS);
    let leave = Arc::new(Mutex::new(leave));
    let outcome = loop {
        let frame = match read_frame(&mut input, MAX_REQUEST) {
            Ok(Some(frame)) => frame,
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        };
        match frame.kind {
            Kind::Cancel => {
                if let Some(token) = lock(&tokens).get(&frame.request) {
                    token.cancel();
                }
            }
            Kind::Aggregate
            | Kind::Merge
            | Kind::Split
            | Kind::VerifySingle
            | Kind::VerifyMulti => {
                let token = CancelToken::default();
                lock(&tokens).insert(frame.request, token.clone());
                // Waits while there are too many.
                if enter.send(()).is_err() {
                    break Ok(());
                }
                let (system, output) = (Arc::clone(&system), Arc::clone(&output));
                let (tokens, leave) = (Arc::clone(&tokens), Arc::clone(&leave));
                thread::spawn(move || {
                    work(&system, &frame, &token, &output);
                    lock(&tokens).remove(&frame.request);
                    let _left = lock(&leave).try_recv();
                });
            }
            other => break Err(invalid(format!("a request was expected, found {other:?}"))),
        }
    };
    for token in lock(&tokens).values() {
        token.cancel();
    }
    outcome
}

/// Works on a request and tells its phases on the way.
fn work(system: &Arc<dyn ProofSystem>, frame: &Frame, token: &CancelToken, output: &Output) {
    let (told, ended) = sync_channel::<()>(0);
    let teller = {
        let (token, output, request) = (token.clone(), Arc::clone(output), frame.request);
        thread::spawn(move || {
            let (mut told, mut is_over) = (0, false);
            while !is_over {
                is_over = ended.recv_timeout(LOOK_EVERY) != Err(RecvTimeoutError::Timeout);
                for (name, _) in token.phases_after(told) {
                    told += 1;
                    let body = name.as_bytes().to_vec();
                    let _gone = send(&output, &Frame { kind: Kind::Phase, request, body });
                }
            }
        })
    };
    let answer = catch_unwind(AssertUnwindSafe(|| answer(&**system, frame, token)));
    drop(told);
    let _ended = teller.join();
    let Ok(answer) = answer else {
        // No verdict is better than a wrong one: the node sees the process end.
        std::process::exit(101);
    };
    let (kind, body) = match answer {
        Ok(proof) => (Kind::Done, proof),
        Err(reason) => (Kind::Refused, reason.body()),
    };
    // The node has gone; the input's end says so too.
    let _gone = send(output, &Frame { kind, request: frame.request, body });
}

fn answer(
    system: &dyn ProofSystem,
    frame: &Frame,
    cancel: &CancelToken,
) -> Result<Vec<u8>, Reason> {
    let malformed =
        |error: MalformedBody| Reason::Prove(ProveError::InvalidInput(error.to_string()));
    let mut fields = Fields::new(&frame.body);
    match frame.kind {
        Kind::Aggregate => {
            let mut read = || -> Result<_, MalformedBody> {
                let statement = fields.statement()?;
                let children = fields.list(Fields::child)?;
                let signatures = fields.list(Fields::signature)?;
                fields.end()?;
                Ok((statement, children, signatures))
            };
            let (statement, children, signatures) = read().map_err(malformed)?;
            system.aggregate(&statement, &children, &signatures, cancel).map_err(Reason::Prove)
        }
        Kind::Merge => {
            let parts = fields.list(|part| Ok((part.statement()?, part.bytes()?)));
            let parts = parts.and_then(|parts| fields.end().map(|()| parts)).map_err(malformed)?;
            system.merge(&parts, cancel).map_err(Reason::Prove)
        }
        Kind::Split => {
            let mut read = || -> Result<_, MalformedBody> {
                let (proof, statements) = (fields.bytes()?, fields.statements()?);
                let index = fields.number()?;
                fields.end()?;
                Ok((proof, statements, index))
            };
            let (proof, statements, index) = read().map_err(malformed)?;
            system.split(proof, &statements, index, cancel).map_err(Reason::Prove)
        }
        Kind::VerifySingle => {
            let statement = fields.statement().map_err(malformed)?;
            let proof = fields.bytes().map_err(malformed)?;
            system.verify_single(&statement, proof).map(|()| Vec::new()).map_err(Reason::Verify)
        }
        _ => {
            let statements = fields.statements().map_err(malformed)?;
            let proof = fields.bytes().map_err(malformed)?;
            system.verify_multi(&statements, proof).map(|()| Vec::new()).map_err(Reason::Verify)
        }
    }
}

fn send(output: &Output, frame: &Frame) -> io::Result<()> {
    write_frame(&mut *lock(output), frame)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
