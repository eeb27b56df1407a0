//! The output without a terminal: a line per slot and node.

use super::status::NodeView;

/// The names of the columns.
pub(super) fn head() -> String {
    row(["slot", "node", "state", "head", "justified", "finalized", "peers", "proofs", "missed"])
}

/// A node at the end of a slot.
pub(super) fn line(slot: u64, node: &NodeView) -> String {
    let overview = &node.overview;
    let (slot, head) = (slot.to_string(), overview.head.slot.to_string());
    let (justified, finalized) =
        (overview.justified.slot.to_string(), overview.finalized.slot.to_string());
    let (peers, proofs) = (overview.peers.len().to_string(), node.proofs.to_string());
    let missed = overview.duties.missed.to_string();
    row([&slot, &node.name, node.word(), &head, &justified, &finalized, &peers, &proofs, &missed])
}

fn row(
    [slot, node, state, head, justified, finalized, peers, proofs, missed]: [&str; 9],
) -> String {
    format!(
        "{slot:>6} {node:<12} {state:<11} {head:>6} {justified:>9} {finalized:>9} {peers:>5} \
         {proofs:>6} {missed:>6}"
    )
}
