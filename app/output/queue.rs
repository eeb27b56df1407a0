//! A queue for text, in front of a stream that may be slow, full or closed.

use std::{
    io::{self, ErrorKind, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// Bytes that wait at most. A line for which there is no room is dropped and counted. As much
/// again may be in the hand of the thread that writes.
pub(super) const MAX_WAITING_BYTES: usize = 1 << 20;
/// The shortest and the longest wait before the thread tries again to write.
const RETRY: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(500));

/// The reaction of the thread to a write that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnFailure {
    /// It tries until the write succeeds.
    Retry,
    /// It ends, and later text is refused with the reason.
    GiveUp,
}

/// A bounded queue, and a thread that writes what is in it. Who adds text never waits for the
/// stream.
#[derive(Clone)]
pub(super) struct Queue(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    on_failure: OnFailure,
    /// The line that stands for so many dropped ones.
    gap: fn(u64) -> Vec<u8>,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    /// Lines that were dropped and not reported yet.
    dropped: u64,
    is_writing: bool,
    /// The last write failed.
    is_failing: bool,
    given_up: Option<Arc<io::Error>>,
}

impl Queue {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn start(
        name: &str,
        stream: impl Write + Send + 'static,
        on_failure: OnFailure,
        gap: fn(u64) -> Vec<u8>,
    ) -> io::Result<Self> {
        let (state, changed) = (Mutex::default(), Condvar::new());
        let queue = Self(Arc::new(Shared { state, changed, on_failure, gap }));
        let shared = Arc::clone(&queue.0);
        thread::Builder::new().name(name.into()).spawn(move || shared.run(stream))?;
        Ok(queue)
    }

    /// Adds text, a line as a rule, or drops and counts it when there is no room.
    pub(super) fn push(&self, text: &[u8]) {
        let mut state = self.0.lock();
        if state.given_up.is_some() {
            return;
        }
        if state.waiting.len() + text.len() > MAX_WAITING_BYTES {
            state.dropped += 1;
        } else {
            state.waiting.extend_from_slice(text);
        }
        drop(state);
        self.0.changed.notify_all();
    }

    /// Waits until everything is written, at most this long. Gives up at once while writes fail.
    pub(super) fn flush(&self, at_most: Duration) {
        let has_work = |state: &mut State| {
            (!state.waiting.is_empty() || state.is_writing) && !state.is_failing
        };
        let _ = self.0.changed.wait_timeout_while(self.0.lock(), at_most, has_work);
    }

    /// The error with which the thread has given up, if it has.
    pub(super) fn given_up(&self) -> Option<Arc<io::Error>> {
        self.0.lock().given_up.clone()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, mut stream: impl Write) {
        let mut batch = Vec::new();
        loop {
            let dropped = self.next(&mut batch);
            // The dropped lines came after the batch.
            if dropped > 0 {
                self.write(&mut stream, &batch);
                batch = (self.gap)(dropped);
            }
            self.write(&mut stream, &batch);
            if self.lock().given_up.is_some() {
                self.changed.notify_all();
                return;
            }
        }
    }

    /// Waits for text and takes all of it. Returns how many lines were dropped after it.
    fn next(&self, batch: &mut Vec<u8>) -> u64 {
        batch.clear();
        let mut state = self.lock();
        state.is_writing = false;
        self.changed.notify_all();
        let mut state = self
            .changed
            .wait_while(state, |state| state.waiting.is_empty() && state.dropped == 0)
            .unwrap_or_else(PoisonError::into_inner);
        state.is_writing = true;
        std::mem::swap(&mut state.waiting, batch);
        std::mem::take(&mut state.dropped)
    }

