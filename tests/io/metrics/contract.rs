//! A scrape of a node, against the list that all clients share.

use std::collections::BTreeSet;

use quintet_components::metrics::MetricsRegistry;

use crate::{
    metrics::{
        faults,
        network::{network, run, turn},
        quic, shared_list,
    },
    support::scrape::Scrape,
};

#[test]
fn the_list_has_its_fifty_seven_metrics() {
    let list = shared_list::read();
    assert_eq!(list.len(), 57);
    let histograms = list.iter().filter(|each| each.kind == "histogram");
    assert!(histograms.clone().count() > 15 && histograms.clone().all(|h| h.buckets.len() > 5));
}

#[test]
fn a_node_has_every_shared_metric_with_its_type_labels_and_buckets() {
    let nodes = network();
    let scrape = Scrape::of(&nodes[0]);
    for listed in shared_list::read() {
        let name = &listed.name;
        let family = scrape.family(name);
        assert_eq!(family.kind, listed.kind, "{name}");

        let labels: BTreeSet<&str> = family
            .samples
            .iter()
            .flat_map(|sample| sample.labels.keys().map(String::as_str))
            .filter(|label| *label != "le")
            .collect();
        let expected: BTreeSet<&str> =
            listed.labels.iter().map(|(name, _)| name.as_str()).collect();
        // A peer's label is there with the peer.
        let is_by_peer = expected.contains("client");
        assert!(labels == expected || is_by_peer && labels.is_empty(), "{name}: {labels:?}");
        for (label, values) in listed.labels.iter().filter(|(_, values)| !values.is_empty()) {
            let mut values = values.clone();
            values.sort_unstable();
            assert_eq!(scrape.label_values(name, label), values, "{name}: {label}");
        }

        let buckets: Vec<&str> = family
            .samples
            .iter()
            .filter_map(|sample| sample.labels.get("le").map(String::as_str))
            .collect();
        let mut expected: Vec<&str> = listed.buckets.iter().map(String::as_str).collect();
        if listed.kind == "histogram" {
            expected.push("+Inf");
        }
        // 1.0 in the list is 1 in a scrape.
        let expected: Vec<&str> =
            expected.iter().map(|bound| bound.strip_suffix(".0").unwrap_or(bound)).collect();
        assert_eq!(buckets, expected, "{name}");
    }
}

#[test]
fn whatever_is_not_shared_is_quintets_own_or_the_processs() {
    let nodes = network();
    let shared: BTreeSet<String> =
        shared_list::read().into_iter().map(|listed| listed.name).collect();
    for name in Scrape::of(&nodes[0]).families.keys() {
        // leanSpec's own node has these beside the list.
        let is_spec = name.starts_with("lean_attestation_aggregate_coverage_");
        let is_own = name.starts_with("quintet_") || name.starts_with("process_") || is_spec;
        assert!(is_own || shared.contains(name), "{name}");
    }
}

#[test]
fn open_metrics_is_there_on_request() {
    let nodes = network();
    let registry = nodes[0].world().resource::<MetricsRegistry>();
    let (content_type, text) = registry.encode(Some("application/openmetrics-text"));
    assert_eq!(content_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(text.ends_with("# EOF\n"));
    assert!(text.contains("# TYPE lean_finalizations counter\n"), "{text}");
    assert!(text.contains("lean_finalizations_total{result=\"success\"} 0\n"), "{text}");
}

#[test]
fn every_own_metric_is_in_the_book_and_nothing_else() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    let book = std::fs::read_to_string(path).expect("the book has the page");
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let named: BTreeSet<&str> = book
        .split(|c| !is_name(c))
        .filter(|word| word.starts_with("quintet_") || word.starts_with("process_"))
        .filter(|word| !word.ends_with('_'))
        .collect();
    let scrape = Scrape::of(&network()[0]);
    let mut own: BTreeSet<&str> = scrape
        .families
        .keys()
        .map(String::as_str)
        .filter(|name| !name.starts_with("lean_"))
        .collect();
    // Those of the network's threads are there with the network.
    own.extend([
        "quintet_gossip_messages_total",
        "quintet_gossip_bytes_total",
        "quintet_requests_total",
        "quintet_network_events_total",
    ]);
    assert_eq!(own, named);
}

/// A metric that is there and never told of anything is worse than none.
#[test]
fn every_shared_metric_moves_in_some_scenario() {
    let mut nodes = network();
    run(&mut nodes, 0, 11, |_| false);
    let mut scrapes = Vec::new();
    for count in 60..65 {
        turn(&mut nodes, count, |_| false);
        scrapes.extend(nodes.iter().map(Scrape::of));
    }
    scrapes.extend(faults::faults());
    scrapes.extend(quic::meeting());
    let still: Vec<String> = shared_list::read()
        .into_iter()
        .map(|listed| listed.name)
        .filter(|name| scrapes.iter().all(|scrape| scrape.total(name) == 0.0))
        .collect();
    // Everybody attests on the first subnet here, whose number is zero.
    assert_eq!(still, ["lean_attestation_committee_subnet"]);
}
