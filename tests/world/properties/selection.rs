//! Whatever the pool holds, a block justifies when some choice of what is there would, and fits.

use std::{collections::BTreeMap, sync::Arc};

use proptest::{prelude::*, sample::Index};
use quintet_components::{
    chain::Registry,
    constants::MAX_ATTESTATIONS_DATA,
    containers::{AttestationData, Block, Checkpoint, Root, SingleMessageAggregate, Slot, State},
};
use quintet_prover::{CancelToken, ProofSystem};
use quintet_systems::{
    production::{BlockInputs, Candidate, Preference, build_block},
    transition::is_slot_justified,
};
use tree_hash::TreeHash;

use super::config;
use crate::{
    properties::ledger::justifiable,
    support::{
        chain,
        mocked::{Twist, Twisted},
        prover::VirtualProver,
    },
};

/// Payloads of a pool at most: every choice of those of a target is tried.
const MAX_PAYLOADS: usize = 12;

/// An attestation of the pool.
#[derive(Clone, Debug)]
struct Plan {
    target: Index,
    head: Index,
    /// The number of slots after its head's slot.
    late: u64,
    /// From another block than the justified one.
    other_source: Option<Index>,
    /// The participants of each payload.
    voters: Vec<u16>,
}

#[derive(Clone, Debug)]
struct Case {
    validators: u64,
    /// Slots between blocks.
    gaps: Vec<u64>,
    /// Voters for some targets in the newest block.
    counted: Vec<(Index, u16)>,
    pool: Vec<Plan>,
    /// Signers of all statements of a block together.
    room: usize,
}

fn plan() -> impl Strategy<Value = Plan> {
    let voters = prop_oneof![
        2 => prop::collection::vec((0_u16..12).prop_map(|voter| 1 << voter), 1..3),
        3 => prop::collection::vec(any::<u16>(), 1..3),
    ];
    let other_source = prop_oneof![6 => Just(None), 1 => any::<Index>().prop_map(Some)];
    (any::<Index>(), any::<Index>(), 0_u64..12, other_source, voters).prop_map(
        |(target, head, late, other_source, voters)| Plan {
            target,
            head,
            late,
            other_source,
            voters,
        },
    )
}

fn case() -> impl Strategy<Value = Case> {
    (
        4_u64..=12,
        prop::collection::vec(prop_oneof![5 => Just(1_u64), 1 => 2_u64..4], 2..7),
        prop::collection::vec((any::<Index>(), any::<u16>()), 0..3),
        prop::collection::vec(plan(), 1..13),
        prop_oneof![1 => Just(1_000_usize), 4 => 2_usize..30],
    )
        .prop_map(|(validators, gaps, counted, pool, room)| Case {
            validators,
            gaps,
            counted,
            pool,
            room,
        })
}

/// The chain that the block is built on, oldest block first.
struct Grown {
    blocks: Vec<Checkpoint>,
    state: State,
}

impl Grown {
    fn justified(&self) -> Checkpoint {
        match self.state.latest_justified {
            Checkpoint { root: Root::ZERO, .. } => self.blocks[0],
            justified => justified,
        }
    }
}

fn everyone(case: &Case, mask: u16) -> Vec<u64> {
    (0..case.validators).filter(|voter| mask >> voter & 1 == 1).collect()
}

fn grow(case: &Case) -> Grown {
    let anchor = chain::genesis(case.validators);
    let mut state = State::clone(&anchor.state);
    let mut blocks = vec![Checkpoint { root: anchor.block.tree_hash_root(), slot: 0 }];
    let mut slot = 0;
    for (place, gap) in case.gaps.iter().enumerate() {
        slot += gap;
        let is_newest = place + 1 == case.gaps.len();
        let votes = case.counted.iter().filter(|_| is_newest && blocks.len() > 1);
        let votes = votes.enumerate().filter_map(|(nth, (target, mask))| {
            let target = blocks[1 + target.index(blocks.len() - 1)];
            let head = blocks[blocks.len() - 1];
            let data =
                AttestationData { slot: head.slot + nth as u64, head, target, source: blocks[0] };
            let voters = everyone(case, *mask);
            (!voters.is_empty()).then(|| chain::aggregated(data, &voters))
        });
        let (block, post): (Block, State) =
            chain::build_on(&state, slot, votes.collect()).expect("a valid block");
        blocks.push(Checkpoint { root: block.tree_hash_root(), slot });
        state = post;
    }
    Grown { blocks, state }
}

