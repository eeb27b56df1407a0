//! Warns about peers whose blocks and aggregates are refused because of their proofs. If such a
//! peer is honest, it uses another proof system, and so belongs to another network.

use std::collections::{BTreeMap, BTreeSet};

use bevy_ecs::{prelude::*, system::SystemParam};
use quintet_components::{
    clock::{SlotClock, UnixTime},
    containers::Slot,
    messages::{AggregateReceived, BlockReceived, InputJudged, Verdict},
    network::{Agent, PeerId, PeersById},
    rejection::RejectionReason,
    warnings::{WarningCode, Warnings},
};
use quintet_prover::ProofSystems;
use quintet_systems::verification::Proofs;

use super::{Finding, apply, pending::Pending, slot_of};

/// The warning ends if no proof was refused for this many slots.
const QUIET_SLOTS: u64 = 32;
/// The number of peers that are counted; further ones are not.
const MAX_PEERS: usize = 64;
/// The number of characters of an agent that a warning shows.
const MAX_AGENT_CHARS: usize = 64;

/// A peer's refused proofs.
#[derive(Debug)]
struct Refused {
    count: u64,
    newest: Slot,
    agent: String,
}

/// The peers whose proofs were refused.
#[derive(Debug, Default)]
pub(super) struct RefusedProofs {
    pending: Pending<(PeerId, RejectionReason)>,
    peers: BTreeMap<PeerId, Refused>,
}

impl RefusedProofs {
    fn note(&mut self, peer: PeerId, agent: Option<&str>, slot: Slot) {
        if self.peers.len() >= MAX_PEERS && !self.peers.contains_key(&peer) {
            return;
        }
        let begin = || Refused { count: 0, newest: slot, agent: String::new() };
        let refused = self.peers.entry(peer).or_insert_with(begin);
        refused.count += 1;
        refused.newest = slot;
        if let Some(agent) = agent {
            refused.agent = plain(agent);
        }
    }

    /// The finding in this slot for a node with this proof system.
    fn judge(&mut self, slot: Slot, own: &str) -> Finding {
        self.peers.retain(|_, refused| slot.saturating_sub(refused.newest) < QUIET_SLOTS);
        let Some((peer, most)) = self.peers.iter().max_by_key(|(_, refused)| refused.count) else {
            return Finding::Lower;
        };
        let count: u64 = self.peers.values().map(|refused| refused.count).sum();
        let others = match self.peers.len() {
            1 => String::new(),
            peers => format!(" and {} others", peers - 1),
        };
        let agent = if most.agent.is_empty() { "an unknown agent" } else { &most.agent };
        let why = match announced(&most.agent) {
            Some(theirs) if theirs == own => {
                format!("both prove with {own}, so that the peer is faulty or hostile")
            }
            theirs => {
                let theirs = theirs.unwrap_or("one that it does not name");
                format!(
                    "this node's proof system is {own}, the peer's is {theirs}; nodes of a network \
                     need the same"
                )
            }
        };
        Finding::Raise(format!(
            "{count} blocks and aggregates of {agent} ({peer}){others} were refused because of their proof: \
             {why}"
        ))
    }
}

/// An agent without characters that do not belong in a log.
fn plain(agent: &str) -> String {
    agent.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(MAX_AGENT_CHARS).collect()
}

/// The proof system in an agent, if it is one that this node knows.
fn announced(agent: &str) -> Option<&'static str> {
    let words: BTreeSet<&str> =
        agent.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_').collect();
    ProofSystems::default().names().find(|name| words.contains(name))
}

/// Items that arrive, and their verdicts.
#[derive(SystemParam)]
pub(super) struct Judged<'w, 's> {
    blocks: MessageReader<'w, 's, BlockReceived>,
    aggregates: MessageReader<'w, 's, AggregateReceived>,
    judged: MessageReader<'w, 's, InputJudged>,
}

pub(super) fn watch_proofs(
    mut warnings: ResMut<Warnings>,
    (clock, time): (Option<Res<SlotClock>>, Res<UnixTime>),
    (proofs, peers): (Option<Res<Proofs>>, Option<Res<PeersById>>),
    agents: Query<&Agent>,
    mut inputs: Judged,
    mut refused: Local<RefusedProofs>,
) {
    let slot = slot_of(clock.as_deref(), &time).unwrap_or_default();
    let blocks = inputs.blocks.read().filter_map(|block| {
        Some((block.id, block.source.peer()?.clone(), RejectionReason::InvalidBlockProof))
    });
    let aggregates = inputs.aggregates.read().filter_map(|aggregate| {
        Some((aggregate.id, aggregate.source.peer()?.clone(), RejectionReason::InvalidSignature))
    });
    for (id, peer, reason) in blocks.chain(aggregates) {
        refused.pending.arrive(id, (peer, reason));
    }
    for InputJudged { id, verdict } in inputs.judged.read() {
        let Some((peer, reason)) = refused.pending.judged(*id) else { continue };
        if matches!(verdict, Verdict::Rejected(rejection) if rejection.reason == reason) {
            let entity = peers.as_ref().and_then(|peers| peers.get(&peer));
            let agent = entity.and_then(|entity| agents.get(entity).ok());
            refused.note(peer, agent.map(|agent| agent.0.as_str()), slot);
        }
    }
    let own = proofs.map_or("unknown", |proofs| proofs.0.name());
    let finding = refused.judge(slot, own);
    apply(&mut warnings, WarningCode::ForeignProofs, slot, finding);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peer_and_both_proof_systems_are_named_until_it_is_quiet() {
        let mut refused = RefusedProofs::default();
        assert_eq!(refused.judge(1, "stark"), Finding::Lower);
        for slot in 5..8 {
            refused.note("one".into(), Some("quintet/9 (multisig)\n"), slot);
        }
        refused.note("other".into(), None, 7);
        let Finding::Raise(text) = refused.judge(8, "stark") else { panic!("four were refused") };
        for part in ["4 blocks", "quintet/9 (multisig) (one)", "1 others", "stark", "is multisig;"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        let Finding::Raise(text) = refused.judge(8, "multisig") else { panic!("still") };
        assert!(text.contains("both prove with multisig"), "{text}");
        assert_eq!(refused.judge(7 + QUIET_SLOTS, "stark"), Finding::Lower);
    }

    #[test]
    fn a_client_that_names_no_proof_system_is_said_to() {
        let mut refused = RefusedProofs::default();
        refused.note("one".into(), Some("ethlambda/1.0"), 1);
        let Finding::Raise(text) = refused.judge(1, "multisig") else { panic!("one was refused") };
        assert!(text.contains("ethlambda/1.0") && text.contains("does not name"), "{text}");
    }

    #[test]
    fn so_many_peers_are_counted_and_no_more() {
        let mut refused = RefusedProofs::default();
        for peer in 0..2 * MAX_PEERS {
            refused.note(peer.to_string().as_str().into(), None, 1);
        }
        assert_eq!(refused.peers.len(), MAX_PEERS);
    }
}
