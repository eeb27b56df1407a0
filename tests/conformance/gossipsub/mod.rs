//! Gossipsub's own messages and rules, which belong to the library that the node uses. Its codec and
//! handlers are private, so it is asked over real connections, by peers that write bare frames.

mod codec;
mod rpc;
mod speaker;

use std::collections::BTreeMap;

use libp2p::PeerId;
use libtest_mimic::Failed;
use quintet_plugins::network::codec::message_id;
use serde_json::Value;

use self::{
    rpc::{Published, Rpc},
    speaker::{PROBE, Speaker, mesh, subject, wait},
};
use crate::{
    raw::{RawEvent, RawPeer},
    vectors::{at, bytes, entries, field, find, hex, items, optional, read, same, within},
};
pub use codec::{run_rpc, run_rpc_refusal};

/// A handler's vector: peers are brought into the state before the event, one of them sends the
/// event, and then everybody's mail and the meshes are compared.
pub fn run(case: &Value) -> Result<(), Failed> {
    same("refusal", &optional::<String>(case, "rejectionReason")?, &None)?;
    let state = at(case, "initialState")?;
    let event = read_event(case)?;
    let subject = subject(Some(at(case, "params")?))?;
    for topic in items(state, "subscriptions")? {
        subject.subscribe(&read::<String>(topic)?);
    }
    let meshes = entries(at(state, "meshes")?)?
        .map(|(topic, members)| Ok((topic.clone(), read(members)?)))
        .collect::<Result<BTreeMap<String, Vec<String>>, Failed>>()?;
    // Somebody of no vector, who brings what has been seen and cached already.
    let helper = Speaker::connect(&subject);
    bring_messages(&subject, &helper, state)?;
    let now: f64 = field(case, "now")?;
    let mut speakers = BTreeMap::new();
    for (name, peer) in entries(at(state, "peers")?)? {
        let speaker = Speaker::connect(&subject);
        Place { subject: &subject, speaker: &speaker, name, meshes: &meshes, now }
            .take(peer)
            .map_err(|failed| within(name, failed))?;
        speakers.insert(name.clone(), speaker);
    }
    // Only what comes after this counts.
    tell_all(&subject, &speakers, "the beginning")?;
    let heard: Vec<usize> = speakers.values().map(|speaker| speaker.heard().len()).collect();
    let from: String = field(at(case, "event")?, "fromPeer")?;
    speakers.get(&from).ok_or("the sender is no peer")?.tell(&subject, &event)?;
    tell_all(&subject, &speakers, "the end")?;

    let expected = at(case, "expected")?;
    let mut mail: BTreeMap<&str, Rpc> =
        speakers.keys().map(|name| (name.as_str(), Rpc::default())).collect();
    for sent in items(expected, "sentRpcs")? {
        let to: String = field(sent, "toPeer")?;
        let mail = mail.get_mut(to.as_str()).ok_or_else(|| format!("{to} is no peer"))?;
        mail.read(sent, find(sent, "control"))?;
    }
    for ((name, speaker), heard) in speakers.iter().zip(heard) {
        let mut sent = Rpc::of_frames(&speaker.heard()[heard..]);
        sent.subscriptions.retain(|(_, topic)| topic != "the end");
        same(&format!("what {name} gets"), &sent, &mail[name.as_str()])?;
    }
    for (topic, members) in entries(at(expected, "meshAfter")?)? {
        let id = |name: &String| -> Result<PeerId, Failed> {
            Ok(speakers.get(name).ok_or_else(|| format!("{name} is no peer"))?.id())
        };
        let members: Vec<String> = read(members)?;
        let mut expected = members.iter().map(id).collect::<Result<Vec<_>, _>>()?;
        expected.sort();
        same("mesh", &mesh(&subject, topic), &expected)?;
    }
    Ok(())
}

/// The event, which is one for the handler that the vector names.
fn read_event(case: &Value) -> Result<Rpc, Failed> {
    let (mut rpc, event) = (Rpc::default(), at(case, "event")?);
    rpc.read(event, Some(event))?;
    let handler: String = field(case, "handlerName")?;
    let named = match handler.as_str() {
        "graft" => !rpc.graft.is_empty(),
        "prune" => !rpc.prune.is_empty(),
        "ihave" => !rpc.ihave.is_empty(),
        "iwant" => !rpc.iwant.is_empty(),
        "idontwant" => !rpc.idontwant.is_empty(),
        "message" => !rpc.publish.is_empty(),
        other => return Err(format!("unknown handler {other}").into()),
    };
    same("the event has something for its handler", &named, &true)?;
    Ok(rpc)
}