fn candidates(case: &Case, grown: &Grown) -> Vec<Candidate> {
    let mut by_data: BTreeMap<Root, Candidate> = BTreeMap::new();
    let mut order = Vec::new();
    let mut count = 0;
    for plan in &case.pool {
        let at = plan.target.index(grown.blocks.len());
        let (target, head) =
            (grown.blocks[at], grown.blocks[at + plan.head.index(grown.blocks.len() - at)]);
        let source = match &plan.other_source {
            Some(index) => grown.blocks[index.index(grown.blocks.len())],
            None => grown.justified(),
        };
        let data = AttestationData { slot: head.slot + plan.late, head, target, source };
        let payloads = plan.voters.iter().map(|mask| everyone(case, *mask));
        let payloads: Vec<_> = payloads
            .filter(|voters| !voters.is_empty())
            .map(|voters| Arc::new(chain::aggregate(data, &voters).proof))
            .take(MAX_PAYLOADS - count)
            .collect();
        count += payloads.len();
        let root = data.tree_hash_root();
        if !by_data.contains_key(&root) {
            order.push(root);
        }
        let candidate =
            by_data.entry(root).or_insert_with(|| Candidate { data, payloads: Vec::new() });
        candidate.payloads.extend(payloads);
    }
    order.iter().map(|root| by_data[root].clone()).collect()
}

fn mask(payload: &SingleMessageAggregate) -> u64 {
    payload.participants.indices().fold(0, |mask, voter| mask | 1 << voter)
}

/// Returns true if some choice of payloads fits into a block and justifies this target.
fn can_justify(case: &Case, grown: &Grown, pool: &[Candidate], target: Checkpoint) -> bool {
    let state = &grown.state;
    let finalized = state.latest_finalized.slot;
    let source = grown.justified();
    let is_justified = is_slot_justified(&state.justified_slots, finalized, target.slot);
    // The newest block's own slot is not tracked before the next one.
    if is_justified.unwrap_or(false)
        || target.slot <= source.slot
        || !justifiable(target.slot - finalized)
    {
        return false;
    }
    let place = state.justifications_roots.iter().position(|root| *root == target.root);
    let counted = place.map_or(0, |place| {
        let all: Vec<bool> = state.justifications_validators.iter().collect();
        let count = state.validators.len();
        let bits = &all[place * count..(place + 1) * count];
        bits.iter().enumerate().fold(0, |mask, (voter, bit)| mask | u64::from(*bit) << voter)
    });
    let items: Vec<(&AttestationData, u64)> = pool
        .iter()
        .filter(|candidate| candidate.data.target == target && candidate.data.source == source)
        .flat_map(|each| each.payloads.iter().map(|payload| (&each.data, mask(payload))))
        .collect();
    (1..1_u64 << items.len()).any(|choice| {
        let mut chosen: Vec<(&AttestationData, u64)> = Vec::new();
        let mut all = counted;
        for (_, (data, voters)) in items.iter().enumerate().filter(|(at, _)| choice >> at & 1 == 1)
        {
            all |= voters;
            match chosen.iter_mut().find(|(other, _)| other == data) {
                Some((_, mine)) => *mine |= voters,
                None => chosen.push((data, *voters)),
            }
        }
        let mut slots: Vec<Slot> = chosen.iter().map(|(data, _)| data.slot).collect();
        slots.sort_unstable();
        slots.dedup();
        let signers: u32 = chosen.iter().map(|(_, voters)| voters.count_ones()).sum();
        chosen.len() <= MAX_ATTESTATIONS_DATA
            && slots.len() == chosen.len()
            && (signers as usize) < case.room
            && 3 * u64::from(all.count_ones()) >= 2 * case.validators
    })
}

