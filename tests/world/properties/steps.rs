//! Steps done to a node and to the model of it.

use std::collections::BTreeSet;

use proptest::{prelude::*, sample::Index};
use quintet_components::{
    attestations::{Known, New, Phase, Pool as PoolName, PooledAttestation, Signed},
    clock::first_interval,
    containers::{AttestationData, Block, Checkpoint, Root},
    messages::{IgnoreReason, Verdict},
    rejection::RejectionReason as Reason,
};
use quintet_prover::CancelToken;
use quintet_systems::{
    pool,
    production::{BlockInputs, build_block},
};
use tree_hash::TreeHash;

use crate::{
    properties::{
        ledger::{Body, Votes},
        plans::{DataPlan, Picked, Spoilt, Step},
        store::{Payload, Pool, Store},
    },
    support::{
        chain::{self, aggregate, aggregated, attested_by, signed},
        mocked::MockedProofs,
        node::{Setup, TestNode},
    },
};

/// A node and its model.
pub struct Pair {
    pub node: TestNode,
    pub store: Store,
    pub is_aggregator: bool,
    /// Blocks in the order in which they were taken.
    blocks: Vec<(Block, Body)>,
}

/// The outcome of a step; `None` if nothing could be refused.
pub type Outcome = Option<Result<(), Reason>>;

impl Pair {
    pub fn new(validators: u64) -> Self {
        let anchor = chain::genesis(validators);
        let blocks = vec![(anchor.block.clone(), vec![])];
        let node = TestNode::new(Setup::new(anchor).accepting_signatures());
        Self { node, store: Store::new(validators), is_aggregator: false, blocks }
    }

    pub fn step(&mut self, step: &Step) -> Result<Outcome, TestCaseError> {
        match step {
            Step::Tick { intervals, has_proposal } => {
                let time = self.store.time + intervals;
                self.node.tick_to(time, *has_proposal);
                self.store.tick_to(time, *has_proposal, self.is_aggregator);
                Ok(None)
            }
            Step::Aggregates(yes) => {
                self.is_aggregator = *yes;
                self.node.set_aggregator(*yes);
                Ok(None)
            }
            Step::Block { on, skipped, votes, spoilt } => {
                let parent = self.pick(on);
                let slot = self.store.slot_of(&parent) + 1 + skipped;
                let votes: Vec<_> = votes
                    .iter()
                    .enumerate()
                    .map(|(place, (plan, mask))| {
                        let mut data = self.data(plan, Some(parent));
                        // Most bodies name no attestation twice.
                        data.slot = data.slot.saturating_add(place as u64);
                        (data, self.voters(*mask))
                    })
                    .collect();
                let block = self.block(parent, slot, &votes, spoilt.as_ref());
                self.import(block, votes)
            }
            Step::Propose { skipped } => self.propose(*skipped),
            Step::Again(which) => {
                let (block, votes) = which.get(&self.blocks).clone();
                self.import(block, votes)
            }
            Step::Single { data, validator } => self.single(self.data(data, None), *validator),
            Step::Gossip { data, voters } => {
                self.gossip(self.data(data, None), &self.voters(*voters))
            }
            Step::Honest { voters } => match self.store.attestation_to_give(self.store.time / 5) {
                Some(data) => self.gossip(data, &self.voters(*voters)),
                None => Ok(None),
            },
        }
    }

    fn agree(
        &self,
        verdict: Verdict,
        expected: Result<(), Reason>,
    ) -> Result<Outcome, TestCaseError> {
        let actual = match verdict {
            Verdict::Accepted
            | Verdict::Ignored(
                IgnoreReason::KnownBlock
                | IgnoreReason::KnownAttestation
                | IgnoreReason::Equivocation
                | IgnoreReason::AddsNoVoter,
            ) => Ok(()),
            Verdict::Ignored(why) => return Err(TestCaseError::fail(why.name())),
            Verdict::Rejected(rejection) => Err(rejection.reason),
        };
        prop_assert_eq!(actual, expected);
        Ok(Some(expected))
    }

    fn single(&mut self, data: AttestationData, validator: u64) -> Result<Outcome, TestCaseError> {
        let verdict = self.node.attestation(attested_by(data, validator));
        let expected = self.store.on_attestation(&data, validator, self.is_aggregator);
        self.agree(verdict, expected)
    }

    pub fn gossip(
        &mut self,
        data: AttestationData,
        voters: &[u64],
    ) -> Result<Outcome, TestCaseError> {
        let sent = aggregate(data, voters);
        let proof = sent.proof.proof.as_bytes().to_vec();
        let payload = Payload { voters: voters.iter().copied().collect(), proof };
        let verdict = self.node.aggregate(sent);
        let expected = self.store.on_aggregate(&data, payload);
        self.agree(verdict, expected)
    }

    fn import(&mut self, block: Block, votes: Body) -> Result<Outcome, TestCaseError> {
        // Time comes to most blocks; the others are refused.
        if block.slot % 8 != 7 {
            self.await_slot(block.slot);
        }
        let verdict = self.node.block(signed(block.clone()));
        let expected = self.store.on_block(&block, &votes);
        if expected.is_ok() && !self.blocks.iter().any(|(known, _)| *known == block) {
            self.blocks.push((block, votes));
        }
        self.agree(verdict, expected)
    }

    /// Turns both clocks to a slot, if they are not there.
    fn await_slot(&mut self, slot: u64) {
        let time = first_interval(slot);
        if time > self.store.time {
            self.node.tick_to(time, false);
            self.store.tick_to(time, false, self.is_aggregator);
        }
    }

