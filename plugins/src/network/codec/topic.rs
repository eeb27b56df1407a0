//! Gossip topics: `/leanconsensus/{fork_digest}/{name}/ssz_snappy`.

const PREFIX: &str = "leanconsensus";
const ENCODING: &str = "ssz_snappy";
const SUBNET_PREFIX: &str = "attestation_";

/// The kind of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Topic {
    /// Blocks.
    Block,
    /// Aggregates.
    Aggregation,
    /// Single attestations of this subnet.
    Attestation(u64),
}

/// The reason a text is not a topic of this network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// It is not a topic.
    #[error("not a topic")]
    Malformed,
    /// It belongs to another fork.
    #[error("another fork digest")]
    WrongForkDigest,
}

impl Topic {
    /// The subnet topic of a validator's attestations.
    pub const fn of_validator(index: u64, committee_count: u64) -> Self {
        Self::Attestation(index % if committee_count == 0 { 1 } else { committee_count })
    }

    /// Its text.
    pub fn text(self, fork_digest: &str) -> String {
        let name = match self {
            Self::Block => "block".to_owned(),
            Self::Aggregation => "aggregation".to_owned(),
            Self::Attestation(subnet) => format!("{SUBNET_PREFIX}{subnet}"),
        };
        format!("/{PREFIX}/{fork_digest}/{name}/{ENCODING}")
    }

    /// Parses a topic.
    ///
    /// # Errors
    /// [`TopicError`].
    pub fn parse(text: &str, fork_digest: &str) -> Result<Self, TopicError> {
        let mut parts = text.split('/');
        let (Some(""), Some(PREFIX), Some(digest), Some(name), Some(ENCODING), None) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TopicError::Malformed);
        };
        let topic = match name {
            "block" => Self::Block,
            "aggregation" => Self::Aggregation,
            name => {
                let number = name.strip_prefix(SUBNET_PREFIX).ok_or(TopicError::Malformed)?;
                let subnet = number.parse().map_err(|_| TopicError::Malformed)?;
                // `+7` and `07` are not valid subnets.
                if format!("{subnet}") != number {
                    return Err(TopicError::Malformed);
                }
                Self::Attestation(subnet)
            }
        };
        if digest == fork_digest { Ok(topic) } else { Err(TopicError::WrongForkDigest) }
    }
}