fn check(case: &Case) -> Result<bool, TestCaseError> {
    let grown = grow(case);
    let pool = candidates(case, &grown);
    let prover = VirtualProver::default();
    prover.limit_signers(case.room);
    let slot = grown.state.slot + 1;
    let inputs = BlockInputs {
        slot,
        proposer_index: slot % case.validators,
        parent_root: grown.blocks[grown.blocks.len() - 1].root,
        parent: Arc::new(grown.state.clone()),
        candidates: pool.clone(),
        preference: Preference::default(),
        max_working_bytes: usize::MAX,
        registry: Registry::new(&grown.state.validators),
    };
    let built = build_block(&inputs, &prover.proofs(), &CancelToken::default())
        .map_err(|error| TestCaseError::fail(error.to_string()))?;

    let body = &built.block.body.attestations;
    let mut slots: Vec<Slot> = body.iter().map(|each| each.data.slot).collect();
    slots.sort_unstable();
    slots.dedup();
    prop_assert_eq!(slots.len(), body.len(), "one attestation data a slot");
    prop_assert!(body.len() <= MAX_ATTESTATIONS_DATA);
    let signers: usize = body.iter().map(|each| each.aggregation_bits.indices().count()).sum();
    prop_assert!(signers < case.room, "{signers} signers and the proposer");

    let goals: Vec<Checkpoint> = grown
        .blocks
        .iter()
        .copied()
        .filter(|target| can_justify(case, &grown, &pool, *target))
        .collect();
    let post = &built.post_state;
    let is_justified = |target: &Checkpoint| {
        is_slot_justified(&post.justified_slots, post.latest_finalized.slot, target.slot)
            .expect("it is tracked")
    };
    prop_assert!(
        goals.is_empty() || goals.iter().any(is_justified),
        "one of {:?} could be justified",
        goals
    );
    Ok(!goals.is_empty())
}

proptest! {
    #![proptest_config(config(512))]

    #[test]
    fn a_block_justifies_when_something_that_fits_would(case in case()) {
        check(&case)?;
    }
}

/// Ten attestations of as many slots for a chain of three blocks, and the block that they can
/// justify. Eight are needed, and these are not the first in any order but that of their voters.
fn crowded() -> (BlockInputs, Checkpoint) {
    let case =
        Case { validators: 12, gaps: vec![1, 1], counted: vec![], pool: vec![], room: 1_000 };
    let grown = grow(&case);
    let (source, block) = (grown.blocks[0], grown.blocks[1]);
    // Validator 0 attests in the first three slots, seven others once each.
    let voters = [0, 0, 0].into_iter().chain(1..8);
    let pool: Vec<Candidate> = (1..)
        .zip(voters)
        .map(|(slot, voter)| {
            let data = AttestationData { slot, head: block, target: block, source };
            let payloads = vec![Arc::new(chain::aggregate(data, &[voter]).proof)];
            Candidate { data, payloads }
        })
        .collect();
    assert!(can_justify(&case, &grown, &pool, block));
    let inputs = BlockInputs {
        slot: 3,
        proposer_index: 3,
        parent_root: grown.blocks[2].root,
        parent: Arc::new(grown.state.clone()),
        candidates: pool,
        preference: Preference::default(),
        max_working_bytes: usize::MAX,
        registry: Registry::new(&grown.state.validators),
    };
    (inputs, block)
}

#[test]
fn a_block_takes_the_eight_attestations_that_justify_out_of_ten() {
    let (inputs, block) = crowded();
    let prover = VirtualProver::default();
    let built =
        build_block(&inputs, &prover.proofs(), &CancelToken::default()).expect("it is built");
    assert_eq!(built.post_state.latest_justified, block);
    assert_eq!((built.left_out.useful, built.left_out.idle), (0, 2));
}