    /// A valid block, taken by both.
    pub fn block_on(&mut self, parent: Root, slot: u64, votes: &Votes) -> Checkpoint {
        self.await_slot(slot);
        let block = self.block(parent, slot, votes, None);
        let root = block.tree_hash_root();
        let outcome = self.import(block, votes.to_vec());
        assert_eq!(outcome.expect("agreement"), Some(Ok(())));
        Checkpoint { root, slot }
    }

    fn propose(&mut self, skipped: u64) -> Result<Outcome, TestCaseError> {
        let next = |store: &Store| store.slot_of(&store.head) + 1 + skipped;
        let mut slot = next(&self.store);
        // Time may bring another head.
        while self.store.time < first_interval(slot) {
            self.await_slot(slot);
            slot = slot.max(next(&self.store));
        }
        let inputs = BlockInputs::on_head(self.node.world(), slot, slot % self.store.validators)
            .map_err(|rejection| TestCaseError::fail(rejection.to_string()))?;
        let built = build_block(&inputs, &MockedProofs, &CancelToken::default())
            .map_err(|error| TestCaseError::fail(error.to_string()))?;
        let attestations = built.block.body.attestations.iter();
        let votes = attestations.map(|each| (each.data, each.aggregation_bits.indices().collect()));
        let votes = votes.collect();
        let outcome = self.import(built.block, votes)?;
        prop_assert_eq!(outcome, Some(Ok(())), "the node's own block");
        Ok(outcome)
    }

    fn pick(&self, picked: &Picked) -> Root {
        let count = self.blocks.len();
        let place = match picked {
            Picked::Head => return self.store.head,
            Picked::Recent(index) => count - 1 - index.index(count.min(5)),
            Picked::Any(index) => index.index(count),
        };
        self.blocks[place].0.tree_hash_root()
    }

    fn voters(&self, mask: u16) -> Vec<u64> {
        let everyone = (1u16 << self.store.validators) - 1;
        let mask = if mask < 256 { mask & everyone } else { mask };
        (0..16).filter(|voter| mask >> voter & 1 == 1).collect()
    }

    /// An attestation to a block; in a block's body, for its parent's chain.
    fn data(&self, plan: &DataPlan, parent: Option<Root>) -> AttestationData {
        let picked = self.pick(&plan.head);
        let chain = self.store.chain(parent.unwrap_or(picked));
        // Three steps back at most, so that targets keep up with the head.
        let back = |index: &Index, from: usize| from + index.index((chain.len() - from).min(4));
        let head = if parent.is_some() { back(&plan.target_back, 0) / 2 } else { 0 };
        let target = back(&plan.target_back, head);
        let source = match &plan.source_back {
            Some(index) => chain[back(index, target)],
            None => match self.store.states[&chain[0].root].justified {
                zero if zero.root == Root::ZERO => *chain.last().expect("genesis"),
                justified => justified,
            },
        };
        let head = chain[head];
        let mut data = AttestationData {
            slot: head.slot.saturating_add(plan.late),
            head,
            target: chain[target],
            source,
        };
        if let Some((which, is_root)) = plan.wrong {
            let place: &mut Checkpoint = [&mut data.source, &mut data.target, &mut data.head]
                .into_iter()
                .nth(which.into())
                .expect("one of three");
            if is_root {
                place.root = Root::repeat_byte(which);
            } else {
                place.slot += 1;
            }
        }
        data
    }

    fn block(&self, parent: Root, slot: u64, votes: &Votes, spoilt: Option<&Spoilt>) -> Block {
        let attestations = votes.iter().map(|(data, voters)| aggregated(*data, voters)).collect();
        let mut block = Block {
            slot,
            proposer_index: slot % self.store.validators,
            parent_root: parent,
            state_root: Root::ZERO,
            body: chain::body(attestations),
        };
        // A block that the transition refuses has no state root; any will do.
        let mut state = self.store.states[&parent].clone();
        if state.process_slots(slot).and_then(|()| state.process_block(&block, votes)).is_ok() {
            block.state_root = state.state().tree_hash_root();
        }
        match spoilt {
            None => {}
            Some(Spoilt::StateRoot) => block.state_root = Root::repeat_byte(1),
            Some(Spoilt::Proposer(index)) => block.proposer_index = *index,
            Some(Spoilt::Parent) => block.parent_root = Root::repeat_byte(2),
        }
        block
    }

    /// A pool of the node in the model's shape.
    pub fn payloads<P: PoolName>(&mut self, phase: Phase) -> Pool<Payload> {
        let world = self.node.world();
        let votes = pool::members::<P>(world).into_iter();
        votes
            .map(|vote| {
                let payloads = pool::payloads(world, vote, phase).map(|(_, payload)| Payload {
                    voters: payload.participants.indices().collect(),
                    proof: payload.proof.as_bytes().to_vec(),
                });
                (
                    world.get::<PooledAttestation>(vote).expect("a pool holds attestations").data,
                    payloads.collect(),
                )
            })
            .collect()
    }

    pub fn new_payloads(&mut self) -> Pool<Payload> {
        self.payloads::<New>(Phase::New)
    }

    pub fn known_payloads(&mut self) -> Pool<Payload> {
        self.payloads::<Known>(Phase::Known)
    }

    pub fn signatures(&mut self) -> Pool<u64> {
        let world = self.node.world();
        let votes = pool::members::<Signed>(world).into_iter();
        votes
            .map(|vote| {
                let signers: BTreeSet<u64> =
                    pool::signatures(world, vote).map(|(_, each)| each.validator_index).collect();
                (
                    world.get::<PooledAttestation>(vote).expect("a pool holds attestations").data,
                    signers,
                )
            })
            .collect()
    }
}