/// The subject says something to everybody, and everybody has heard it.
fn tell_all(
    subject: &RawPeer,
    speakers: &BTreeMap<String, Speaker>,
    word: &str,
) -> Result<(), Failed> {
    subject.subscribe(word);
    for speaker in speakers.values() {
        speaker.wait_heard(word, |frames| {
            Rpc::of_frames(frames).subscriptions.iter().any(|(_, topic)| topic == word)
        })?;
    }
    Ok(())
}

/// Makes the subject see the one message that the vectors know, by its id.
fn bring_messages(subject: &RawPeer, helper: &Speaker, state: &Value) -> Result<(), Failed> {
    let (topic, data) = ("test_topic", vec![0xde, 0xad, 0xbe, 0xef]);
    let id = message_id::of_message(topic, &data).to_vec();
    let seen = items(state, "seenMessageIds")?.iter().map(hex);
    let mut known = seen.collect::<Result<Vec<_>, _>>()?;
    for cached in items(state, "cachedMessages")? {
        same("cached topic", &field::<String>(cached, "topic")?.as_str(), &topic)?;
        same("cached data", &bytes(cached, "data")?, &data)?;
        known.push(bytes(cached, "messageId")?);
    }
    for known in known {
        same("a message seen before", &known, &id)?;
        let sent = Published { topic: topic.into(), data: data.clone(), ..Published::default() };
        helper.say(&Rpc { publish: vec![sent], ..Rpc::default() });
        let event = RawEvent::Message(helper.id(), topic.into(), data.clone());
        wait("the message before", || subject.events().contains(&event))?;
    }
    Ok(())
}

/// A peer that takes its place in the state before the event.
struct Place<'a> {
    subject: &'a RawPeer,
    speaker: &'a Speaker,
    name: &'a str,
    /// The members of each topic's mesh.
    meshes: &'a BTreeMap<String, Vec<String>>,
    /// The vector's clock, in seconds.
    now: f64,
}

impl Place<'_> {
    fn take(&self, peer: &Value) -> Result<(), Failed> {
        // A peer that nothing can be sent to is not connected to the library.
        same("with a stream", &field::<bool>(peer, "withStream")?, &true)?;
        let mut backoff = entries(at(peer, "backoff")?)?
            .map(|(topic, expiry)| Ok((topic.clone(), read(expiry)?)))
            .collect::<Result<BTreeMap<String, f64>, Failed>>()?;
        for topic in items(peer, "subscriptions")? {
            let topic: String = read(topic)?;
            let expiry = backoff.remove(&topic);
            self.join(&topic, expiry)?;
        }
        same("back-offs of topics that it is not in", &backoff.len(), &0)?;
        let idontwant = items(peer, "dontWantIds")?.iter().map(hex);
        let idontwant = idontwant.collect::<Result<Vec<_>, _>>()?;
        self.speaker.tell(self.subject, &Rpc { idontwant, ..Rpc::default() })
    }

    /// Subscribes, and comes into the mesh or stays out of it.
    fn join(&self, topic: &str, expiry: Option<f64>) -> Result<(), Failed> {
        let subscriptions = vec![(true, topic.to_owned())];
        self.speaker.tell(self.subject, &Rpc { subscriptions, ..Rpc::default() })?;
        let in_mesh = || mesh(self.subject, topic).contains(&self.speaker.id());
        let members = self.meshes.get(topic);
        if members.is_some_and(|members| members.iter().any(|member| member == self.name)) {
            same("a back-off of a member", &expiry, &None)?;
            let graft = vec![topic.to_owned()];
            self.speaker.tell(self.subject, &Rpc { graft, ..Rpc::default() })?;
            return same("in the mesh", &in_mesh(), &true);
        }
        // The library takes everybody in while there are few. Whoever leaves says for how long it
        // stays away: as the vector says, or not at all.
        let left = expiry.map_or(0.0, |expiry| (expiry - self.now).max(0.0));
        if in_mesh() || expiry.is_some() {
            let prune = vec![(topic.to_owned(), seconds(left)?)];
            self.speaker.tell(self.subject, &Rpc { prune, ..Rpc::default() })?;
        }
        same("in the mesh", &in_mesh(), &false)
    }
}

/// Whole seconds, which vectors write as floats.
fn seconds(number: f64) -> Result<u64, Failed> {
    let text = number.to_string();
    text.parse().map_err(|_| format!("{text} s are no whole seconds").into())
}