#[test]
fn a_block_has_no_more_attestations_than_the_prover_has_memory_for() {
    let (mut inputs, _) = crowded();
    let prover = VirtualProver::default();
    let proofs = prover.proofs();
    let bytes = inputs.candidates[0].payloads[0].proof.as_bytes().len();
    inputs.max_working_bytes = proofs.working_bytes(5 * bytes);
    assert!(inputs.max_working_bytes < proofs.working_bytes(6 * bytes), "memory tells them apart");
    let built = build_block(&inputs, &proofs, &CancelToken::default()).expect("it is built");
    assert_eq!(built.block.body.attestations.len(), 5);
    assert_eq!((built.left_out.useful, built.left_out.idle), (3, 2));
    assert_eq!(inputs.size(&proofs).1, inputs.max_working_bytes, "the job fits the budget");
}

/// Carries the proofs that a proof is made of, which have room up to a number of bytes.
struct Carrying(usize);

impl Twist for Carrying {
    fn max_proof_bytes(&self) -> usize {
        self.0
    }

    fn joins_proofs(&self) -> bool {
        false
    }
}

#[test]
fn a_block_has_no_more_proofs_than_it_can_carry() {
    let (inputs, _) = crowded();
    let bytes = inputs.candidates[0].payloads[0].proof.as_bytes().len();
    let built = build_block(&inputs, &Twisted(Carrying(3 * bytes)), &CancelToken::default())
        .expect("it is built");
    assert_eq!(built.block.body.attestations.len(), 3);
    assert_eq!((built.left_out.useful, built.left_out.idle), (5, 2));
}

/// Slot 10 may be justified once slot 9 is final, and not before: the attestation that finalizes
/// slot 9 comes before the one for slot 10, although its target is later.
#[test]
fn a_target_that_finality_makes_justifiable_comes_after_what_finalizes() {
    const EVERYONE: [u64; 4] = [0, 1, 2, 3];
    let anchor = chain::genesis(4);
    let mut state = State::clone(&anchor.state);
    let mut blocks =
        BTreeMap::from([(0, Checkpoint { root: anchor.block.tree_hash_root(), slot: 0 })]);
    for slot in [9, 10, 12, 13] {
        let votes = if slot == 13 {
            let (source, target) = (blocks[&0], blocks[&9]);
            let data = AttestationData { slot: 12, head: blocks[&12], target, source };
            vec![chain::aggregated(data, &EVERYONE)]
        } else {
            Vec::new()
        };
        let (block, post) = chain::build_on(&state, slot, votes).expect("a valid block");
        blocks.insert(slot, Checkpoint { root: block.tree_hash_root(), slot });
        state = post;
    }
    assert_eq!((state.latest_justified.slot, state.latest_finalized.slot), (9, 0));
    let candidate = |slot, target: Slot, voters: &[u64]| {
        let (source, head) = (blocks[&9], blocks[&13]);
        let data = AttestationData { slot, head, target: blocks[&target], source };
        Candidate { data, payloads: vec![Arc::new(chain::aggregate(data, voters).proof)] }
    };
    // The second of slot 13 has no room, so that worth decides.
    let candidates =
        vec![candidate(12, 10, &EVERYONE), candidate(13, 12, &EVERYONE), candidate(13, 13, &[1])];
    let inputs = BlockInputs {
        slot: 14,
        proposer_index: 2,
        parent_root: blocks[&13].root,
        parent: Arc::new(state.clone()),
        candidates,
        preference: Preference::default(),
        max_working_bytes: usize::MAX,
        registry: Registry::new(&state.validators),
    };
    let prover = VirtualProver::default();
    let built =
        build_block(&inputs, &prover.proofs(), &CancelToken::default()).expect("it is built");
    let post = &built.post_state;
    assert_eq!((post.latest_justified, post.latest_finalized), (blocks[&12], blocks[&9]));
    let is_justified = is_slot_justified(&post.justified_slots, 9, 10).expect("it is tracked");
    assert!(is_justified, "slot 10 as well");
}
