//! A running prover process: its pipes, and the requests that wait for it.

use std::{
    collections::HashMap,
    io::{self, BufReader, BufWriter},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use leansig::scheme::Scheme;

use super::{
    ExecLimits,
    facts::{Facts, greeting},
    wire::{Frame, Kind, MAX_REQUEST, REPLY_MARGIN, Reason, read_frame, write_frame},
};
use crate::{CancelToken, MAX_PROOF_BYTES};

/// Requests that wait to be written at most.
const WRITE_QUEUE: usize = 64;
/// The time between two looks of a waiting request at its token.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The reason there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Broken {
    /// The request was given up, and the process did not stop.
    #[error("the prover did not stop when asked, and was killed")]
    GivenUp,
    /// It took too long.
    #[error("the prover did not answer within {0:?}, and was killed")]
    Slow(Duration),
    /// The process ended, or said what no prover says.
    #[error("the prover ended: {0}")]
    Ended(String),
    /// The request is longer than the protocol allows.
    #[error("a request of {0} bytes, the protocol allows {MAX_REQUEST}")]
    TooLong(usize),
}

/// The answer of a process.
#[derive(Debug)]
pub(super) enum Answer {
    Done(Vec<u8>),
    Refused(Reason),
}

enum Heard {
    Phase(String),
    Answer(Answer),
    Facts(Vec<u8>),
}

/// The data that the threads of a link share.
#[derive(Default)]
struct Waiting {
    /// The receivers of the answers, by request; empty once the link is broken.
    requests: HashMap<u32, Sender<Heard>>,
    /// The reason the link is broken.
    broken: Option<String>,
}

/// A process and its pipes. It is killed when the link is dropped.
pub(super) struct Link {
    child: Mutex<Child>,
    writer: SyncSender<Frame>,
    waiting: Arc<Mutex<Waiting>>,
    numbers: AtomicU32,
}

