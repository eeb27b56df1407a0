//! The transition against its model: random chains and forks, attestations with any source and
//! target, on the chain and off it, and everything that can be wrong with a block.

use std::{cell::RefCell, collections::BTreeMap};

use proptest::{prelude::*, sample::Index, test_runner::TestRunner};
use quintet_components::{
    containers::{AttestationData, Block, Checkpoint, Root, State},
    rejection::RejectionReason as Reason,
};
use quintet_systems::transition::{
    is_justifiable_after, process_block, process_slots, state_transition,
};
use tree_hash::TreeHash;

use super::config;
use crate::{
    properties::ledger::{self, Ledger, justifiable},
    support::chain,
};

/// The checkpoint that an attestation names.
#[derive(Clone, Debug)]
enum Named {
    Justified,
    Finalized,
    /// A block of the chain that is built on, the newest most often.
    OnChain(Index, Index),
    /// Any block, of any fork.
    Anywhere(Index),
    /// A block's root with another slot.
    Misplaced(Index, u64),
    NoBlock(u64),
}

#[derive(Clone, Debug)]
struct AttestationPlan {
    source: Named,
    target: Named,
    head: Named,
    voters: u16,
}

#[derive(Clone, Debug, PartialEq)]
enum Flaw {
    None,
    Proposer(u64),
    Parent,
    /// The block's slot is not the one that the state was advanced to.
    Slot(u64),
    /// The state is not advanced at all.
    NotAdvanced,
}

#[derive(Clone, Debug)]
struct BlockPlan {
    /// On which of the states so far; mostly on the newest.
    on: Option<Index>,
    distance: u64,
    votes: Vec<AttestationPlan>,
    flaw: Flaw,
}

fn named(usual: Named) -> impl Strategy<Value = Named> {
    let far = prop_oneof![0u64..20, Just(1 << 40), Just(u64::MAX)];
    prop_oneof![
        12 => Just(usual),
        6 => (any::<Index>(), any::<Index>()).prop_map(|(one, other)| Named::OnChain(one, other)),
        1 => Just(Named::Finalized),
        1 => any::<Index>().prop_map(Named::Anywhere),
        1 => (any::<Index>(), 0u64..12).prop_map(|(at, slot)| Named::Misplaced(at, slot)),
        1 => far.prop_map(Named::NoBlock),
    ]
}

fn attestation_plan() -> impl Strategy<Value = AttestationPlan> {
    let on_chain =
        (any::<Index>(), any::<Index>()).prop_map(|(one, other)| Named::OnChain(one, other));
    let voters = prop_oneof![
        8 => Just(0xff),
        8 => 1u16..256,
        1 => Just(0),
        1 => 1u16..1024,
    ];
    (
        named(Named::Justified),
        on_chain.clone().prop_flat_map(named),
        on_chain.prop_flat_map(named),
        voters,
    )
        .prop_map(|(source, target, head, voters)| AttestationPlan {
            source,
            target,
            head,
            voters,
        })
}

fn block_plan() -> impl Strategy<Value = BlockPlan> {
    let flaw = prop_oneof![
        30 => Just(Flaw::None),
        1 => any::<u64>().prop_map(Flaw::Proposer),
        1 => Just(Flaw::Parent),
        1 => (0u64..20).prop_map(Flaw::Slot),
        1 => Just(Flaw::NotAdvanced),
    ];
    let on = prop_oneof![9 => Just(None), 2 => any::<Index>().prop_map(Some)];
    let distance = prop_oneof![1 => Just(0), 30 => 1u64..2, 10 => 2u64..6, 1 => 6u64..40];
    let votes = prop_oneof![20 => prop::collection::vec(attestation_plan(), 0..5),
        1 => prop::collection::vec(attestation_plan(), 9..12)];
    (on, distance, votes, flaw).prop_map(|(on, distance, votes, flaw)| BlockPlan {
        on,
        distance,
        votes,
        flaw,
    })
}

/// A state with its model, and the checkpoints of its chain.
#[derive(Clone)]
struct Tip {
    model: Ledger,
    state: State,
    chain: Vec<Checkpoint>,
}

/// Counts the events of the histories, so that a generator that went stale shows.
#[derive(Default, Debug)]
struct Seen {
    refused: BTreeMap<Reason, usize>,
    accepted: usize,
    justified: usize,
    finalized: usize,
    pending: usize,
}

struct History<'a> {
    validators: u64,
    tips: Vec<Tip>,
    seen: &'a mut Seen,
}

