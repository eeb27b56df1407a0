//! Standard output and standard error.
//!
//! Standard error, the log included, is written by a thread of its own out of a bounded queue: no
//! other thread waits for it, and none ends because of it. A full disk or a full pipe is tried
//! again; lines for which there is no room are counted, and told of once there is. When the
//! command ends it waits a moment for what is left.
//!
//! `tracing-appender` has such a thread, too, and does not fit: a write that fails loses its line,
//! or half of it, without a count, nobody is told of lines that found no room, and its queue is
//! bounded in lines and not in bytes.
//!
//! Standard output is what a command is for, so that a command whose output cannot be written
//! fails, quietly if its reader has gone. The devnet writes it through such a queue as well,
//! because it has nodes to look after.

mod queue;

use std::{
    cell::RefCell,
    error::Error,
    fmt,
    fs::File,
    io::{self, ErrorKind, Write},
    os::fd::AsFd,
    process::ExitCode,
    sync::{Arc, OnceLock},
    thread,
    time::Duration,
};

use self::queue::{OnFailure, Queue};

/// The end of the command waits this long for standard error.
const STDERR_TIME: Duration = Duration::from_secs(1);
/// The end of the command waits this long for standard output, if that has a queue.
const STDOUT_TIME: Duration = Duration::from_secs(5);
/// One stream waits this long for the other, so that lines are in order.
const SETTLE_TIME: Duration = Duration::from_millis(200);
/// The pause before a full stream that does not block is tried again.
const FULL_PAUSE: Duration = Duration::from_millis(10);
/// The code of a command whose reader has gone: what a shell says of one that SIGPIPE ended.
const READER_GONE: u8 = 141;

static STDERR: OnceLock<Queue> = OnceLock::new();
static STDOUT: OnceLock<Queue> = OnceLock::new();

thread_local! {
    /// Receives this thread's log in place of the queue.
    static CAPTURED: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// Writes a line to standard output.
macro_rules! say {
    ($($text:tt)*) => { $crate::output::line(format_args!($($text)*)) };
}

/// Writes a line to standard error.
macro_rules! tell {
    ($($text:tt)*) => { $crate::output::note(format_args!($($text)*)) };
}

pub(crate) use {say, tell};

/// Standard output cannot be written.
#[derive(Clone, Debug, thiserror::Error)]
#[error("standard output cannot be written: {0}")]
pub(crate) struct OutputError(Arc<io::Error>);

impl From<io::Error> for OutputError {
    fn from(error: io::Error) -> Self {
        Self(Arc::new(error))
    }
}

/// Waits for standard error when it is dropped, also by a panic.
#[must_use]
pub(crate) struct Started(());

impl Drop for Started {
    fn drop(&mut self) {
        if let Some(queue) = STDERR.get() {
            queue.flush(STDERR_TIME);
        }
    }
}

/// Starts the thread that writes standard error.
///
/// # Errors
/// The system gives no thread.
pub(crate) fn start() -> io::Result<Started> {
    let stream = own(io::stderr().as_fd())?;
    let _ = STDERR.set(Queue::start("log", stream, OnFailure::Retry, lost_lines)?);
    Ok(Started(()))
}

/// From here on standard output is written by a thread of its own, too.
///
/// # Errors
/// The system gives no thread.
#[cfg_attr(not(feature = "devnet"), allow(dead_code, reason = "the devnet calls it"))]
pub(crate) fn queue_stdout() -> io::Result<()> {
    let gap = |lost: u64| format!("({lost} lines are lost: nobody read them)\n").into_bytes();
    let stream = own(io::stdout().as_fd())?;
    let _ = STDOUT.set(Queue::start("output", stream, OnFailure::GiveUp, gap)?);
    Ok(())
}

/// The stream without the standard library's lock: whoever waits for the stream holds up nobody
/// else.
fn own(stream: impl AsFd) -> io::Result<File> {
    Ok(stream.as_fd().try_clone_to_owned()?.into())
}

/// Writes a line to standard output.
pub(crate) fn line(text: fmt::Arguments<'_>) -> Result<(), OutputError> {
    write_stdout(format!("{text}\n").as_bytes())
}

fn write_stdout(text: &[u8]) -> Result<(), OutputError> {
    let Some(queue) = STDOUT.get() else {
        return Ok(write_whole(&mut own(io::stdout().as_fd())?, text)?);
    };
    queue.push(text);
    check()
}

/// Writes all of it, also to a stream that does not block.
fn write_whole(stream: &mut File, mut text: &[u8]) -> io::Result<()> {
    while !text.is_empty() {
        match stream.write(text) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(bytes) => text = &text[bytes..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(FULL_PAUSE),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Returns the error of standard output, if a write has failed.
pub(crate) fn check() -> Result<(), OutputError> {
    STDOUT.get().and_then(Queue::given_up).map_or(Ok(()), |error| Err(OutputError(error)))
}

/// Writes a line to standard error.
pub(crate) fn note(text: fmt::Arguments<'_>) {
    write_stderr(format!("{text}\n").as_bytes());
}

/// Writes text to standard error as it is.
pub(crate) fn write_stderr(text: &[u8]) {
    match STDERR.get() {
        Some(queue) => queue.push(text),
        // Only in a test.
        None => _ = io::stderr().write_all(text),
    }
}

/// Waits for both streams for a moment, so that the next text stands below the earlier text.
pub(crate) fn settle() {
    for queue in [&STDERR, &STDOUT].into_iter().filter_map(OnceLock::get) {
        queue.flush(SETTLE_TIME);
    }
}

/// Waits for what is left of standard output. Returns the code, or that of output that was lost.
pub(crate) fn end(code: ExitCode) -> ExitCode {
    if let Some(queue) = STDOUT.get() {
        queue.flush(STDOUT_TIME);
    }
    match check() {
        Err(error) if code == ExitCode::SUCCESS => failure("", &error),
        _ => code,
    }
}

/// Reports why a command failed, after `before`. A closed pipe is not reported.
pub(crate) fn failure(before: &str, error: &(dyn Error + 'static)) -> ExitCode {
    let output = error.downcast_ref::<OutputError>();
    if output.is_some_and(|error| error.0.kind() == ErrorKind::BrokenPipe) {
        return ExitCode::from(READER_GONE);
    }
    tell!("{before}{error}");
    ExitCode::FAILURE
}

/// The writer of the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        CAPTURED.with_borrow_mut(|captured| match captured {
            Some(text) => text.extend_from_slice(bytes),
            None => write_stderr(bytes),
        });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The line of the log that stands for those that found no room.
fn lost_lines(lost: u64) -> Vec<u8> {
    CAPTURED.set(Some(Vec::new()));
    tracing::warn!(
        lost,
        "lines of the log are lost here: standard error could not be written, or nobody read it"
    );
    CAPTURED.take().unwrap_or_default()
}

/// Standard output, for drawing on a terminal.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "tui"), allow(dead_code, reason = "the table draws on it"))]
pub(crate) struct Stdout;

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        write_stdout(bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    /// Waits a moment only: the terminal may be stopped.
    fn flush(&mut self) -> io::Result<()> {
        settle();
        check().map_err(io::Error::other)
    }
}
