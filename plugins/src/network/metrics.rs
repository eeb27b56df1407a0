//! The counters of the network's threads, read at every scrape.

use std::sync::Arc;

use quintet_components::metrics::client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder},
    metrics::{MetricType, counter::ConstCounter},
};

use super::{Counter, Counters, GossipCounters, RequestCounters};

/// The network's [`Counters`] with their metric names.
#[derive(Debug)]
pub(super) struct NetworkCollector(pub(super) Arc<Counters>);

impl Collector for NetworkCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let counters = &*self.0;
        let topics = [
            ("block", &counters.blocks),
            ("aggregation", &counters.aggregates),
            ("attestation", &counters.attestations),
        ];
        let protocols = [
            ("status", &counters.status),
            ("blocks_by_root", &counters.blocks_by_root),
            ("blocks_by_range", &counters.blocks_by_range),
        ];
        let mut messages =
            family(&mut encoder, "quintet_gossip_messages", "Gossip messages by topic.")?;
        for (topic, counters) in topics {
            for (what, counter) in messages_of(counters) {
                write(&mut messages, [("topic", topic), ("what", what)], counter)?;
            }
        }
        let mut bytes =
            family(&mut encoder, "quintet_gossip_bytes", "Bytes of gossip by topic, compressed.")?;
        for (topic, counters) in topics {
            write(&mut bytes, [("topic", topic), ("what", "received")], &counters.received_bytes)?;
            let published = &counters.published_bytes;
            write(&mut bytes, [("topic", topic), ("what", "published")], published)?;
        }
        let mut requests = family(&mut encoder, "quintet_requests", "Requests by protocol.")?;
        for (protocol, counters) in protocols {
            for (what, counter) in requests_of(counters) {
                write(&mut requests, [("protocol", protocol), ("what", what)], counter)?;
            }
        }
        let mut events = family(&mut encoder, "quintet_network_events", "Events of the network.")?;
        for (what, counter) in [
            ("connected", &counters.connected),
            ("disconnected", &counters.disconnected),
            ("dialled", &counters.dialled),
            ("dial_failed", &counters.dial_failures),
            ("banned", &counters.banned),
            ("outbound_dropped", &counters.outbound_dropped),
        ] {
            write(&mut events, [("what", what)], counter)?;
        }
        Ok(())
    }
}

fn family<'s>(
    encoder: &'s mut DescriptorEncoder<'_>,
    name: &'s str,
    help: &str,
) -> Result<MetricEncoder<'s>, std::fmt::Error> {
    encoder.encode_descriptor(name, help, None, MetricType::Counter)
}

fn messages_of(counters: &GossipCounters) -> [(&'static str, &Counter); 8] {
    [
        ("received", &counters.received),
        ("malformed", &counters.malformed),
        ("dropped", &counters.dropped),
        ("accepted", &counters.accepted),
        ("ignored", &counters.ignored),
        ("rejected", &counters.rejected),
        ("published", &counters.published),
        ("unpublished", &counters.unpublished),
    ]
}

fn requests_of(counters: &RequestCounters) -> [(&'static str, &Counter); 14] {
    [
        ("sent", &counters.sent),
        ("answered", &counters.answered),
        ("timed_out", &counters.timed_out),
        ("refused", &counters.refused),
        ("invalid", &counters.invalid),
        ("lost", &counters.lost),
        ("chunks_received", &counters.chunks_received),
        ("received", &counters.received),
        ("served", &counters.served),
        ("errors", &counters.errors),
        ("rate_limited", &counters.rate_limited),
        ("abandoned", &counters.abandoned),
        ("stalled", &counters.stalled),
        ("chunks_sent", &counters.chunks_sent),
    ]
}

fn write<const N: usize>(
    family: &mut MetricEncoder<'_>,
    labels: [(&'static str, &'static str); N],
    counter: &Counter,
) -> Result<(), std::fmt::Error> {
    ConstCounter::new(counter.get()).encode(family.encode_family(&labels)?)
}
