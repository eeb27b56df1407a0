//! The protocols of a node, combined.

use std::{collections::HashSet, sync::Arc, time::Duration};

use libp2p::{
    allow_block_list::{self, BlockedPeers},
    connection_limits::{self, ConnectionLimits},
    gossipsub::{
        self, IdentTopic, IdentityTransform, MaxCountSubscriptionFilter, MessageAuthenticity,
        MessageId, ValidationMode, WhitelistSubscriptionFilter,
    },
    identify,
    identity::Keypair,
    ping,
    swarm::NetworkBehaviour,
};

use super::{
    NetworkConfig,
    addresses::Addresses,
    codec::{MAX_PAYLOAD_BYTES, message_id, topic::Topic},
    counters::Counters,
    gate::Gate,
    scoring,
    substreams::Substreams,
};
use crate::InboundLanes;

/// The protocol family in `identify`.
const PROTOCOL_VERSION: &str = "lean/1";
/// The number of inbound handshakes that may be in progress.
const MAX_PENDING_INCOMING: u32 = 64;
/// The number of outbound handshakes that may be in progress.
const MAX_PENDING_OUTGOING: u32 = 32;
/// The number of connections with one peer that may be open; one is reported. There may be two, so
/// that one remains when two peers dial each other at the same time, or when one reconnects before
/// the old connection has timed out.
const MAX_CONNECTIONS_PER_PEER: u32 = 2;
/// The number of subscriptions that one message of a peer may have.
const MAX_SUBSCRIPTIONS_PER_MESSAGE: usize = 1024;
/// The time for which gossip recognizes a message: two times three slots.
pub(super) const SEEN_TIME: Duration = Duration::from_secs(24);
/// The time between two rounds of maintenance of gossip's meshes.
pub(super) const GOSSIP_HEARTBEAT: Duration = Duration::from_millis(700);
/// Room in a gossip message for its topic and gossip's own fields.
const ENVELOPE_BYTES: usize = 4096;

/// Gossip with the topics of this network only.
pub(super) type Gossip = gossipsub::Behaviour<
    IdentityTransform,
    MaxCountSubscriptionFilter<WhitelistSubscriptionFilter>,
>;

/// The protocols that a node speaks.
#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    pub(super) limits: connection_limits::Behaviour,
    pub(super) banned: allow_block_list::Behaviour<BlockedPeers>,
    pub(super) addresses: Addresses,
    pub(super) identify: identify::Behaviour,
    pub(super) ping: ping::Behaviour,
    pub(super) gossip: Gate,
    pub(super) substreams: Substreams,
}

impl Behaviour {
    pub(super) fn new(
        key: &Keypair,
        config: &NetworkConfig,
        lanes: InboundLanes,
        counters: Arc<Counters>,
    ) -> Self {
        let identify = identify::Config::new(PROTOCOL_VERSION.into(), key.public())
            .with_agent_version(config.agent.clone());
        Self {
            limits: connection_limits::Behaviour::new(connection_limits(config.max_peers)),
            banned: allow_block_list::Behaviour::default(),
            addresses: Addresses::new(config.max_peers as usize / 2),
            identify: identify::Behaviour::new(identify),
            ping: ping::Behaviour::default(),
            gossip: Gate::new(gossip(config), config.fork_digest.clone(), lanes, counters),
            substreams: Substreams::default(),
        }
    }
}

fn connection_limits(max_peers: u32) -> ConnectionLimits {
    ConnectionLimits::default()
        .with_max_pending_incoming(Some(MAX_PENDING_INCOMING))
        .with_max_pending_outgoing(Some(MAX_PENDING_OUTGOING))
        .with_max_established_incoming(Some(max_peers))
        .with_max_established(Some(max_peers.saturating_add(max_peers / 2).max(1)))
        .with_max_established_per_peer(Some(MAX_CONNECTIONS_PER_PEER))
}

/// Every topic of this network.
fn topics(config: &NetworkConfig) -> impl Iterator<Item = IdentTopic> {
    [Topic::Block, Topic::Aggregation]
        .into_iter()
        .chain((0..config.committee_count).map(Topic::Attestation))
        .map(|topic| IdentTopic::new(topic.text(&config.fork_digest)))
}

fn gossip(config: &NetworkConfig) -> Gossip {
    let settings = gossipsub::ConfigBuilder::default()
        .mesh_n(8)
        .mesh_n_low(6)
        .mesh_n_high(12)
        .gossip_lazy(6)
        .heartbeat_interval(GOSSIP_HEARTBEAT)
        .history_length(6)
        .history_gossip(3)
        .duplicate_cache_time(SEEN_TIME)
        .validate_messages()
        .validation_mode(ValidationMode::Anonymous)
        .flood_publish(true)
        .max_transmit_size(snap::raw::max_compress_len(MAX_PAYLOAD_BYTES) + ENVELOPE_BYTES)
        .message_id_fn(|message| {
            MessageId::from(message_id::of_message(message.topic.as_str(), &message.data).to_vec())
        })
        .build()
        .expect("these settings fit together");
    let hashes: HashSet<_> = topics(config).map(|topic| topic.hash()).collect();
    let filter = MaxCountSubscriptionFilter {
        max_subscribed_topics: hashes.len(),
        max_subscriptions_per_request: MAX_SUBSCRIPTIONS_PER_MESSAGE,
        filter: WhitelistSubscriptionFilter(hashes),
    };
    let mut gossip = Gossip::new_with_subscription_filter_and_transform(
        MessageAuthenticity::Anonymous,
        settings,
        filter,
        IdentityTransform,
    )
    .expect("anonymous in both places");
    gossip
        .with_peer_score(scoring::parameters(topics(config)), scoring::thresholds())
        .expect("these parameters fit together");
    gossip
}
