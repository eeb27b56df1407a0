//! Passes events from the world to every client of the event stream.
//!
//! The world puts events into one bounded queue, and only those of topics that a client wants. A
//! task on the server's thread encodes each one once and offers it to the clients. Each client has
//! a bounded buffer of its own, so that a slow client loses events without affecting the others.
//!
//! Not `tokio::sync::broadcast`: a client chooses its topics, and a receiver that lags there counts
//! lost events of all topics, also of topics that it did not choose. A channel per topic would lose
//! the order between topics.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::body::Bytes;
use bevy_ecs::prelude::Resource;
use futures::{Stream, stream};
use tokio::{sync::mpsc, time::timeout};

use super::topics::{ChainEvent, Topic, Topics};

/// The number of events that may wait for the task.
const MAX_QUEUED: usize = 16_384;

/// The world's end.
#[derive(Resource, Clone, Debug)]
pub(crate) struct Announcer {
    queue: mpsc::Sender<ChainEvent>,
    shared: Arc<Shared>,
}

/// The clients' end.
#[derive(Clone, Debug)]
pub(super) struct EventHub(Arc<Shared>);

/// The events that wait for the task.
#[derive(Debug)]
pub(super) struct EventQueue {
    queue: mpsc::Receiver<ChainEvent>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    clients: Mutex<Vec<Client>>,
    /// The number of clients of each topic.
    wanted: [AtomicUsize; Topic::ALL.len()],
    /// The number of events of each topic for which the queue had no room.
    lost: [AtomicU64; Topic::ALL.len()],
}

#[derive(Debug)]
struct Client {
    topics: Topics,
    buffer: mpsc::Sender<Bytes>,
    dropped: Arc<AtomicU64>,
}

impl Client {
    /// Puts a frame into the buffer, after a comment if events before it were lost. If there is no
    /// room, counts it as lost too.
    fn offer(&self, frame: &Bytes) {
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        let needed = if dropped > 0 { 2 } else { 1 };
        let Ok(mut places) = self.buffer.try_reserve_many(needed) else {
            self.dropped.fetch_add(dropped + 1, Ordering::Relaxed);
            return;
        };
        if dropped > 0
            && let Some(place) = places.next()
        {
            place.send(comment(dropped));
        }
        if let Some(place) = places.next() {
            place.send(frame.clone());
        }
    }
}

/// The comment that says how many events are missing here.
fn comment(dropped: u64) -> Bytes {
    format!(": error - dropped {dropped} messages\n\n").into()
}

/// A hub without clients.
pub(super) fn hub() -> (Announcer, EventQueue, EventHub) {
    let shared = Arc::new(Shared::default());
    let (sender, receiver) = mpsc::channel(MAX_QUEUED);
    (
        Announcer { queue: sender, shared: Arc::clone(&shared) },
        EventQueue { queue: receiver, shared: Arc::clone(&shared) },
        EventHub(shared),
    )
}

impl Announcer {
    /// Returns true if a client wants events of this topic.
    pub(super) fn is_wanted(&self, topic: Topic) -> bool {
        self.shared.wanted[topic as usize].load(Ordering::Relaxed) > 0
    }

