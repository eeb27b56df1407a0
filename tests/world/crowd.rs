//! Networks of many validators: what one slot's attestations take fills most of a block's proof.

use std::sync::Arc;

use leansig::scheme::Scheme;
use quintet_components::{
    chain::{Finalized, Head},
    clock::{SlotClock, UnixTime},
    constants::INTERVALS_PER_SLOT,
    containers::{Signature, Slot, ValidatorIndex},
    duties::{BlockRoom, DutyCounts, SignError, SignRequest, Signer, Signing},
    preset::SignaturePreset,
};
use quintet_plugins::{DutiesPlugin, LoopbackHub, LoopbackPlugin, ReaggregationPlugin};
use quintet_prover::{ProofSystem, by_name};

use crate::support::{
    chain,
    mocked::{Twist, Twisted},
    node::{Setup, TestNode},
};

const NODES: u64 = 4;

/// Signs with placeholders.
struct Keys(Vec<ValidatorIndex>);

impl Signer for Keys {
    fn validators(&self) -> Vec<ValidatorIndex> {
        self.0.clone()
    }

    fn sign(&self, _: &SignRequest) -> Result<Signature, SignError> {
        Ok(Signature::placeholder(SignaturePreset::Test))
    }
}

/// Placeholders that count as long as the embedded system's proofs with production keys.
struct AsLong(Arc<dyn ProofSystem>);

impl Twist for AsLong {
    fn single_proof_bytes(&self, signers: usize) -> usize {
        self.0.single_proof_bytes(signers)
    }
}

/// Nodes with the same number of validators each; the first aggregates.
fn network(validators: u64) -> Vec<TestNode> {
    let hub = LoopbackHub::default();
    (0..NODES)
        .map(|index| {
            let own: Vec<_> =
                (index..validators).step_by(usize::try_from(NODES).expect("few")).collect();
            let (signing, hub) = (Signing(Arc::new(Keys(own))), hub.clone());
            let mut setup =
                Setup::new(chain::genesis(validators)).accepting_signatures().with(|app| {
                    app.add_plugins((
                        ReaggregationPlugin,
                        DutiesPlugin { signing },
                        LoopbackPlugin { hub },
                    ));
                });
            let multisig = by_name("multisig", Scheme::Lifetime32).expect("it is embedded");
            setup.proofs = Arc::new(Twisted(AsLong(multisig)));
            let mut node = TestNode::new(setup);
            node.set_aggregator(index == 0);
            node
        })
        .collect()
}

/// Turns every clock to each interval up to a slot's last, with a few updates in between for what
/// is on its way.
fn run(nodes: &mut [TestNode], to_slot: Slot, mut at_end: impl FnMut(Slot, &mut TestNode)) {
    for count in 1..(to_slot + 1) * INTERVALS_PER_SLOT {
        for _ in 0..4 {
            for node in nodes.iter_mut() {
                let now_ms = node.world().resource::<SlotClock>().interval_start_ms(count);
                node.world().resource_mut::<UnixTime>().now_ms = now_ms;
                node.update();
            }
        }
        if count % INTERVALS_PER_SLOT == INTERVALS_PER_SLOT - 1 {
            nodes.iter_mut().for_each(|node| at_end(count / INTERVALS_PER_SLOT, node));
        }
    }
}

fn finalizes_within_four_slots(validators: u64) {
    let mut nodes = network(validators);
    run(&mut nodes, 16, |slot, node| {
        let (head, finalized) =
            (node.world().resource::<Head>().0.slot, node.world().resource::<Finalized>().0.slot);
        assert_eq!(head, slot);
        assert!(finalized + 4 >= slot, "slot {slot}: {finalized} is finalized");
    });
    for node in &mut nodes {
        assert_eq!(node.world().resource::<DutyCounts>().missed, 0);
        assert_eq!(node.world().resource::<BlockRoom>().crowded, 0);
    }
}

#[test]
fn a_network_of_128_validators_finalizes_within_four_slots() {
    finalizes_within_four_slots(128);
}

#[test]
fn a_network_of_200_validators_finalizes_within_four_slots() {
    finalizes_within_four_slots(200);
}