impl Link {
    /// Starts a process and hears its facts.
    pub(super) fn start(
        command: &[String],
        scheme: Scheme,
        limits: &ExecLimits,
        stands_back: bool,
    ) -> Result<(Self, Facts), Broken> {
        let ended = |error: io::Error| Broken::Ended(error.to_string());
        let (program, arguments) =
            command.split_first().ok_or_else(|| Broken::Ended("there is no command".into()))?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(ended)?;
        restrict(&child, limits, stands_back);
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (Some(input), Some(output)) = (input, output) else {
            return Err(Broken::Ended("it has no pipes".into()));
        };
        let waiting = Arc::<Mutex<Waiting>>::default();
        let (writer, frames) = sync_channel::<Frame>(WRITE_QUEUE);
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            thread::Builder::new().name(name.into()).spawn(work).map(drop)
        };
        let link = Self {
            child: Mutex::new(child),
            writer,
            waiting: Arc::clone(&waiting),
            numbers: 0.into(),
        };
        let work = move || {
            let mut input = BufWriter::new(input);
            for frame in frames {
                // The reader notices that the process ended.
                if write_frame(&mut input, &frame).is_err() {
                    return;
                }
            }
        };
        spawn("prover-in", Box::new(work)).map_err(ended)?;
        let work = move || read(BufReader::new(output), &waiting);
        spawn("prover-out", Box::new(work)).map_err(ended)?;
        match link.ask(Kind::Hello, greeting(scheme), None, limits.start, limits.stop)? {
            Heard::Facts(body) => match Facts::read(&body) {
                Ok(facts) => Ok((link, facts)),
                Err(reason) => Err(Broken::Ended(reason)),
            },
            _ => Err(Broken::Ended("it answered a greeting with something else".into())),
        }
    }

    /// Asks the process and waits for its answer. `cancel` is told the phases.
    pub(super) fn call(
        &self,
        (kind, body): (Kind, Vec<u8>),
        cancel: Option<&CancelToken>,
        timeout: Duration,
        stop: Duration,
    ) -> Result<Answer, Broken> {
        match self.ask(kind, body, cancel, timeout, stop)? {
            Heard::Answer(answer) => Ok(answer),
            _ => {
                self.kill();
                Err(Broken::Ended("it greeted a second time".into()))
            }
        }
    }

    fn ask(
        &self,
        kind: Kind,
        body: Vec<u8>,
        cancel: Option<&CancelToken>,
        timeout: Duration,
        stop: Duration,
    ) -> Result<Heard, Broken> {
        if body.len() > MAX_REQUEST {
            return Err(Broken::TooLong(body.len()));
        }
        let request = self.numbers.fetch_add(1, Ordering::Relaxed);
        let (heard, hears) = channel();
        {
            let mut waiting = lock(&self.waiting);
            if let Some(reason) = &waiting.broken {
                return Err(Broken::Ended(reason.clone()));
            }
            waiting.requests.insert(request, heard);
        }
        let answer = self.wait(Frame { kind, request, body }, &hears, cancel, timeout, stop);
        lock(&self.waiting).requests.remove(&request);
        answer
    }

    fn wait(
        &self,
        frame: Frame,
        hears: &Receiver<Heard>,
        cancel: Option<&CancelToken>,
        timeout: Duration,
        stop: Duration,
    ) -> Result<Heard, Broken> {
        let (began, request) = (Instant::now(), frame.request);
        let mut asked_to_stop: Option<Instant> = None;
        self.send(frame)?;
        loop {
            match hears.recv_timeout(LOOK_EVERY) {
                Ok(Heard::Phase(phase)) => {
                    if let Some(cancel) = cancel {
                        cancel.enter(phase);
                    }
                }
                Ok(answer) => return Ok(answer),
                Err(RecvTimeoutError::Disconnected) => {
                    let reason = lock(&self.waiting).broken.clone();
                    return Err(Broken::Ended(reason.unwrap_or_default()));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            if asked_to_stop.is_none() && cancel.is_some_and(CancelToken::is_cancelled) {
                asked_to_stop = Some(Instant::now());
                self.send(Frame { kind: Kind::Cancel, request, body: Vec::new() })?;
            }
            if asked_to_stop.is_some_and(|since| since.elapsed() >= stop) {
                self.kill();
                return Err(Broken::GivenUp);
            }
            if began.elapsed() >= timeout {
                self.kill();
                return Err(Broken::Slow(timeout));
            }
        }
    }

    fn send(&self, frame: Frame) -> Result<(), Broken> {
        self.writer.try_send(frame).map_err(|_| {
            self.kill();
            Broken::Ended("it does not read its requests".into())
        })
    }

    /// Returns true if the process can no longer be used.
    pub(super) fn is_broken(&self) -> bool {
        lock(&self.waiting).broken.is_some()
    }

    /// Kills the process and waits until it is gone.
    pub(super) fn kill(&self) {
        lock(&self.waiting).broken.get_or_insert_with(|| "it was killed".to_owned());
        let mut child = lock(&self.child);
        let _gone_already = child.kill();
        let _status = child.wait();
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Hears frames until the process ends or says what no prover says, and hands them to who waits.
fn read(mut output: impl io::Read, waiting: &Mutex<Waiting>) {
    let reason = loop {
        let frame = match read_frame(&mut output, MAX_PROOF_BYTES + REPLY_MARGIN) {
            Ok(Some(frame)) => frame,
            Ok(None) => break "its output ended".to_owned(),
            Err(error) => break error.to_string(),
        };
        let heard = match frame.kind {
            Kind::Hello => Heard::Facts(frame.body),
            Kind::Done => Heard::Answer(Answer::Done(frame.body)),
            Kind::Refused => match Reason::read(&frame.body) {
                Ok(reason) => Heard::Answer(Answer::Refused(reason)),
                Err(error) => break error.to_string(),
            },
            Kind::Phase => {
                let mut phase = String::from_utf8_lossy(&frame.body).into_owned();
                phase.truncate(phase.floor_char_boundary(super::MAX_PHASE));
                Heard::Phase(phase)
            }
            other => break format!("it sent a frame of kind {other:?}"),
        };
        // Nobody waits any more for what was given up.
        if let Some(sender) = lock(waiting).requests.get(&frame.request) {
            let _gone = sender.send(heard);
        }
    };
    let mut waiting = lock(waiting);
    waiting.broken.get_or_insert(reason);
    waiting.requests.clear();
}

/// Limits the memory of a process, and lets it stand back, where the system can.
#[cfg(target_os = "linux")]
fn restrict(child: &Child, limits: &ExecLimits, stands_back: bool) {
    use rustix::process::{Pid, Resource, Rlimit, prlimit, setpriority_process};
    let Ok(id) = i32::try_from(child.id()) else { return };
    let pid = Pid::from_raw(id);
    if let Some(bytes) = limits.memory_bytes {
        let limit = Rlimit { current: Some(bytes), maximum: Some(bytes) };
        // A process that is gone already has no limits; the link notices that it ended.
        let _ = prlimit(pid, Resource::As, limit);
    }
    if stands_back {
        // It is no fault if the system does not allow it.
        let _ = setpriority_process(pid, quintet_stark::NICE);
    }
}

#[cfg(not(target_os = "linux"))]
fn restrict(_: &Child, _: &ExecLimits, _: bool) {}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
