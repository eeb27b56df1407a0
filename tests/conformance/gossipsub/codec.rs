//! Messages of vectors, and bytes that are none, sent to the library.

use libp2p::gossipsub::IdentTopic;
use libtest_mimic::Failed;
use serde_json::Value;

use super::{PROBE, RawEvent, Rpc, Speaker, bytes, find, mesh, same, subject, wait};
use crate::raw::RawPeer;

/// A message of a vector is sent to the library, which has to read it and what follows it. The ids
/// of an IWANT and of an IDONTWANT are those of messages that nobody has; there only the bytes are
/// compared.
pub fn run_rpc(codec: &Value, output: &Value) -> Result<(), Failed> {
    let encoded = bytes(output, "encoded")?;
    let mut rpc = Rpc::default();
    rpc.read(codec, find(codec, "control"))?;
    same("the bytes say", &Rpc::of_frames(std::slice::from_ref(&encoded)), &rpc)?;

    let subject = subject(None)?;
    let speaker = Speaker::connect(&subject);
    let topics = || {
        let published = rpc.publish.iter().map(|sent| &sent.topic);
        let offered = rpc.ihave.iter().map(|(topic, _)| topic);
        published.chain(&rpc.graft).chain(offered).chain(rpc.prune.iter().map(|(topic, _)| topic))
    };
    topics().for_each(|topic| subject.subscribe(topic));
    topics().for_each(|topic| speaker.subscribe(topic));
    // Something to take back.
    let subscribed = rpc.subscriptions.iter().filter(|(subscribe, _)| !subscribe);
    subscribed.for_each(|(_, topic)| speaker.subscribe(topic));
    speaker.wait_read(&subject)?;
    for (topic, _) in &rpc.prune {
        same("in the mesh, to leave it", &mesh(&subject, topic), &vec![speaker.id()])?;
    }
    speaker.send(&encoded);
    speaker.wait_read(&subject)?;

    for (subscribe, topic) in &rpc.subscriptions {
        check_subscription(&subject, &speaker, *subscribe, topic)?;
    }
    for sent in &rpc.publish {
        let event = RawEvent::Message(speaker.id(), sent.topic.clone(), sent.data.clone());
        // Who says who it is may not take part in anonymous gossip.
        same("message", &subject.events().contains(&event), &sent.author.is_none())?;
    }
    for topic in &rpc.graft {
        same("in the mesh", &mesh(&subject, topic), &vec![speaker.id()])?;
    }
    for (topic, _) in &rpc.prune {
        same("in the mesh", &mesh(&subject, topic), &Vec::new())?;
    }
    let mut offered: Vec<_> = rpc.ihave.iter().flat_map(|(_, ids)| ids.clone()).collect();
    offered.sort();
    speaker.wait_heard("what it has is wanted", |frames| Rpc::of_frames(frames).iwant == offered)
}

/// The library has read a subscription, and writes the same of its own.
fn check_subscription(
    subject: &RawPeer,
    speaker: &Speaker,
    subscribe: bool,
    topic: &str,
) -> Result<(), Failed> {
    let event = if subscribe {
        RawEvent::Subscribed(speaker.id(), topic.into())
    } else {
        RawEvent::Unsubscribed(speaker.id(), topic.into())
    };
    same("subscription", &subject.events().contains(&event), &true)?;
    subject.subscribe(topic);
    if !subscribe {
        let topic = IdentTopic::new(topic);
        subject.act(move |swarm| {
            swarm.behaviour_mut().gossip.as_mut().expect("with gossip").unsubscribe(&topic)
        });
    }
    let expected = (subscribe, topic.to_owned());
    speaker.wait_heard("the same subscription", |frames| {
        Rpc::of_frames(frames).subscriptions.contains(&expected)
    })
}

/// A message that is none ends the stream, so that nothing after it is read.
pub fn run_rpc_refusal(raw: &[u8]) -> Result<(), Failed> {
    let subject = subject(None)?;
    let speaker = Speaker::connect(&subject);
    speaker.wait_read(&subject)?;
    speaker.send(raw);
    let after = format!("{PROBE}after");
    speaker.subscribe(&after);
    // Another peer's word comes through later.
    let other = Speaker::connect(&subject);
    other.subscribe(&after);
    let event = RawEvent::Subscribed(other.id(), after.clone());
    wait("another peer", || subject.events().contains(&event))?;
    let event = RawEvent::Subscribed(speaker.id(), after);
    same("read on", &subject.events().contains(&event), &false)
}
