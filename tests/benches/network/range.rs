//! Range sync of a late joiner from two peers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use leansig::{KeyGenOptions, scheme::SecretKey};
use quintet::{
    components::{
        chain::Registry,
        containers::{
            Block, MultiMessageAggregate, ProofBytes, PublicKey, Signature, SignedBlock, Validator,
            Validators,
        },
        duties::{Role, SignRequest, Signer},
        preset::SignaturePreset,
    },
    plugins::{
        Anchor, PoolSpawner,
        keys::{KeyPair, MemoryKeys},
    },
    prover::{CancelToken, ProofSystem, RawSignature, Statement, by_name},
    systems::{
        transition::{anchor_block, generate_genesis},
        verification::{block_statements, scheme_of},
    },
};
use tree_hash::TreeHash;

use crate::support::{
    chain,
    networked::{Blockchain, Networked},
    node::Setup,
};

/// A chain of 16 validators, ten of which attest in every block, with real proofs over signatures
/// of full strength.
pub fn signed_chain(blocks: u64) -> (Blockchain, Arc<dyn ProofSystem>) {
    let scheme = scheme_of(SignaturePreset::Short);
    let key = || {
        let options = KeyGenOptions::default();
        SecretKey::generate(scheme, &mut rand::rng(), 0, 8192, &options).expect("keys are made")
    };
    let pairs: Vec<_> = (0..16).map(|_| KeyPair { attester: key(), proposer: key() }).collect();
    let validators = (0..).zip(&pairs).map(|(index, pair)| Validator {
        attestation_public_key: PublicKey::from(pair.attester.public_key()),
        proposal_public_key: PublicKey::from(pair.proposer.public_key()),
        index,
    });
    let validators = Validators::new(validators.collect()).expect("in order and few");
    let registry = Registry::new(&validators);
    let state = generate_genesis(chain::GENESIS_TIME, validators);
    let anchor = Anchor { block: anchor_block(&state), state: Arc::new(state) };
    let keys = MemoryKeys::new((0..).zip(pairs));
    let proofs = by_name("multisig", scheme).expect("it is embedded");
    let prover = Arc::clone(&proofs);
    let sign = |block: Block| {
        let root = block.tree_hash_root();
        let cancel = CancelToken::default();
        let statements = block_statements(&block, root, &registry).expect("they are registered");
        let prove = |statement: &Statement<'_>, signatures: &[Signature]| {
            let raw: Vec<_> = signatures
                .iter()
                .enumerate()
                .map(|(signer, signature)| RawSignature { signer, signature: signature.as_bytes() })
                .collect();
            prover.aggregate(statement, &[], &raw, &cancel).expect("it fits")
        };
        let attestations = block.body.attestations.iter().map(|each| {
            let message = each.data.tree_hash_root();
            let slot = each.data.slot;
            let sign =
                |index| keys.sign(&SignRequest { index, role: Role::Attester, slot, message });
            each.aggregation_bits.indices().map(sign).collect::<Result<Vec<_>, _>>()
        });
        let (index, slot, message) = (block.proposer_index, block.slot, root);
        let proposal = keys.sign(&SignRequest { index, role: Role::Proposer, slot, message });
        let signatures = attestations.chain([proposal.map(|one| vec![one])]);
        let made: Vec<Vec<u8>> = statements
            .iter()
            .zip(signatures)
            .map(|(statement, signatures)| prove(statement, &signatures.expect("keys sign")))
            .collect();
        let parts: Vec<_> =
            statements.iter().cloned().zip(made.iter().map(Vec::as_slice)).collect();
        let merged = prover.merge(&parts, &cancel).expect("it fits");
        let proof = ProofBytes::new(merged).expect("it fits");
        SignedBlock { block: block.clone(), proof: MultiMessageAggregate { proof } }
    };
    (Blockchain::grow_on(anchor, blocks, 10, sign), proofs)
}

/// A late joiner and two peers that have the chain. Ten of sixteen attest: a chain that finalizes
/// is served 3600 slots back only, and here the peers' clocks stand at that slot.
pub fn run(name: &str, chain: &Arc<Blockchain>, proofs: &Arc<dyn ProofSystem>) {
    let blocks = chain.blocks.len() as u64;
    let setup = |chain: &Blockchain, proofs: &Arc<dyn ProofSystem>| Setup {
        proofs: Arc::clone(proofs),
        ..Setup::new(chain.anchor.clone())
    };
    let stop = Arc::new(AtomicBool::new(false));
    let peers: Vec<_> = [1, 2]
        .map(|identity| {
            let (started, starts) = mpsc::channel();
            let (chain, stop) = (Arc::clone(chain), Arc::clone(&stop));
            let proofs = Arc::clone(proofs);
            let thread = thread::spawn(move || {
                let setup = setup(&chain, &proofs).accepting_signatures();
                let mut node = Networked::calling(identity, setup, &[], None);
                node.turn_to(blocks.min(3500));
                node.import(&chain.blocks);
                started.send(node.local.address()).expect("the bench waits");
                while !stop.load(Ordering::Relaxed) {
                    node.update();
                    thread::sleep(Duration::from_millis(1));
                }
            });
            (starts.recv().expect("the peer has the chain"), thread)
        })
        .into_iter()
        .collect();
    let addresses: Vec<String> = peers.iter().map(|(address, _)| address.clone()).collect();
    let setup = setup(chain, proofs).tasks_on(PoolSpawner::own(2));
    let mut late = Networked::calling(3, setup, &addresses, None);
    late.turn_to(blocks);
    let tip = chain.blocks.last().expect("some").0;
    let deadline = Instant::now() + Duration::from_secs(300);
    let mut begun = None;
    while late.head().root != tip && Instant::now() < deadline {
        late.update();
        if begun.is_none() && late.counters.blocks_by_range.sent.get() > 0 {
            begun = Some(Instant::now());
        }
        thread::sleep(Duration::from_micros(200));
    }
    let took = begun.map_or(Duration::ZERO, |begun| begun.elapsed()).as_secs_f64();
    let reached = late.head().slot;
    println!(
        "range sync of {blocks} blocks, 16 validators, {name} proofs: head at {reached} after \
         {took:.1} s, {:.0} blocks a second",
        reached as f64 / took
    );
    stop.store(true, Ordering::Relaxed);
    for (_, thread) in peers {
        thread.join().expect("no panic");
    }
}