    /// Passes an event on if a client wants it. Never blocks.
    pub(super) fn announce(&self, event: ChainEvent) {
        let topic = event.topic();
        if self.is_wanted(topic) && self.queue.try_send(event).is_err() {
            self.shared.lost[topic as usize].fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl EventQueue {
    /// Passes events to the clients until the world is gone.
    pub(super) async fn run(mut self) {
        while let Some(event) = self.queue.recv().await {
            self.shared.tell_losses();
            self.shared.offer(event.topic(), &event.frame());
        }
    }
}

impl Shared {
    fn clients(&self) -> std::sync::MutexGuard<'_, Vec<Client>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn offer(&self, topic: Topic, frame: &Bytes) {
        for client in self.clients().iter().filter(|client| client.topics.contains(topic)) {
            client.offer(frame);
        }
    }

    /// Counts events for which the queue had no room as lost to every client that wanted them.
    fn tell_losses(&self) {
        for topic in Topic::ALL {
            let lost = &self.lost[topic as usize];
            if lost.load(Ordering::Relaxed) == 0 {
                continue;
            }
            let lost = lost.swap(0, Ordering::Relaxed);
            for client in self.clients().iter().filter(|client| client.topics.contains(topic)) {
                client.dropped.fetch_add(lost, Ordering::Relaxed);
            }
        }
    }
}

impl EventHub {
    /// Adds a client of these topics. Returns the stream's text, with comments where events were
    /// lost and when the stream is quiet. `None` if there are already `limit` clients.
    pub(super) fn subscribe(
        &self,
        topics: Topics,
        limit: usize,
        buffer: usize,
        keep_alive: Duration,
    ) -> Option<impl Stream<Item = Result<Bytes, std::convert::Infallible>> + use<>> {
        let shared = &self.0;
        let (sender, receiver) = mpsc::channel(buffer.max(2));
        let dropped = Arc::new(AtomicU64::new(0));
        {
            let mut clients = shared.clients();
            if clients.len() >= limit {
                return None;
            }
            clients.push(Client { topics, buffer: sender, dropped: Arc::clone(&dropped) });
        }
        for topic in topics.iter() {
            shared.wanted[topic as usize].fetch_add(1, Ordering::Relaxed);
        }
        let subscription = Subscription { shared: Arc::clone(shared), topics, receiver, dropped };
        Some(stream::unfold((subscription, true), move |(mut subscription, is_first)| async move {
            // At once, so that the client sees that its stream is open.
            let text = if is_first {
                Bytes::from_static(b": connected\n\n")
            } else {
                subscription.next(keep_alive).await?
            };
            Some((Ok(text), (subscription, false)))
        }))
    }
}

/// A client's end of its buffer. Dropping it removes the client.
#[derive(Debug)]
struct Subscription {
    shared: Arc<Shared>,
    topics: Topics,
    receiver: mpsc::Receiver<Bytes>,
    dropped: Arc<AtomicU64>,
}

impl Subscription {
    /// The next text; `None` when the hub is gone.
    async fn next(&mut self, keep_alive: Duration) -> Option<Bytes> {
        if let Ok(frame) = self.receiver.try_recv() {
            return Some(frame);
        }
        // The events in the buffer are older than the lost ones.
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            return Some(comment(dropped));
        }
        match timeout(keep_alive, self.receiver.recv()).await {
            Ok(frame) => frame,
            Err(_) => Some(Bytes::from_static(b": keep-alive\n\n")),
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.shared.clients().retain(|client| !Arc::ptr_eq(&client.dropped, &self.dropped));
        for topic in self.topics.iter() {
            self.shared.wanted[topic as usize].fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures::{StreamExt, poll};
    use quintet_components::containers::{Checkpoint, Root};

    use super::*;

    fn block(slot: u64) -> ChainEvent {
        ChainEvent::Block(Checkpoint { root: Root::ZERO, slot })
    }

    fn only(topic: Topic) -> Topics {
        let mut topics = Topics::default();
        topics.insert(topic);
        topics
    }

    async fn text(
        stream: &mut (impl Stream<Item = Result<Bytes, std::convert::Infallible>> + Unpin),
    ) -> String {
        let Ok(bytes) = stream.next().await.expect("the hub is there");
        String::from_utf8(bytes.to_vec()).expect("text")
    }

    const LONG: Duration = Duration::from_secs(600);

    #[tokio::test]
    async fn a_slow_client_is_told_where_events_are_missing_and_others_miss_nothing() {
        let (announcer, mut queue, hub) = hub();
        let mut slow = pin!(hub.subscribe(only(Topic::Block), 8, 4, LONG).expect("there is room"));
        let mut other =
            pin!(hub.subscribe(only(Topic::Block), 8, 99, LONG).expect("there is room"));
        let mut pass = |slots: std::ops::Range<u64>| {
            for slot in slots {
                announcer.announce(block(slot));
                let event = queue.queue.try_recv().expect("it is wanted");
                queue.shared.offer(event.topic(), &event.frame());
            }
        };
        pass(0..10);
        assert_eq!(text(&mut slow).await, ": connected\n\n");
        for slot in 0..2 {
            assert!(text(&mut slow).await.contains(&format!("\"slot\":{slot},")));
        }
        pass(10..11);
        for slot in 2..4 {
            assert!(text(&mut slow).await.contains(&format!("\"slot\":{slot},")));
        }
        assert_eq!(text(&mut slow).await, ": error - dropped 6 messages\n\n");
        assert!(text(&mut slow).await.contains("\"slot\":10,"));
        pass(11..16);
        for slot in 11..15 {
            assert!(text(&mut slow).await.contains(&format!("\"slot\":{slot},")));
        }
        assert_eq!(text(&mut slow).await, ": error - dropped 1 messages\n\n");
        assert!(poll!(slow.next()).is_pending());

        assert_eq!(text(&mut other).await, ": connected\n\n");
        for slot in 0..16 {
            assert!(text(&mut other).await.contains(&format!("\"slot\":{slot},")));
        }
    }

    #[tokio::test]
    async fn nothing_is_queued_that_nobody_wants_and_a_client_leaves_nothing_behind() {
        let (announcer, mut queue, hub) = hub();
        announcer.announce(block(1));
        assert!(queue.queue.try_recv().is_err());
        let stream = hub.subscribe(only(Topic::Head), 1, 4, LONG).expect("there is room");
        announcer.announce(block(1));
        assert!(queue.queue.try_recv().is_err());
        assert!(hub.subscribe(only(Topic::Head), 1, 4, LONG).is_none(), "one is the limit");
        drop(stream);
        assert!(!announcer.is_wanted(Topic::Head) && hub.0.clients().is_empty());
    }

    #[tokio::test]
    async fn what_the_queue_has_no_room_for_is_lost_to_all_who_wanted_it() {
        let (announcer, queue, hub) = hub();
        let mut stream =
            pin!(hub.subscribe(only(Topic::Block), 8, 1 << 15, LONG).expect("there is room"));
        for slot in 0..MAX_QUEUED as u64 + 7 {
            announcer.announce(block(slot));
        }
        drop(announcer);
        queue.run().await;
        text(&mut stream).await;
        assert_eq!(text(&mut stream).await, ": error - dropped 7 messages\n\n");
    }

    #[tokio::test]
    async fn a_quiet_stream_is_kept_open() {
        let (_announcer, _queue, hub) = hub();
        let quiet = Duration::from_millis(1);
        let mut stream = pin!(hub.subscribe(only(Topic::Head), 8, 4, quiet).expect("room"));
        text(&mut stream).await;
        assert_eq!(text(&mut stream).await, ": keep-alive\n\n");
    }
}
