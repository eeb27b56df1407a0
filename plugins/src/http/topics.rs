//! The events of the stream, and their text.

use std::sync::Arc;

use axum::body::Bytes;
use quintet_components::containers::{
    AttestationData, Checkpoint, Root, SignedAggregatedAttestation, SignedAttestation, Slot,
    ValidatorIndex,
};
use serde::Serialize;

/// A kind of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Topic {
    Head,
    Block,
    JustifiedCheckpoint,
    FinalizedCheckpoint,
    BlockGossip,
    Attestation,
    Aggregate,
}

impl Topic {
    /// Every topic.
    pub(super) const ALL: [Self; 7] = [
        Self::Head,
        Self::Block,
        Self::JustifiedCheckpoint,
        Self::FinalizedCheckpoint,
        Self::BlockGossip,
        Self::Attestation,
        Self::Aggregate,
    ];

    /// Its name in the query and on the `event:` line.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Block => "block",
            Self::JustifiedCheckpoint => "justified_checkpoint",
            Self::FinalizedCheckpoint => "finalized_checkpoint",
            Self::BlockGossip => "block_gossip",
            Self::Attestation => "attestation",
            Self::Aggregate => "aggregate",
        }
    }
}

/// A set of topics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Topics(u8);

impl Topics {
    pub(super) const fn contains(self, topic: Topic) -> bool {
        self.0 & (1 << topic as u8) != 0
    }

    pub(super) const fn insert(&mut self, topic: Topic) {
        self.0 |= 1 << topic as u8;
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The topics in it.
    pub(super) fn iter(self) -> impl Iterator<Item = Topic> {
        Topic::ALL.into_iter().filter(move |topic| self.contains(*topic))
    }
}

/// An event. Roots are those of blocks, except for `state`.
#[derive(Clone, Debug)]
pub(super) enum ChainEvent {
    Head { head: Checkpoint, state: Root },
    Block(Checkpoint),
    Justified { checkpoint: Checkpoint, state: Root },
    Finalized { checkpoint: Checkpoint, state: Root },
    BlockGossip(Checkpoint),
    Attestation(Arc<SignedAttestation>),
    Aggregate(Arc<SignedAggregatedAttestation>),
}

#[derive(Serialize)]
struct BlockData {
    slot: Slot,
    block: Root,
}

#[derive(Serialize)]
struct StateData {
    slot: Slot,
    block: Root,
    state: Root,
}

#[derive(Serialize)]
struct AttestationEvent<'a> {
    validator_id: ValidatorIndex,
    data: &'a AttestationData,
}

#[derive(Serialize)]
struct AggregateEvent<'a> {
    participants: Vec<ValidatorIndex>,
    data: &'a AttestationData,
}

impl ChainEvent {
    pub(super) const fn topic(&self) -> Topic {
        match self {
            Self::Head { .. } => Topic::Head,
            Self::Block(_) => Topic::Block,
            Self::Justified { .. } => Topic::JustifiedCheckpoint,
            Self::Finalized { .. } => Topic::FinalizedCheckpoint,
            Self::BlockGossip(_) => Topic::BlockGossip,
            Self::Attestation(_) => Topic::Attestation,
            Self::Aggregate(_) => Topic::Aggregate,
        }
    }

    /// The text of the event in the stream.
    pub(super) fn frame(&self) -> Bytes {
        let with_state = |at: &Checkpoint, state: &Root| StateData {
            slot: at.slot,
            block: at.root,
            state: *state,
        };
        let text = match self {
            Self::Head { head, state } => self.write(&with_state(head, state)),
            Self::Justified { checkpoint, state } | Self::Finalized { checkpoint, state } => {
                self.write(&with_state(checkpoint, state))
            }
            Self::Block(at) | Self::BlockGossip(at) => {
                self.write(&BlockData { slot: at.slot, block: at.root })
            }
            Self::Attestation(attestation) => self.write(&AttestationEvent {
                validator_id: attestation.validator_index,
                data: &attestation.data,
            }),
            Self::Aggregate(aggregate) => self.write(&AggregateEvent {
                participants: aggregate.proof.participants.indices().collect(),
                data: &aggregate.data,
            }),
        };
        text.into()
    }

    fn write(&self, data: &impl Serialize) -> String {
        let json = serde_json::to_string(data).expect("numbers, roots and lists of them are JSON");
        format!("event: {}\ndata: {json}\n\n", self.topic().name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_have_the_topic_on_one_line_and_flat_json_on_the_next() {
        let at = Checkpoint { root: Root::repeat_byte(1), slot: 7 };
        let state = Root::repeat_byte(2);
        let (one, two) = ("01".repeat(32), "02".repeat(32));
        let frame = |event: ChainEvent| String::from_utf8(event.frame().to_vec()).expect("text");
        assert_eq!(
            frame(ChainEvent::Head { head: at, state }),
            format!(
                "event: head\ndata: {{\"slot\":7,\"block\":\"0x{one}\",\"state\":\"0x{two}\"}}\n\n"
            )
        );
        assert_eq!(
            frame(ChainEvent::BlockGossip(at)),
            format!("event: block_gossip\ndata: {{\"slot\":7,\"block\":\"0x{one}\"}}\n\n")
        );
    }

    #[test]
    fn topics_are_told_apart() {
        let mut topics = Topics::default();
        assert!(topics.is_empty());
        topics.insert(Topic::Head);
        topics.insert(Topic::Aggregate);
        assert!(topics.contains(Topic::Head) && !topics.contains(Topic::Block));
        assert_eq!(topics.iter().collect::<Vec<_>>(), [Topic::Head, Topic::Aggregate]);
    }
}
