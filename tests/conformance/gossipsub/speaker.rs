//! The library that the node uses, and peers that speak gossipsub by hand.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::{
    PeerId,
    gossipsub::{self, MessageId, TopicHash},
};
use libtest_mimic::Failed;
use quintet_plugins::network::codec::{message_id, varint};
use serde_json::Value;

use super::rpc::Rpc;
use crate::{
    raw::{PATIENCE, RawEvent, RawPeer},
    vectors::field,
};

const MESHSUB: &str = "/meshsub/1.2.0";
/// The beginning of topics that no vector uses: whoever hears of one has read everything before it.
pub const PROBE: &str = "probe-";

/// The library, set up as in a vector; its heartbeat does not come.
pub fn subject(params: Option<&Value>) -> Result<RawPeer, Failed> {
    let never = Duration::from_secs(3600);
    let mut config = gossipsub::ConfigBuilder::default();
    config
        .validation_mode(gossipsub::ValidationMode::Anonymous)
        .heartbeat_initial_delay(never)
        .heartbeat_interval(never)
        .flood_publish(false)
        .mesh_outbound_min(0)
        .message_id_fn(|message| {
            let id = message_id::of_message(message.topic.as_str(), &message.data);
            MessageId::from(id.to_vec())
        });
    if let Some(params) = params {
        let number = |name: &str| field::<usize>(params, name);
        let high = number("dHigh")?;
        // One vector has a target above the most, which the library refuses.
        config.mesh_n(number("d")?.min(high)).mesh_n_low(number("dLow")?).mesh_n_high(high);
        config.gossip_lazy(number("dLazy")?);
    }
    let gossip = gossipsub::Behaviour::new(
        gossipsub::MessageAuthenticity::Anonymous,
        config.build().map_err(|error| error.to_string())?,
    )?;
    Ok(RawPeer::start(Some(gossip)))
}

/// Frames that the subject has sent to a peer.
type Frames = Arc<Mutex<Vec<Vec<u8>>>>;

/// A peer that speaks gossipsub by hand.
pub struct Speaker {
    raw: RawPeer,
    frames: Frames,
    /// The number of probes for what the subject has read.
    probes: AtomicUsize,
    /// Bytes to write, each a whole frame.
    writer: tokio::sync::mpsc::UnboundedSender<Vec<u8>>,
}

impl Speaker {
    pub fn connect(subject: &RawPeer) -> Self {
        let raw = RawPeer::start(None);
        let frames = Frames::default();
        let mut incoming = raw.accept(MESHSUB);
        let read = Arc::clone(&frames);
        raw.spawn(async move {
            while let Some((_, stream)) = incoming.next().await {
                tokio::spawn(read_frames(stream, Arc::clone(&read)));
            }
        });
        raw.connect(&format!("{}/p2p/{}", subject.address, subject.peer));
        let (writer, mut written) = tokio::sync::mpsc::unbounded_channel::<Vec<u8>>();
        let mut stream = raw.open(subject.peer, MESHSUB).expect("speaks gossipsub");
        raw.spawn(async move {
            while let Some(frame) = written.recv().await {
                let _ = stream.write_all(&frame).await;
                let _ = stream.flush().await;
            }
        });
        Self { raw, frames, probes: AtomicUsize::new(0), writer }
    }

    pub fn id(&self) -> PeerId {
        self.raw.peer
    }

    /// Sends the bytes of a message.
    pub fn send(&self, rpc: &[u8]) {
        let mut frame = Vec::new();
        varint::append(rpc.len() as u64, &mut frame);
        frame.extend_from_slice(rpc);
        self.writer.send(frame).expect("the peer runs");
    }

    pub fn say(&self, rpc: &Rpc) {
        self.send(&rpc.encode());
    }

    pub fn subscribe(&self, topic: &str) {
        self.say(&Rpc { subscriptions: vec![(true, topic.into())], ..Rpc::default() });
    }

    /// Says something, and waits until the subject has read it.
    pub fn tell(&self, subject: &RawPeer, rpc: &Rpc) -> Result<(), Failed> {
        self.say(rpc);
        self.wait_read(subject)
    }

    /// Waits until the subject has read everything that was said.
    pub fn wait_read(&self, subject: &RawPeer) -> Result<(), Failed> {
        let probe = format!("{PROBE}{}", self.probes.fetch_add(1, Ordering::Relaxed));
        self.subscribe(&probe);
        let event = RawEvent::Subscribed(self.id(), probe);
        wait("what follows the message", || subject.events().contains(&event))
    }

    /// Everything that the subject has sent.
    pub fn heard(&self) -> Vec<Vec<u8>> {
        self.frames.lock().expect("nobody panics with it").clone()
    }

    pub fn wait_heard(&self, what: &str, seen: impl Fn(&[Vec<u8>]) -> bool) -> Result<(), Failed> {
        wait(what, || seen(&self.heard()))
    }
}

async fn read_frames(mut stream: libp2p::Stream, frames: Frames) {
    loop {
        let mut length = varint::VarintReader::default();
        let length = loop {
            let mut byte = [0];
            if stream.read_exact(&mut byte).await.is_err() {
                return;
            }
            if let Some(length) = length.push(byte[0]).expect("a length") {
                break length;
            }
        };
        let mut frame = vec![0; usize::try_from(length).expect("short")];
        if stream.read_exact(&mut frame).await.is_err() {
            return;
        }
        frames.lock().expect("nobody panics with it").push(frame);
    }
}

pub fn wait(what: &str, seen: impl Fn() -> bool) -> Result<(), Failed> {
    let deadline = Instant::now() + PATIENCE;
    while !seen() {
        if Instant::now() > deadline {
            return Err(format!("never seen: {what}").into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

pub fn mesh(subject: &RawPeer, topic: &str) -> Vec<PeerId> {
    let topic = TopicHash::from_raw(topic);
    let mut members = subject.act(move |swarm| {
        let gossip = swarm.behaviour().gossip.as_ref().expect("with gossip");
        gossip.mesh_peers(&topic).copied().collect::<Vec<_>>()
    });
    members.sort();
    members
}
