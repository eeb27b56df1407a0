//! The content of gossipsub's messages: as vectors tell it, and as frames carry it.

use libtest_mimic::Failed;
use quintet_plugins::network::codec::varint;
use serde_json::Value;

use crate::vectors::{bytes, field, hex, items, optional};

/// The id of a message.
pub type Id = Vec<u8>;

/// The contents of one or more messages together. Ids are in order, everything else is as it came.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rpc {
    /// Topics, each with true if it is subscribed to.
    pub subscriptions: Vec<(bool, String)>,
    pub publish: Vec<Published>,
    pub ihave: Vec<(String, Vec<Id>)>,
    pub iwant: Vec<Id>,
    pub graft: Vec<String>,
    /// Topics, and for how many seconds the receiver is not to come back.
    pub prune: Vec<(String, u64)>,
    pub idontwant: Vec<Id>,
}

/// A message of a topic.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Published {
    pub topic: String,
    pub data: Vec<u8>,
    pub author: Option<Vec<u8>>,
    pub seqno: Option<Vec<u8>>,
    pub signature: Option<Vec<u8>>,
    pub key: Option<Vec<u8>>,
}

impl Rpc {
    /// Adds what a vector tells; the control messages may stand in an object of their own.
    pub fn read(&mut self, rpc: &Value, control: Option<&Value>) -> Result<(), Failed> {
        for subscription in items(rpc, "subscriptions")? {
            let topic = field(subscription, "topicId")?;
            self.subscriptions.push((field(subscription, "subscribe")?, topic));
        }
        for sent in items(rpc, "publish")? {
            let bytes =
                |name: &str| optional::<String>(sent, name)?.map(|_| bytes(sent, name)).transpose();
            self.publish.push(Published {
                topic: field(sent, "topic")?,
                data: bytes("data")?.unwrap_or_default(),
                author: bytes("fromPeer")?,
                seqno: bytes("seqno")?,
                signature: bytes("signature")?,
                key: bytes("key")?,
            });
        }
        let Some(control) = control else { return Ok(()) };
        for ihave in items(control, "ihave")? {
            self.ihave.push((field(ihave, "topicId")?, ids(ihave)?));
        }
        for iwant in items(control, "iwant")? {
            self.iwant.extend(ids(iwant)?);
        }
        for graft in items(control, "graft")? {
            self.graft.push(field(graft, "topicId")?);
        }
        for prune in items(control, "prune")? {
            self.prune.push((field(prune, "topicId")?, field(prune, "backoff")?));
        }
        for idontwant in items(control, "idontwant")? {
            self.idontwant.extend(ids(idontwant)?);
        }
        self.iwant.sort();
        self.idontwant.sort();
        Ok(())
    }

    /// Reads these frames. The library writes fields of an extension besides; they are left out.
    pub fn of_frames(frames: &[Vec<u8>]) -> Self {
        let mut rpc = Self::default();
        for (key, part) in frames.iter().flat_map(|frame| fields(frame)) {
            match key {
                1 => rpc.subscriptions.push((number_in(&part, 1) == 1, text_in(&part, 2))),
                2 => rpc.publish.push(Published {
                    topic: text_in(&part, 4),
                    data: find(&part, 2).unwrap_or_default(),
                    author: find(&part, 1),
                    seqno: find(&part, 3),
                    signature: find(&part, 5),
                    key: find(&part, 6),
                }),
                3 => rpc.add_control(&part),
                _ => {}
            }
        }
        rpc.iwant.sort();
        rpc.idontwant.sort();
        rpc
    }

    fn add_control(&mut self, control: &[u8]) {
        for (key, part) in fields(control) {
            match key {
                1 => {
                    let mut ids = all(&part, 2);
                    ids.sort();
                    self.ihave.push((text_in(&part, 1), ids));
                }
                2 => self.iwant.extend(all(&part, 1)),
                3 => self.graft.push(text_in(&part, 1)),
                4 => self.prune.push((text_in(&part, 1), number_in(&part, 3))),
                5 => self.idontwant.extend(all(&part, 1)),
                _ => {}
            }
        }
    }

    /// The bytes of one message that says all of it, authors and signatures excepted.
    pub fn encode(&self) -> Vec<u8> {
        let mut rpc = Vec::new();
        for (subscribe, topic) in &self.subscriptions {
            let content = [number(1, u64::from(*subscribe)), message(2, topic.as_bytes())];
            rpc.extend(message(1, &content.concat()));
        }
        for sent in &self.publish {
            let content = [message(2, &sent.data), message(4, sent.topic.as_bytes())];
            rpc.extend(message(2, &content.concat()));
        }
        let list = |ids: &[Id], key: u64| ids.iter().flat_map(|id| message(key, id)).collect();
        let mut control: Vec<u8> = Vec::new();
        for (topic, ids) in &self.ihave {
            let ids: Vec<u8> = list(ids, 2);
            control.extend(message(1, &[message(1, topic.as_bytes()), ids].concat()));
        }
        if !self.iwant.is_empty() {
            let ids: Vec<u8> = list(&self.iwant, 1);
            control.extend(message(2, &ids));
        }
        for topic in &self.graft {
            control.extend(message(3, &message(1, topic.as_bytes())));
        }
        for (topic, seconds) in &self.prune {
            let content = [message(1, topic.as_bytes()), number(3, *seconds)];
            control.extend(message(4, &content.concat()));
        }
        if !self.idontwant.is_empty() {
            let ids: Vec<u8> = list(&self.idontwant, 1);
            control.extend(message(5, &ids));
        }
        if !control.is_empty() {
            rpc.extend(message(3, &control));
        }
        rpc
    }
}

fn ids(value: &Value) -> Result<Vec<Id>, Failed> {
    let mut ids = items(value, "messageIds")?.iter().map(hex).collect::<Result<Vec<_>, _>>()?;
    ids.sort();
    Ok(ids)
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

/// The fields of a message that have this key.
fn all(bytes: &[u8], key: u64) -> Vec<Vec<u8>> {
    fields(bytes).into_iter().filter(|(of, _)| *of == key).map(|(_, content)| content).collect()
}

fn find(bytes: &[u8], key: u64) -> Option<Vec<u8>> {
    all(bytes, key).pop()
}

fn text_in(bytes: &[u8], key: u64) -> String {
    String::from_utf8_lossy(&find(bytes, key).unwrap_or_default()).into_owned()
}

fn number_in(bytes: &[u8], key: u64) -> u64 {
    find(bytes, key).map_or(0, |bytes| varint::decode(&bytes).expect("a number").0)
}
