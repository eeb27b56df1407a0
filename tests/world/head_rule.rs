//! A rule of a custom client in the place of LMD-GHOST.

use std::sync::Arc;

use quintet_components::{
    chain::{Head, Justified},
    containers::{AttestationData, Checkpoint, State},
    messages::Verdict,
    tree::NodeId,
};
use quintet_systems::{
    fork_choice::rule::{HeadChoice, HeadRule, SelectHead},
    production::produce_attestation_data,
};
use tree_hash::TreeHash;

use crate::support::{
    chain::{aggregated, build_on, genesis, signed},
    node::{Setup, TestNode},
};

/// Stays on its chain until another one is four slots ahead.
#[derive(Debug)]
struct Steady;

impl SelectHead for Steady {
    fn select(&self, choice: HeadChoice<'_>) -> NodeId {
        let HeadChoice { tree, heaviest, current, .. } = choice;
        let Some(current) = current else { return heaviest };
        let extends = tree.ancestor_at(heaviest, tree.slot(current)) == Some(current);
        if extends || tree.slot(heaviest) >= tree.slot(current) + 4 { heaviest } else { current }
    }
}

/// Selects the parent of the justified block.
#[derive(Debug)]
struct Backwards;

impl SelectHead for Backwards {
    fn select(&self, HeadChoice { tree, justified, .. }: HeadChoice<'_>) -> NodeId {
        tree.parent(justified).unwrap_or(justified)
    }
}

struct Chain {
    node: TestNode,
    states: Vec<(Checkpoint, State)>,
}

impl Chain {
    /// A node at slot 9, on genesis.
    fn new(rule: Option<HeadRule>) -> Self {
        let anchor = genesis(4);
        let at = Checkpoint { root: anchor.block.tree_hash_root(), slot: 0 };
        let states = vec![(at, State::clone(&anchor.state))];
        let setup = Setup::new(anchor).with(|app| {
            if let Some(rule) = rule {
                app.insert_resource(rule);
            }
        });
        let mut node = TestNode::new(setup);
        node.tick_to(45, false);
        Self { node, states }
    }

    /// Imports a block on an earlier one. `votes` names another one and the validators that attest
    /// to it, with genesis as their source.
    fn import(&mut self, slot: u64, parent: usize, votes: Option<(usize, &[u64])>) {
        let vote = votes.map(|(at, voters)| {
            let (target, source) = (self.states[at].0, self.states[0].0);
            let data = AttestationData { slot: target.slot, head: target, target, source };
            aggregated(data, voters)
        });
        let parent = &self.states[parent].1;
        let (block, state) = build_on(parent, slot, vote.into_iter().collect()).expect("valid");
        self.states.push((Checkpoint { root: block.tree_hash_root(), slot }, state));
        assert_eq!(self.node.block(signed(block)), Verdict::Accepted);
    }

    fn head(&mut self) -> usize {
        let head = self.node.world().resource::<Head>().0;
        self.states.iter().position(|(at, _)| *at == head).expect("it was imported")
    }
}

/// Two blocks on genesis, and a third on the second with votes for that, too few to justify it.
fn forked(rule: Option<HeadRule>) -> Chain {
    let mut chain = Chain::new(rule);
    chain.import(1, 0, None);
    chain.import(2, 0, None);
    chain.import(3, 2, Some((2, &[0, 1])));
    chain
}

#[test]
fn a_node_follows_the_rule_of_its_client_at_imports_intervals_and_duties() {
    assert_eq!(forked(None).head(), 3, "the heaviest");
    let mut chain = forked(Some(HeadRule(Arc::new(Steady))));
    assert_eq!(chain.head(), 1);
    chain.node.tick_to(49, false);
    assert_eq!(chain.head(), 1, "after interval 4");
    let head = produce_attestation_data(chain.node.world(), 9).head;
    assert_eq!(head, chain.states[1].0);
    chain.import(5, 3, None);
    assert_eq!(chain.head(), 4, "it is four slots ahead");
}

#[test]
fn a_head_that_does_not_descend_from_the_justified_block_is_not_taken() {
    let mut chain = Chain::new(Some(HeadRule(Arc::new(Backwards))));
    chain.import(1, 0, None);
    assert_eq!(chain.head(), 0, "genesis is justified");
    chain.import(2, 1, Some((1, &[0, 1, 2])));
    assert_eq!(chain.node.world().resource::<Justified>().0, chain.states[1].0);
    assert_eq!(chain.head(), 2, "the heaviest leaf");
}