impl History<'_> {
    fn resolve(&self, tip: &Tip, named: &Named) -> Checkpoint {
        let newest_first = |one: &Index, other: &Index| {
            let len = tip.chain.len();
            // The smaller of two picks: near the end more often than not.
            tip.chain[len - 1 - one.index(len).min(other.index(len))]
        };
        let anywhere = |at: &Index| *at.get(&self.tips).chain.last().expect("at least genesis");
        match named {
            Named::Justified if tip.model.justified.root == Root::ZERO => tip.chain[0],
            Named::Justified => tip.model.justified,
            Named::Finalized => tip.model.finalized,
            Named::OnChain(one, other) => newest_first(one, other),
            Named::Anywhere(at) => anywhere(at),
            Named::Misplaced(at, slot) => Checkpoint { slot: *slot, ..anywhere(at) },
            Named::NoBlock(slot) => Checkpoint { root: Root::ZERO, slot: *slot },
        }
    }

    fn votes(&self, tip: &Tip, plans: &[AttestationPlan]) -> Vec<(AttestationData, Vec<u64>)> {
        let everyone = (1u16 << self.validators) - 1;
        let vote = |(slot, plan): (usize, &AttestationPlan)| {
            let [source, target, head] =
                [&plan.source, &plan.target, &plan.head].map(|named| self.resolve(tip, named));
            let data = AttestationData { slot: slot as u64, head, target, source };
            // Most masks stay within the registry.
            let mask = if plan.voters < 256 { plan.voters & everyone } else { plan.voters };
            (data, (0..16).filter(|voter| mask >> voter & 1 == 1).collect())
        };
        plans.iter().enumerate().map(vote).collect()
    }

    fn step(&mut self, plan: &BlockPlan) -> Result<(), TestCaseError> {
        let newest = self.tips.len() - 1;
        let at = plan.on.map_or(newest, |index| index.index(self.tips.len()));
        let tip = self.tips[at].clone();
        let slot = tip.model.header.slot + plan.distance;
        let votes = self.votes(&tip, &plan.votes);
        let block = self.block(&tip, slot, &votes, &plan.flaw);
        let before = tip.state.tree_hash_root();

        let mut model = tip.model.clone();
        let mut state = tip.state.clone();
        let (expected, actual) = if plan.flaw == Flaw::NotAdvanced {
            (model.process_block(&block, &votes), process_block(&mut state, &block))
        } else {
            (
                model.process_slots(slot).and_then(|()| model.process_block(&block, &votes)),
                process_slots(&mut state, slot).and_then(|()| process_block(&mut state, &block)),
            )
        };
        let actual = actual.map_err(|rejection| rejection.reason);
        prop_assert_eq!(&actual, &expected, "{:?}", block);
        prop_assert_eq!(tip.state.tree_hash_root(), before, "a transition is pure");
        if let Err(reason) = expected {
            *self.seen.refused.entry(reason).or_default() += 1;
            return Ok(());
        }
        prop_assert_eq!(&state, &model.state());
        prop_assert_eq!(state.tree_hash_root(), model.state().tree_hash_root());
        self.accept(tip, block, model, state)
    }

    /// The whole transition agrees, with the state's root and with another.
    fn accept(
        &mut self,
        tip: Tip,
        block: Block,
        model: Ledger,
        state: State,
    ) -> Result<(), TestCaseError> {
        let state_root = state.tree_hash_root();
        let block = Block { state_root, ..block };
        prop_assert_eq!(state_transition(&tip.state, &block), Ok(state.clone()));
        let other = Block { state_root: Root::repeat_byte(1), ..block.clone() };
        let refused = state_transition(&tip.state, &other).map_err(|rejection| rejection.reason);
        prop_assert_eq!(refused, Err(Reason::StateRootMismatch));

        self.seen.accepted += 1;
        self.seen.justified += usize::from(model.justified.slot > tip.model.justified.slot);
        self.seen.finalized += usize::from(model.finalized.slot > tip.model.finalized.slot);
        self.seen.pending += usize::from(!model.pending.is_empty());
        let mut chain = tip.chain;
        chain.push(Checkpoint { root: block.tree_hash_root(), slot: block.slot });
        self.tips.push(Tip { model, state, chain });
        Ok(())
    }

    fn block(
        &self,
        tip: &Tip,
        slot: u64,
        votes: &[(AttestationData, Vec<u64>)],
        flaw: &Flaw,
    ) -> Block {
        let attestations =
            votes.iter().map(|(data, voters)| chain::aggregated(*data, voters)).collect();
        let mut block = Block {
            slot,
            proposer_index: slot % self.validators,
            parent_root: tip.chain.last().expect("at least genesis").root,
            state_root: Root::ZERO,
            body: chain::body(attestations),
        };
        match flaw {
            Flaw::None | Flaw::NotAdvanced => {}
            Flaw::Proposer(index) => block.proposer_index = *index,
            Flaw::Parent => block.parent_root = Root::repeat_byte(2),
            Flaw::Slot(slot) => block.slot = *slot,
        }
        block
    }
}

#[test]
fn transitions_agree_with_the_model_in_outcome_state_and_root() {
    let seen = RefCell::new(Seen::default());
    let strategy = (1u64..=8, prop::collection::vec(block_plan(), 1..30));
    let mut runner = TestRunner::new(config(512));
    let result = runner.run(&strategy, |(validators, plans)| {
        let anchor = chain::genesis(validators);
        let genesis = Tip {
            model: ledger::genesis(validators),
            state: State::clone(&anchor.state),
            chain: vec![Checkpoint { root: anchor.block.tree_hash_root(), slot: 0 }],
        };
        prop_assert_eq!(&genesis.state, &genesis.model.state());
        let mut seen = seen.borrow_mut();
        let mut history = History { validators, tips: vec![genesis], seen: &mut seen };
        plans.iter().try_for_each(|plan| history.step(plan))
    });
    result.expect("every history");

    let seen = seen.into_inner();
    for reason in [
        Reason::BlockSlotNotInFuture,
        Reason::BlockSlotMismatch,
        Reason::WrongProposer,
        Reason::ParentRootMismatch,
        Reason::JustifiedSlotOutOfRange,
        Reason::EmptyAggregationBits,
        Reason::ValidatorIndexOutOfRange,
        Reason::TooManyAttestationData,
    ] {
        assert!(seen.refused.contains_key(&reason), "no {reason} in {seen:?}");
    }
    let moved = [seen.justified, seen.finalized, seen.pending];
    assert!(moved.iter().all(|count| *count > 30), "{seen:?}");
}

#[test]
fn justifiable_distances_are_the_near_the_square_and_the_pronic() {
    for finalized in [0, 1, 77, u64::MAX - 3000] {
        for distance in 0..3000 {
            assert_eq!(
                is_justifiable_after(finalized + distance, finalized),
                justifiable(distance)
            );
        }
        assert!(finalized == 0 || !is_justifiable_after(finalized - 1, finalized));
    }
}
