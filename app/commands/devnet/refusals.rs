//! Messages that nodes refused from one another, from their metrics.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use super::{folder::Devnet, process::NodeProcess, status};

/// A node may take this long to answer. A busy one is asked once more.
const PATIENCE: Duration = Duration::from_secs(3);
const TRIES: usize = 2;
const PATH: &str = "/metrics";
/// Blocks, attestations and aggregates that were judged, by reason.
const REFUSALS: &str = "quintet_refusals_total";
/// Gossip by what became of it.
const GOSSIP: &str = "quintet_gossip_messages_total";

/// Returns a sentence for each node that refused a message, which in a devnet is another node's, or
/// that does not say. A stopped node goes on and is asked last.
pub(super) fn ask(devnet: &Devnet, processes: &mut [NodeProcess]) -> Vec<String> {
    let mut order: Vec<usize> = (0..processes.len()).collect();
    order.sort_by_key(|at| processes[*at].is_paused());
    let mut found = Vec::new();
    for at in order {
        // A node that cannot be continued does not answer either.
        let _ = processes[at].set_paused(false);
        let node = &devnet.nodes[at];
        let address: SocketAddr = (devnet.ip, node.metrics_port).into();
        let answer = (0..TRIES).find_map(|_| status::get(address, PATH, PATIENCE).ok());
        match answer.map(|body| refused(&String::from_utf8_lossy(&body))) {
            None => found.push(format!("{} does not say what it refused", node.name)),
            Some(refused) if refused.is_empty() => {}
            Some(refused) => {
                let each = refused.iter().map(|(reason, count)| format!("{count} {reason}"));
                let each: Vec<_> = each.collect();
                found.push(format!("{} refused {}", node.name, each.join(", ")));
            }
        }
    }
    found
}

/// The number of refused messages by reason.
fn refused(metrics: &str) -> BTreeMap<String, u64> {
    let mut refused = BTreeMap::new();
    for line in metrics.lines() {
        let Some((sample, value)) = line.rsplit_once(' ') else { continue };
        let Some((name, labels)) = sample.split_once('{') else { continue };
        let label = |key: &str| {
            let (_, after) = labels.split_once(&format!("{key}=\""))?;
            after.split_once('"').map(|(value, _)| value)
        };
        let reason = match name {
            REFUSALS => label("reason"),
            GOSSIP if label("what") == Some("malformed") => Some("malformed"),
            _ => None,
        };
        let count: u64 = value.parse().unwrap_or(0);
        if let Some(reason) = reason.filter(|_| count > 0) {
            *refused.entry(reason.to_owned()).or_default() += count;
        }
    }
    refused
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_found_among_other_metrics() {
        let metrics = "# TYPE quintet_refusals counter\n\
            quintet_refusals_total{reason=\"SOURCE_AFTER_TARGET\"} 3\n\
            quintet_refusals_total{reason=\"INVALID_SIGNATURE\"} 0\n\
            quintet_gossip_messages_total{topic=\"block\",what=\"malformed\"} 1\n\
            quintet_gossip_messages_total{topic=\"attestation\",what=\"malformed\"} 1\n\
            quintet_gossip_messages_total{topic=\"block\",what=\"accepted\"} 9\n\
            quintet_inputs_total{verdict=\"rejected\"} 3\n";
        let found: Vec<_> = refused(metrics).into_iter().collect();
        assert_eq!(found, [("SOURCE_AFTER_TARGET".to_owned(), 3), ("malformed".to_owned(), 2)]);
        assert!(refused("").is_empty());
    }
}
