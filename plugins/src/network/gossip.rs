//! Gossip messages: their content, and those that wait for the world's verdict.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use libp2p::{PeerId, gossipsub::MessageId};
use quintet_components::{
    constants::MAX_PROOF_BYTES,
    containers::{SignedAggregatedAttestation, SignedAttestation, SignedBlock},
    messages::InputId,
    preset::SignaturePreset,
};
use ssz::{Decode, Encode};
use tokio::time::Instant;

use super::codec::{MAX_PAYLOAD_BYTES, snappy, topic::Topic};

/// The number of messages that may wait for their verdict: more than all inbound lanes hold. Beyond
/// that the oldest counts as ignored.
pub(super) const MAX_WAITING: usize = 16_384;

/// The content of a gossip message.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Block(Arc<SignedBlock>),
    Aggregate(Arc<SignedAggregatedAttestation>),
    Attestation(Arc<SignedAttestation>),
}

/// The reason a message has no valid content.
#[derive(Debug, thiserror::Error)]
pub(super) enum ContentError {
    #[error(transparent)]
    Snappy(#[from] snappy::SnappyError),
    #[error("undecodable: {0:?}")]
    Ssz(ssz::DecodeError),
}

/// The largest content of a topic in bytes, uncompressed.
fn limit(topic: Topic) -> usize {
    match topic {
        Topic::Block => MAX_PAYLOAD_BYTES,
        // The attestation data, three offsets, and one bit per validator.
        Topic::Aggregation => MAX_PROOF_BYTES + 1024,
        Topic::Attestation(_) => 136 + SignaturePreset::Production.signature_bytes(),
    }
}

impl Content {
    /// Decodes a message of this topic.
    pub(super) fn decode(topic: Topic, data: &[u8]) -> Result<Self, ContentError> {
        fn read<T: Decode>(bytes: &[u8]) -> Result<Arc<T>, ContentError> {
            T::from_ssz_bytes(bytes).map(Arc::new).map_err(ContentError::Ssz)
        }
        let bytes = snappy::decompress(data, limit(topic))?;
        match topic {
            Topic::Block => read(&bytes).map(Self::Block),
            Topic::Aggregation => read(&bytes).map(Self::Aggregate),
            Topic::Attestation(_) => read(&bytes).map(Self::Attestation),
        }
    }

    /// The topic of the content, and its bytes.
    pub(super) fn encode(&self, committee_count: u64) -> (Topic, Vec<u8>) {
        let (topic, bytes) = match self {
            Self::Block(block) => (Topic::Block, block.as_ssz_bytes()),
            Self::Aggregate(aggregate) => (Topic::Aggregation, aggregate.as_ssz_bytes()),
            Self::Attestation(attestation) => (
                Topic::of_validator(attestation.validator_index, committee_count),
                attestation.as_ssz_bytes(),
            ),
        };
        (topic, snappy::compress(&bytes))
    }
}

/// A message that the world has not judged yet.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) topic: Topic,
    pub(super) message: MessageId,
    pub(super) source: PeerId,
}

/// The messages that wait for their verdict, oldest first.
#[derive(Debug, Default)]
pub(super) struct Verdicts {
    waiting: HashMap<InputId, Waiting>,
    order: VecDeque<(Instant, InputId)>,
    next: u64,
}

impl Verdicts {
    /// Assigns an id to a message, which waits from now on.
    pub(super) fn wait(&mut self, waiting: Waiting, now: Instant) -> InputId {
        let id = InputId(self.next);
        self.next += 1;
        self.waiting.insert(id, waiting);
        self.order.push_back((now, id));
        id
    }

    /// Takes the message that was judged; `None` if it was taken before.
    pub(super) fn take(&mut self, id: InputId) -> Option<Waiting> {
        self.waiting.remove(&id)
    }

    /// Takes a message that has waited too long, or for which there is no room.
    pub(super) fn overdue(&mut self, now: Instant, longest: Duration) -> Option<Waiting> {
        while let Some((since, id)) = self.order.front() {
            let known = self.waiting.contains_key(id);
            if known && now - *since < longest && self.waiting.len() <= MAX_WAITING {
                return None;
            }
            let id = *id;
            self.order.pop_front();
            if known {
                return self.waiting.remove(&id);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting() -> Waiting {
        Waiting { topic: Topic::Block, message: MessageId::from("m"), source: PeerId::random() }
    }

    #[test]
    fn a_message_is_judged_once_and_the_oldest_gives_way() {
        let mut verdicts = Verdicts::default();
        let start = Instant::now();
        let longest = Duration::from_secs(4);
        let first = verdicts.wait(waiting(), start);
        let second = verdicts.wait(waiting(), start + Duration::from_secs(1));
        assert!(verdicts.take(second).is_some() && verdicts.take(second).is_none());
        assert!(verdicts.overdue(start + Duration::from_secs(3), longest).is_none());
        assert!(verdicts.overdue(start + longest, longest).is_some(), "the first");
        assert!(verdicts.take(first).is_none());
        assert!(verdicts.overdue(start + longest * 9, longest).is_none());
        assert!(verdicts.order.is_empty(), "nothing stays behind");
        for _ in 0..=MAX_WAITING {
            verdicts.wait(waiting(), start);
        }
        assert!(verdicts.overdue(start, longest).is_some(), "one too many");
        assert!(verdicts.overdue(start, longest).is_none());
    }
}
