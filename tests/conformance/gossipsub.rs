//! Gossipsub's own messages and rules, which belong to the library that the node uses. Its codec and
//! handlers are private, so it is asked over real connections, by peers that write bare frames.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::{
    PeerId,
    gossipsub::{self, IdentTopic, MessageId, TopicHash},
};
use libtest_mimic::Failed;
use quintet_plugins::network::codec::{message_id, varint};
use serde_json::Value;

use crate::{
    raw::{PATIENCE, RawEvent, RawPeer},
    vectors::{bytes, field, optional, same},
};

const MESHSUB: &str = "/meshsub/1.2.0";
/// A topic that no vector uses: whoever hears of it has read everything before it.
const PROBE: &str = "probe";

/// The library, set up as in a vector; its heartbeat does not come.
fn subject(params: Option<&Value>) -> Result<RawPeer, Failed> {
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
struct Speaker {
    raw: RawPeer,
    frames: Frames,
    /// Bytes to write, each a whole frame.
    writer: tokio::sync::mpsc::UnboundedSender<Vec<u8>>,
}

impl Speaker {
    fn connect(subject: &RawPeer) -> Self {
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
        Self { raw, frames, writer }
    }

    fn id(&self) -> PeerId {
        self.raw.peer
    }

    fn send(&self, rpc: &[u8]) {
        let mut frame = Vec::new();
        varint::append(rpc.len() as u64, &mut frame);
        frame.extend_from_slice(rpc);
        self.writer.send(frame).expect("the peer runs");
    }

    fn subscribe(&self, topic: &str) {
        self.send(&message(1, &[number(1, 1), message(2, topic.as_bytes())].concat()));
    }

    fn control(&self, kind: u64, content: &[u8]) {
        self.send(&message(3, &message(kind, content)));
    }

    /// Everything that the subject has sent.
    fn heard(&self) -> Vec<Vec<u8>> {
        self.frames.lock().expect("nobody panics with it").clone()
    }

    fn wait_heard(&self, what: &str, seen: impl Fn(&[Vec<u8>]) -> bool) -> Result<(), Failed> {
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

fn wait(what: &str, seen: impl Fn() -> bool) -> Result<(), Failed> {
    let deadline = Instant::now() + PATIENCE;
    while !seen() {
        if Instant::now() > deadline {
            return Err(format!("never seen: {what}").into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

// Protocol buffers, as far as gossipsub needs them.

fn message(key: u64, content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    varint::append(key << 3 | 2, &mut bytes);
    varint::append(content.len() as u64, &mut bytes);
    bytes.extend_from_slice(content);
    bytes
}

fn number(key: u64, value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    varint::append(key << 3, &mut bytes);
    varint::append(value, &mut bytes);
    bytes
}

/// The fields of a message: numbers as their varint's bytes.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let mut found = Vec::new();
    while let Ok((key, length)) = varint::decode(bytes) {
        bytes = &bytes[length..];
        let (value, length) = varint::decode(bytes).expect("a number");
        let (start, end) = match key & 7 {
            0 => (0, length),
            2 => (length, length + usize::try_from(value).expect("short")),
            kind => panic!("gossipsub has no fields of kind {kind}"),
        };
        found.push((key >> 3, bytes[start..end].to_vec()));
        bytes = &bytes[end..];
    }
    found
}

/// The fields with this key at this place below every frame.
fn all(frames: &[Vec<u8>], path: &[u64]) -> Vec<Vec<u8>> {
    path.iter().fold(frames.to_vec(), |found, key| {
        let inner = found.iter().flat_map(|bytes| fields(bytes));
        inner.filter(|(of, _)| of == key).map(|(_, bytes)| bytes).collect()
    })
}

/// A message of a vector is sent to the library, which has to read it and what follows it.
pub fn run_rpc(codec: &Value, output: &Value) -> Result<(), Failed> {
    let encoded = bytes(output, "encoded")?;
    let subject = subject(None)?;
    let topics: Vec<String> = list(codec, "publish")?
        .iter()
        .map(|message| field(message, "topic"))
        .chain(control(codec, "graft")?.iter().map(|graft| field(graft, "topicId")))
        .chain(control(codec, "ihave")?.iter().map(|ihave| field(ihave, "topicId")))
        .collect::<Result<_, _>>()?;
    for topic in &topics {
        subject.subscribe(topic);
    }
    let speaker = Speaker::connect(&subject);
    let subscriptions = list(codec, "subscriptions")?;
    for subscription in &subscriptions {
        // Something to take back.
        if !field::<bool>(subscription, "subscribe")? {
            speaker.subscribe(&field::<String>(subscription, "topicId")?);
        }
    }
    for topic in &topics {
        speaker.subscribe(topic);
    }
    speaker.send(&encoded);
    speaker.subscribe(PROBE);
    let probe = RawEvent::Subscribed(speaker.id(), PROBE.into());
    wait("what follows the message", || subject.events().contains(&probe))?;

    for subscription in &subscriptions {
        let topic: String = field(subscription, "topicId")?;
        let subscribes = field(subscription, "subscribe")?;
        let event = if subscribes {
            RawEvent::Subscribed(speaker.id(), topic.clone())
        } else {
            RawEvent::Unsubscribed(speaker.id(), topic.clone())
        };
        same("subscription", &subject.events().contains(&event), &true)?;
        // The library writes the same bytes.
        subject.subscribe(&topic);
        if !subscribes {
            let topic = IdentTopic::new(topic);
            subject.act(move |swarm| {
                swarm.behaviour_mut().gossip.as_mut().expect("with gossip").unsubscribe(&topic)
            });
        }
        // Beyond the two fields the library writes some of an extension of its own.
        let expected = all(std::slice::from_ref(&encoded), &[1]).iter().map(|of| fields(of)).next();
        let written = |frames: &[Vec<u8>]| {
            let mut found = all(frames, &[1]).into_iter().map(|of| {
                let own = fields(&of).into_iter().filter(|(key, _)| *key <= 2);
                Some(own.collect::<Vec<_>>())
            });
            found.any(|own| own == expected)
        };
        speaker.wait_heard("the same subscription", written)?;
    }
    for sent in list(codec, "publish")? {
        let data = optional::<String>(&sent, "data")?.map(|_| bytes(&sent, "data")).transpose()?;
        let authored = optional::<String>(&sent, "fromPeer")?.is_some();
        let event =
            RawEvent::Message(speaker.id(), field(&sent, "topic")?, data.unwrap_or_default());
        // Who says who it is may not take part in anonymous gossip.
        same("message", &subject.events().contains(&event), &!authored)?;
    }
    for graft in control(codec, "graft")? {
        let topic: String = field(&graft, "topicId")?;
        same("in the mesh", &mesh(&subject, &topic), &vec![speaker.id()])?;
    }
    for ihave in control(codec, "ihave")? {
        let ids = ids(&ihave)?;
        let wanted = |frames: &[Vec<u8>]| {
            let mut asked = all(frames, &[3, 2, 1]);
            asked.sort();
            asked == ids
        };
        speaker.wait_heard("what it has is wanted", wanted)?;
    }
    Ok(())
}

/// A message that is none ends the stream, so that nothing after it is read.
pub fn run_rpc_refusal(raw: &[u8]) -> Result<(), Failed> {
    let subject = subject(None)?;
    let speaker = Speaker::connect(&subject);
    let before = "before";
    speaker.subscribe(before);
    let event = RawEvent::Subscribed(speaker.id(), before.into());
    wait("what comes before", || subject.events().contains(&event))?;
    speaker.send(raw);
    speaker.subscribe(PROBE);
    // Another peer's word comes through later.
    let other = Speaker::connect(&subject);
    other.subscribe(PROBE);
    let event = RawEvent::Subscribed(other.id(), PROBE.into());
    wait("another peer", || subject.events().contains(&event))?;
    let event = RawEvent::Subscribed(speaker.id(), PROBE.into());
    same("read on", &subject.events().contains(&event), &false)
}

fn list(value: &Value, name: &str) -> Result<Vec<Value>, Failed> {
    Ok(optional(value, name)?.unwrap_or_default())
}

fn control(codec: &Value, name: &str) -> Result<Vec<Value>, Failed> {
    optional::<Value>(codec, "control")?.map_or(Ok(Vec::new()), |control| list(&control, name))
}

/// Message ids, in order.
fn ids(value: &Value) -> Result<Vec<Vec<u8>>, Failed> {
    let ids = list(value, "messageIds")?;
    let wrap = |id: Value| bytes(&serde_json::json!({ "id": id }), "id");
    let mut ids: Vec<_> = ids.into_iter().map(wrap).collect::<Result<_, _>>()?;
    ids.sort();
    Ok(ids)
}

fn mesh(subject: &RawPeer, topic: &str) -> Vec<PeerId> {
    let topic = TopicHash::from_raw(topic);
    let mut members = subject.act(move |swarm| {
        let gossip = swarm.behaviour().gossip.as_ref().expect("with gossip");
        gossip.mesh_peers(&topic).copied().collect::<Vec<_>>()
    });
    members.sort();
    members
}

/// A handler's vector: peers are brought into the state before the event, one of them sends the
/// event, and then everybody's mail and the meshes are compared.
pub fn run(case: &Value) -> Result<(), Failed> {
    let state: Value = field(case, "initialState")?;
    let event: Value = field(case, "event")?;
    let expected: Value = field(case, "expected")?;
    let subject = subject(Some(&field(case, "params")?))?;
    for topic in list(&state, "subscriptions")? {
        subject.subscribe(topic.as_str().unwrap_or_default());
    }
    let meshes: serde_json::Map<String, Value> = field(&state, "meshes")?;
    // Somebody of no vector, who brings what has been seen and cached already.
    let helper = Speaker::connect(&subject);
    bring_messages(&subject, &helper, &state)?;
    let mut speakers = BTreeMap::new();
    let peers: serde_json::Map<String, Value> = field(&state, "peers")?;
    for (name, peer) in &peers {
        let speaker = Speaker::connect(&subject);
        place(&subject, &speaker, name, peer, &meshes)?;
        speakers.insert(name.clone(), speaker);
    }
    // Only what comes from here on counts.
    let heard: Vec<usize> = speakers.values().map(|speaker| speaker.heard().len()).collect();
    let from: String = field(&event, "fromPeer")?;
    let sender = speakers.get(&from).ok_or("the sender is no peer")?;
    sender.send(&encode_event(&event)?);
    sender.subscribe(PROBE);
    let probe = RawEvent::Subscribed(sender.id(), PROBE.into());
    wait("what follows the event", || subject.events().contains(&probe))?;
    // The subject's last word to everybody.
    subject.subscribe("the end");
    let is_end = |bytes: &Vec<u8>| bytes == b"the end";
    for (speaker, heard) in speakers.values().zip(&heard) {
        let ended = |frames: &[Vec<u8>]| all(&frames[*heard..], &[1, 2]).iter().any(is_end);
        speaker.wait_heard("the end", ended)?;
    }
    let sent = list(&expected, "sentRpcs")?;
    for ((name, speaker), heard) in speakers.iter().zip(&heard) {
        let frames = &speaker.heard()[*heard..];
        let mine: Vec<&Value> = sent
            .iter()
            .filter(|rpc| rpc.get("toPeer").and_then(Value::as_str) == Some(name))
            .collect();
        compare_mail(frames, &mine).map_err(|failed| {
            Failed::from(format!("{name}: {}", failed.message().unwrap_or_default()))
        })?;
    }
    let after: serde_json::Map<String, Value> = field(&expected, "meshAfter")?;
    for (topic, members) in after {
        let mut expected: Vec<PeerId> = members
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|name| speakers.get(name.as_str().unwrap_or_default()))
            .map(Speaker::id)
            .collect();
        expected.sort();
        same("mesh", &mesh(&subject, &topic), &expected)?;
    }
    Ok(())
}

/// What was seen is the one message that the vectors know, by its id.
fn bring_messages(subject: &RawPeer, helper: &Speaker, state: &Value) -> Result<(), Failed> {
    let (topic, data) = ("test_topic", [0xde, 0xad, 0xbe, 0xef]);
    let id = message_id::of_message(topic, &data).to_vec();
    let mut known: Vec<Vec<u8>> = ids(&serde_json::json!({
        "messageIds": list(state, "seenMessageIds")?
    }))?;
    for cached in list(state, "cachedMessages")? {
        same("cached topic", &field::<String>(&cached, "topic")?, &topic.to_owned())?;
        same("cached data", &bytes(&cached, "data")?, &data.to_vec())?;
        known.push(bytes(&cached, "messageId")?);
    }
    for known in known {
        same("a message seen before", &known, &id)?;
        helper.send(&message(2, &[message(2, &data), message(4, topic.as_bytes())].concat()));
        let event = RawEvent::Message(helper.id(), topic.into(), data.to_vec());
        wait("the message before", || subject.events().contains(&event))?;
    }
    Ok(())
}

/// Subscribes a peer, and brings it into the mesh or keeps it out.
fn place(
    subject: &RawPeer,
    speaker: &Speaker,
    name: &str,
    peer: &Value,
    meshes: &serde_json::Map<String, Value>,
) -> Result<(), Failed> {
    let backoff: serde_json::Map<String, Value> = field(peer, "backoff")?;
    for topic in list(peer, "subscriptions")? {
        let topic = topic.as_str().ok_or("a topic is a text")?;
        speaker.subscribe(topic);
        let event = RawEvent::Subscribed(speaker.id(), topic.into());
        wait("subscribes", || subject.events().contains(&event))?;
        let members = meshes.get(topic).and_then(Value::as_array);
        if members.is_some_and(|members| members.iter().any(|member| member == name)) {
            speaker.control(3, &message(1, topic.as_bytes()));
            wait("joins the mesh", || mesh(subject, topic).contains(&speaker.id()))?;
        } else if mesh(subject, topic).contains(&speaker.id()) {
            // The library takes everybody in while there are few. Leaving sets a time before which
            // one may not come back, as the vector says, or does not matter to it.
            let seconds = if backoff.contains_key(topic) { 60 } else { 1 };
            let prune = [message(1, topic.as_bytes()), number(3, seconds)].concat();
            speaker.control(4, &prune);
            wait("leaves the mesh", || !mesh(subject, topic).contains(&speaker.id()))?;
        }
    }
    Ok(())
}

fn encode_event(event: &Value) -> Result<Vec<u8>, Failed> {
    let topic_of = |value: &Value| -> Result<Vec<u8>, Failed> {
        Ok(message(1, field::<String>(value, "topicId")?.as_bytes()))
    };
    let mut control = Vec::new();
    for ihave in list(event, "ihave")? {
        let ids = ids(&ihave)?.into_iter().flat_map(|id| message(2, &id));
        control.extend(message(1, &topic_of(&ihave)?.into_iter().chain(ids).collect::<Vec<_>>()));
    }
    for iwant in list(event, "iwant")? {
        let ids: Vec<u8> = ids(&iwant)?.into_iter().flat_map(|id| message(1, &id)).collect();
        control.extend(message(2, &ids));
    }
    for graft in list(event, "graft")? {
        control.extend(message(3, &topic_of(&graft)?));
    }
    for prune in list(event, "prune")? {
        let backoff = number(3, field(&prune, "backoff")?);
        control.extend(message(4, &[topic_of(&prune)?, backoff].concat()));
    }
    let mut rpc = Vec::new();
    for sent in list(event, "publish")? {
        let topic: String = field(&sent, "topic")?;
        let content = [message(2, &bytes(&sent, "data")?), message(4, topic.as_bytes())];
        rpc.extend(message(2, &content.concat()));
    }
    if !control.is_empty() {
        rpc.extend(message(3, &control));
    }
    Ok(rpc)
}

/// Messages, wants and prunes that a peer got are those expected.
fn compare_mail(frames: &[Vec<u8>], expected: &[&Value]) -> Result<(), Failed> {
    let (mut messages, mut wants, mut prunes) = (Vec::new(), Vec::new(), Vec::new());
    for rpc in expected {
        for sent in list(rpc, "publish")? {
            let topic: String = field(&sent, "topic")?;
            messages.push((topic.into_bytes(), bytes(&sent, "data")?));
        }
        for iwant in control(rpc, "iwant")? {
            wants.extend(ids(&iwant)?);
        }
        for prune in control(rpc, "prune")? {
            let topic: String = field(&prune, "topicId")?;
            prunes.push((topic.into_bytes(), number(3, field(&prune, "backoff")?)[1..].to_vec()));
        }
    }
    let pair = |bytes: &Vec<u8>, first: u64, second: u64| {
        let one = |key| all(std::slice::from_ref(bytes), &[key]).pop().unwrap_or_default();
        (one(first), one(second))
    };
    let sent: Vec<_> = all(frames, &[2]).iter().map(|bytes| pair(bytes, 4, 2)).collect();
    same("messages", &sent, &messages)?;
    let mut asked = all(frames, &[3, 2, 1]);
    asked.sort();
    same("wants", &asked, &wants)?;
    let pruned: Vec<_> = all(frames, &[3, 4]).iter().map(|bytes| pair(bytes, 1, 3)).collect();
    same("prunes", &pruned, &prunes)
}
