//! 130,000 slots without finality at 4096 validators: resident memory, pools, and what an import
//! costs at the beginning and at the end.
//!
//! Every slot brings a block with two attestations of half of the validators, and an aggregate of
//! 64 KiB over gossip. `STALL_SLOTS` sets another number of slots.

#![allow(unreachable_pub, reason = "a test binary exports nothing")]

#[path = "../support/mod.rs"]
mod support;

use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use quintet_components::{
    chain::{Head, SafeTarget, States},
    clock::first_interval,
    containers::{
        AggregatedAttestation, AggregatedAttestations, AggregationBits, AttestationData, Block,
        BlockBody, Checkpoint, MultiMessageAggregate, ProofBytes, PublicKey, Root,
        SignedAggregatedAttestation, SignedBlock, SingleMessageAggregate, State, Validator,
        Validators,
    },
    tree::BlockTree,
};
use quintet_plugins::Anchor;
use quintet_systems::{
    pool::pool_sizes,
    production::produce_attestation_data,
    transition::{anchor_block, generate_genesis, process_block, process_slots},
};
use support::{
    mocked,
    node::{Setup, TestNode},
};
use tree_hash::TreeHash;

const VALIDATORS: u64 = 4096;

fn main() {
    // `cargo test --benches` only wants to know that it runs.
    let quick = std::env::args().any(|argument| argument == "--test");
    let slots: u64 = std::env::var("STALL_SLOTS")
        .ok()
        .and_then(|slots| slots.parse().ok())
        .unwrap_or(if quick { 50 } else { 130_000 });
    let report_every = (slots / 13).max(1);
    let mut node = genesis_node();
    let start_mib = resident_mib();
    println!(
        "slots without finality, {VALIDATORS} validators; resident {start_mib} MiB at genesis"
    );
    println!(
        "{:>8} {:>12} {:>10} {:>10} {:>8} {:>18} {:>7}",
        "slot", "import p50", "p99", "resident", "blocks", "atts sgn/new/kn", "states"
    );
    let mut imports = Vec::new();
    for slot in 1..=slots {
        node.tick_to(first_interval(slot), false);
        let block = next_block(&mut node, slot);
        let started = Instant::now();
        let verdict = node.block(block);
        imports.push(started.elapsed());
        assert_eq!(verdict, quintet_components::messages::Verdict::Accepted, "slot {slot}");
        gossip(&mut node, slot);
        if slot % report_every == 0 {
            report(&mut node, slot, &mut imports);
        }
    }
    println!("resident growth: {} MiB", resident_mib().saturating_sub(start_mib));
}

fn genesis_node() -> TestNode {
    let validators = (0..VALIDATORS)
        .map(|index| Validator {
            attestation_public_key: PublicKey::ZERO,
            proposal_public_key: PublicKey::ZERO,
            index,
        })
        .collect();
    let state = generate_genesis(0, Validators::new(validators).expect("in order"));
    let block = anchor_block(&state);
    TestNode::new(Setup::new(Anchor { state: Arc::new(state), block }))
}

/// Half of the validators: never two thirds.
fn half(offset: u64) -> AggregationBits {
    AggregationBits::from_indices((0..VALIDATORS / 2).map(|index| (index + offset) % VALIDATORS))
        .expect("in range")
}

fn next_block(node: &mut TestNode, slot: u64) -> SignedBlock {
    let world = node.world();
    let parent_root = world.resource::<Head>().0.root;
    let parent =
        Arc::clone(world.resource::<States>().get(&parent_root).expect("the head's state"));
    let data = produce_attestation_data(world, slot.saturating_sub(1));
    // A second target: the block before the first.
    let tree = world.resource::<BlockTree>();
    let other = tree
        .find(&data.target.root)
        .and_then(|id| tree.parent(id))
        .map_or(data.target, |id| Checkpoint { root: tree[id].root, slot: tree.slot(id) });
    let votes = [data, AttestationData { target: other, ..data }];
    let count = if slot < 3 || other == data.target { usize::from(slot > 2) } else { 2 };
    let attestations = votes
        .into_iter()
        .take(count)
        .map(|data| AggregatedAttestation { aggregation_bits: half(slot % 2), data });
    let mut post = State::clone(&parent);
    process_slots(&mut post, slot).expect("later");
    let mut block = Block {
        slot,
        proposer_index: slot % VALIDATORS,
        parent_root,
        state_root: Root::ZERO,
        body: BlockBody {
            attestations: AggregatedAttestations::new(attestations.collect()).expect("few"),
        },
    };
    process_block(&mut post, &block).expect("valid");
    block.state_root = post.tree_hash_root();
    let proof = ProofBytes::new(mocked::placeholder_of("block")).expect("short");
    SignedBlock { block, proof: MultiMessageAggregate { proof } }
}

fn gossip(node: &mut TestNode, slot: u64) {
    let data = produce_attestation_data(node.world(), slot);
    let mut bytes = mocked::placeholder_of("gossip");
    bytes.resize(64 << 10, 0);
    let proof = ProofBytes::new(bytes).expect("below the limit");
    let proof = SingleMessageAggregate { participants: half(slot % 2), proof };
    let verdict = node.aggregate(SignedAggregatedAttestation { data, proof });
    assert_eq!(verdict, quintet_components::messages::Verdict::Accepted, "slot {slot}");
}

fn report(node: &mut TestNode, slot: u64, imports: &mut Vec<Duration>) {
    imports.sort_unstable();
    let (p50, p99) = (imports[imports.len() / 2], imports[imports.len() * 99 / 100]);
    imports.clear();
    let world = node.world();
    assert_eq!(world.resource::<SafeTarget>().0.slot, 0, "nothing may have two thirds");
    let [signed, new, known] = pool_sizes(world);
    println!(
        "{slot:>8} {:>9} us {:>7} us {:>6} MiB {:>8} {:>18} {:>7}",
        p50.as_micros(),
        p99.as_micros(),
        resident_mib(),
        world.resource::<BlockTree>().len(),
        format!("{signed}/{new}/{known}"),
        world.resource::<States>().len(),
    );
}

/// Resident memory, from the kernel; 0 where it does not tell.
fn resident_mib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)).and_then(|kib| kib.parse().ok());
    kib.map_or(0, |kib: u64| kib / 1024)
}
