//! The import of a block of a large network, from the lane to the verdict, on one thread.
//!
//! The block has one attestation of two thirds of the validators and a succinct proof. The proof is
//! made once, on all cores, and takes a minute for 4096 validators. Then new nodes import the block,
//! one after another. `LARGE_BLOCK_VALIDATORS` sets another number of validators than 4096.

#![allow(unreachable_pub, reason = "a test binary exports nothing")]

#[path = "../support/mod.rs"]
mod support;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use leansig::{
    KeyGenOptions,
    scheme::{Scheme, SecretKey},
};
use quintet_components::{
    chain::{Justified, Registry},
    clock::first_interval,
    containers::{
        AttestationData, Block, Checkpoint, MultiMessageAggregate, ProofBytes, PublicKey,
        SignedBlock, State, Validator, Validators,
    },
    messages::Verdict,
};
use quintet_plugins::Anchor;
use quintet_prover::{CancelToken, Hybrid, ProofSystem, RawSignature};
use quintet_systems::{
    transition::{anchor_block, generate_genesis, timed_transition},
    verification::block_statements,
};
use rand::{SeedableRng, rngs::StdRng};
use support::{
    chain,
    node::{Setup, TestNode},
};
use tree_hash::TreeHash;

/// The number of nodes that import the block.
const ROUNDS: usize = 20;

fn main() {
    // `cargo test --benches` only wants to know that it runs.
    let quick = std::env::args().any(|argument| argument == "--test");
    let validators = std::env::var("LARGE_BLOCK_VALIDATORS").ok();
    let validators = validators.and_then(|count| count.parse().ok());
    let validators: u64 = validators.unwrap_or(if quick { 6 } else { 4096 });
    let scheme = if quick { Scheme::Lifetime8 } else { Scheme::Lifetime32 };

    let network = Network::new(scheme, validators);
    let genesis = &network.genesis;
    let (first, after_first) = chain::build_on(&genesis.state, 1, Vec::new()).expect("valid");
    let (head, source) = (
        Checkpoint { root: first.tree_hash_root(), slot: 1 },
        Checkpoint { root: genesis.block.tree_hash_root(), slot: 0 },
    );
    let data = AttestationData { slot: 1, head, target: head, source };
    let voters: Vec<u64> = (0..(2 * validators).div_ceil(3)).collect();
    let attestations = vec![chain::aggregated(data, &voters)];
    let (second, _) = chain::build_on(&after_first, 2, attestations).expect("valid");
    let (first, second) = (network.sign(first), network.sign(second));
    println!(
        "{validators} validators, {} attest, a proof of {} bytes",
        voters.len(),
        second.proof.proof.as_bytes().len()
    );

    let mut imports: Vec<Duration> = (0..if quick { 1 } else { ROUNDS })
        .map(|_| {
            let mut node = network.node();
            node.tick_to(first_interval(2), false);
            assert_eq!(node.block(first.clone()), Verdict::Accepted);
            let (block, began) = (second.clone(), Instant::now());
            assert_eq!(node.block(block), Verdict::Accepted);
            let took = began.elapsed();
            assert_eq!(node.world().resource::<Justified>().0, head);
            took
        })
        .collect();
    imports.sort_unstable();
    let mut transitions: Vec<Duration> = (0..ROUNDS)
        .map(|_| timed_transition(&after_first, &second.block).expect("valid").1.time)
        .collect();
    transitions.sort_unstable();
    for (what, times) in [("import", imports), ("its transition", transitions)] {
        let ms = |at: usize| times[at].as_secs_f64() * 1000.0;
        println!(
            "{what}: median {:.2} ms, most {:.2} ms",
            ms(times.len() / 2),
            ms(times.len() - 1)
        );
    }
}

/// A network whose validators share one attestation key and one proposal key.
struct Network {
    genesis: Anchor,
    attestation_key: SecretKey,
    proposal_key: SecretKey,
    registry: Registry,
    proofs: Arc<dyn ProofSystem>,
}

impl Network {
    fn new(scheme: Scheme, validators: u64) -> Self {
        let epochs = if scheme == Scheme::Lifetime32 { 1 << 17 } else { 16 };
        let key = |seed| {
            let mut rng = StdRng::seed_from_u64(seed);
            SecretKey::generate(scheme, &mut rng, 0, epochs, &KeyGenOptions::default())
                .expect("a key")
        };
        let (attestation_key, proposal_key) = (key(0), key(1));
        let public = |key: &SecretKey| PublicKey::right_padding_from(&key.public_key());
        let (attestation_public_key, proposal_public_key) =
            (public(&attestation_key), public(&proposal_key));
        let registry = (0..validators).map(|index| Validator {
            attestation_public_key,
            proposal_public_key,
            index,
        });
        let validators = Validators::new(registry.collect()).expect("in order");
        let state: State = generate_genesis(0, validators);
        Self {
            registry: Registry::new(&state.validators),
            genesis: Anchor { block: anchor_block(&state), state: Arc::new(state) },
            attestation_key,
            proposal_key,
            proofs: Arc::new(Hybrid::stark(scheme)),
        }
    }

    fn node(&self) -> TestNode {
        let proofs = Arc::clone(&self.proofs);
        TestNode::new(Setup { proofs, ..Setup::new(self.genesis.clone()) })
    }

    /// The block with the proof of its attestations and its proposer's signature.
    fn sign(&self, block: Block) -> SignedBlock {
        let statements =
            block_statements(&block, block.tree_hash_root(), &self.registry).expect("known keys");
        let (cancel, last) = (CancelToken::default(), statements.len() - 1);
        let proofs: Vec<Vec<u8>> = statements
            .iter()
            .enumerate()
            .map(|(at, statement)| {
                let key = if at == last { &self.proposal_key } else { &self.attestation_key };
                let epoch = u32::try_from(statement.slot).expect("early");
                let signature = key.sign(epoch, &statement.message).expect("the key has the slot");
                let signers = 0..statement.public_keys.len();
                let raw: Vec<_> =
                    signers.map(|signer| RawSignature { signer, signature: &signature }).collect();
                self.proofs.aggregate(statement, &[], &raw, &cancel).expect("a proof")
            })
            .collect();
        let parts: Vec<_> =
            statements.iter().cloned().zip(proofs.iter().map(Vec::as_slice)).collect();
        let merged = self.proofs.merge(&parts, &cancel).expect("a proof");
        let proof = MultiMessageAggregate { proof: ProofBytes::new(merged).expect("it fits") };
        SignedBlock { block, proof }
    }
}