    /// Writes all of it, or gives up. A part that was written is not written again.
    fn write(&self, stream: &mut impl Write, mut text: &[u8]) {
        let mut pause = RETRY.0;
        while !text.is_empty() {
            let written = match stream.write(text) {
                Ok(0) => Err(ErrorKind::WriteZero.into()),
                written => written,
            };
            let error = match written {
                Ok(bytes) => {
                    text = &text[bytes..];
                    pause = RETRY.0;
                    self.lock().is_failing = false;
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => error,
            };
            // A stream that does not block and is full is only slow.
            if error.kind() != ErrorKind::WouldBlock {
                let mut state = self.lock();
                state.is_failing = true;
                if self.on_failure == OnFailure::GiveUp {
                    state.waiting = Vec::new();
                    state.given_up.get_or_insert_with(|| Arc::new(error));
                    return;
                }
                self.changed.notify_all();
            }
            thread::sleep(pause);
            pause = (pause * 2).min(RETRY.1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// For a thread of this test.
    const PATIENCE: Duration = Duration::from_secs(60);

    /// Each write waits for what it is to answer, and then says what it was given.
    struct Scripted {
        answers: Receiver<io::Result<usize>>,
        written: Sender<Vec<u8>>,
    }

    impl Write for Scripted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let answer = self.answers.recv().unwrap_or(Ok(bytes.len()))?.min(bytes.len());
            let _ = self.written.send(bytes[..answer].to_vec());
            Ok(answer)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn gap(dropped: u64) -> Vec<u8> {
        format!("{dropped} dropped\n").into_bytes()
    }

    fn queue(on_failure: OnFailure) -> (Queue, Sender<io::Result<usize>>, Receiver<Vec<u8>>) {
        let (answer, answers) = channel();
        let (written, writes) = channel();
        let queue = Queue::start("test", Scripted { answers, written }, on_failure, gap);
        (queue.expect("a thread"), answer, writes)
    }

    fn all(writes: &Receiver<Vec<u8>>, bytes: usize) -> String {
        let mut text = Vec::new();
        while text.len() < bytes {
            text.extend(writes.recv_timeout(PATIENCE).expect("it is written"));
        }
        String::from_utf8(text).expect("it is text")
    }

    #[test]
    fn what_failed_is_written_later_once_and_whole() {
        let (queue, answer, writes) = queue(OnFailure::Retry);
        queue.push(b"first line\n");
        for answered in [
            Ok(5),
            Err(ErrorKind::StorageFull.into()),
            Err(ErrorKind::WouldBlock.into()),
            Ok(0),
            Err(ErrorKind::Interrupted.into()),
            Ok(usize::MAX),
        ] {
            answer.send(answered).expect("it writes");
        }
        assert_eq!(all(&writes, 11), "first line\n");
        drop(answer);
        queue.push(b"second line\n");
        assert_eq!(all(&writes, 12), "second line\n");
        queue.flush(PATIENCE);
        assert!(queue.0.lock().waiting.is_empty());
    }

    #[test]
    fn lines_without_room_are_counted_and_told_of_where_they_are_missing() {
        let (queue, answer, writes) = queue(OnFailure::Retry);
        queue.push(b"taken\n");
        let is_taken = |state: &mut State| !state.waiting.is_empty();
        drop(queue.0.changed.wait_while(queue.0.lock(), is_taken));
        // The write of that line waits.
        let line = vec![b'x'; MAX_WAITING_BYTES];
        queue.push(&line);
        for _ in 0..3 {
            queue.push(b"lost\n");
        }
        assert_eq!(queue.0.lock().waiting.len(), MAX_WAITING_BYTES);
        drop(answer);
        let text = all(&writes, 6 + MAX_WAITING_BYTES + 10);
        assert!(text.starts_with("taken\nxx") && text.ends_with("xx3 dropped\n"), "{}", text.len());
    }

    #[test]
    fn a_line_larger_than_the_queue_is_told_of_too() {
        let (queue, answer, writes) = queue(OnFailure::Retry);
        drop(answer);
        queue.push(&vec![b'x'; MAX_WAITING_BYTES + 1]);
        assert_eq!(all(&writes, 10), "1 dropped\n");
    }

    #[test]
    fn a_stream_that_is_given_up_says_why_and_takes_nothing_more() {
        let (queue, answer, writes) = queue(OnFailure::GiveUp);
        queue.push(b"line\n");
        answer.send(Err(ErrorKind::BrokenPipe.into())).expect("it writes");
        assert!(writes.recv().is_err(), "the thread has ended");
        let error = queue.given_up().expect("it has given up");
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        queue.push(b"line\n");
        assert!(queue.0.lock().waiting.is_empty());
        queue.flush(PATIENCE);
    }

    #[test]
    fn nobody_waits_long_for_a_stream_that_cannot_be_written() {
        let (queue, answer, _writes) = queue(OnFailure::Retry);
        queue.push(b"line\n");
        answer.send(Err(ErrorKind::StorageFull.into())).expect("it writes");
        // The next write waits for its answer: only the failure ends this.
        queue.flush(PATIENCE);
        assert!(queue.0.lock().is_failing);
    }
}
