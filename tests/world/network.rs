//! A network of nodes with duties, by a clock turned by hand: real signatures of the test preset,
//! the embedded proof system, and tasks that run at once.

use std::sync::{Arc, Mutex};

use bevy_app::App;
use leansig::{
    KeyGenOptions,
    scheme::{Scheme, SecretKey},
};
use quintet::{
    components::{
        chain::{Finalized, Head, IsAggregator, Justified},
        clock::{SlotClock, UnixTime},
        constants::INTERVALS_PER_SLOT,
        containers::{PublicKey, Root, Signature, Validator, Validators},
        duties::{DutyCounts, Role, SignError, SignRequest, Signer, Signing},
        preset::SignaturePreset,
        task::{InlineSpawner, Tasks},
        waker::NodeWaker,
    },
    plugins::{
        AggregationPlugin, Anchor, ClockPlugin, DutiesPlugin, ForkChoicePlugin, InboundPlugin,
        LoopbackHub, LoopbackPlugin, OrderPlugin, ProverPlugin, ReaggregationPlugin,
        keys::{KeyPair, MemoryKeys},
    },
    prover,
    systems::transition::{anchor_block, generate_genesis},
};

const VALIDATORS: u64 = 4;

fn key_pair() -> KeyPair {
    let make = || {
        SecretKey::generate(Scheme::Lifetime8, &mut rand::rng(), 0, 256, &KeyGenOptions::default())
            .expect("the whole lifetime")
    };
    KeyPair { attester: make(), proposer: make() }
}

/// One validator a node; the first node aggregates.
fn network() -> Vec<App> {
    let keys: Vec<KeyPair> = (0..VALIDATORS).map(|_| key_pair()).collect();
    let validators = (0..).zip(&keys).map(|(index, pair)| Validator {
        attestation_public_key: PublicKey::from(pair.attester.public_key()),
        proposal_public_key: PublicKey::from(pair.proposer.public_key()),
        index,
    });
    let registry = Validators::new(validators.collect()).expect("in order");
    let state = Arc::new(generate_genesis(1_000, registry));
    let hub = LoopbackHub::default();
    (0..).zip(keys).map(|(index, pair)| node(index, pair, Arc::clone(&state), &hub)).collect()
}

fn node(
    index: u64,
    pair: KeyPair,
    state: Arc<quintet::components::containers::State>,
    hub: &LoopbackHub,
) -> App {
    let (waker, _) = NodeWaker::new();
    let mut app = App::new();
    app.insert_resource(Tasks::new(InlineSpawner, waker.clone())).insert_resource(waker);
    app.add_plugins((
        OrderPlugin,
        ClockPlugin,
        InboundPlugin,
        ForkChoicePlugin {
            anchor: Anchor { block: anchor_block(&state), state },
            preset: SignaturePreset::Test,
            proofs: prover::by_name("multisig", Scheme::Lifetime8).expect("it is embedded"),
            signatures: None,
        },
        (ProverPlugin::default(), AggregationPlugin::default(), ReaggregationPlugin),
        DutiesPlugin { signing: Signing(Arc::new(MemoryKeys::new([(index, pair)]))) },
        LoopbackPlugin { hub: hub.clone() },
    ));
    app.insert_resource(IsAggregator(index == 0));
    app.finish();
    app.cleanup();
    app
}

/// Turns every clock to each interval up to a slot's last, with a few updates in between for what
/// is on its way.
fn run(nodes: &mut [App], from_slot: u64, to_slot: u64, asleep: impl Fn(usize) -> bool) {
    for count in from_slot * INTERVALS_PER_SLOT + 1..(to_slot + 1) * INTERVALS_PER_SLOT {
        for _ in 0..4 {
            for (_, node) in nodes.iter_mut().enumerate().filter(|(index, _)| !asleep(*index)) {
                let now_ms = node.world().resource::<SlotClock>().interval_start_ms(count);
                node.world_mut().resource_mut::<UnixTime>().now_ms = now_ms;
                node.update();
            }
        }
    }
}

fn finalized(node: &App) -> u64 {
    node.world().resource::<Finalized>().0.slot
}

#[test]
fn a_network_finalizes_three_slots_behind_the_head() {
    let mut nodes = network();
    run(&mut nodes, 0, 12, |_| false);
    let facts: Vec<_> = nodes
        .iter()
        .map(|node| {
            let world = node.world();
            (
                world.resource::<Head>().0,
                world.resource::<Justified>().0,
                world.resource::<Finalized>().0,
            )
        })
        .collect();
    assert!(facts.windows(2).all(|pair| pair[0] == pair[1]), "{facts:?}");
    assert_eq!(facts[0].0.slot, 12);
    assert!(facts[0].2.slot >= 9, "{facts:?}");
    for node in &nodes {
        let counts = node.world().resource::<DutyCounts>();
        assert_eq!((counts.proposed, counts.attested, counts.missed), (3, 13, 0));
    }
}

#[test]
fn a_node_that_slept_walks_every_interval_and_the_network_goes_on() {
    let mut nodes = network();
    run(&mut nodes, 0, 4, |_| false);
    let before = finalized(&nodes[0]);
    // Three of four are more than two thirds.
    run(&mut nodes, 5, 8, |index| index == 3);
    assert!(finalized(&nodes[0]) > before);
    assert_eq!(finalized(&nodes[3]), before);
    run(&mut nodes, 9, 16, |_| false);
    assert!(
        nodes.iter().all(|node| finalized(node) >= 12),
        "{:?}",
        nodes.iter().map(finalized).collect::<Vec<_>>()
    );
}

#[test]
fn without_the_aggregator_nothing_is_justified() {
    let mut nodes = network();
    nodes[0].insert_resource(IsAggregator(false));
    run(&mut nodes, 0, 8, |_| false);
    assert!(nodes.iter().all(|node| finalized(node) == 0));
    assert_eq!(nodes[1].world().resource::<Head>().0.slot, 8, "the chain still grows");
}

/// Counts what a node asks of its signer.
#[derive(Default)]
struct CountingSigner {
    slots: Mutex<Vec<u64>>,
    batches: Mutex<Vec<usize>>,
}

impl Signer for CountingSigner {
    fn validators(&self) -> Vec<u64> {
        vec![1, 2, 3]
    }

    fn sign(&self, request: &SignRequest) -> Result<Signature, SignError> {
        Err(SignError::UnknownKey { index: request.index, role: request.role })
    }

    fn sign_all(&self, requests: &[SignRequest]) -> Vec<Result<Signature, SignError>> {
        self.batches.lock().expect("one thread").push(requests.len());
        requests.iter().map(|request| self.sign(request)).collect()
    }

    fn begin_slot(&self, slot: u64) {
        self.slots.lock().expect("one thread").push(slot);
    }
}

#[test]
fn a_signer_is_told_every_slot_and_signs_its_attestations_together() {
    let mut nodes = network();
    let signer = Arc::new(CountingSigner::default());
    nodes[0].insert_resource(Signing(signer.clone()));
    run(&mut nodes, 0, 3, |_| false);
    assert_eq!(*signer.slots.lock().expect("one thread"), [0, 1, 2, 3]);
    assert_eq!(*signer.batches.lock().expect("one thread"), [3; 4]);
}

#[test]
fn a_key_signs_one_message_a_slot() {
    let keys = MemoryKeys::new([(7, key_pair())]);
    let (one, other) = (Root::repeat_byte(1), Root::repeat_byte(2));
    let sign = |index, role, slot, message| keys.sign(&SignRequest { index, role, slot, message });
    let signature = sign(7, Role::Attester, 3, one).expect("fresh");
    assert_eq!(sign(7, Role::Attester, 3, one), Ok(signature), "the same again");
    assert_eq!(
        sign(7, Role::Attester, 3, other),
        Err(SignError::AlreadySigned { index: 7, role: Role::Attester, slot: 3 })
    );
    assert!(sign(7, Role::Proposer, 3, other).is_ok(), "the other key is another key");
    assert_eq!(
        sign(8, Role::Attester, 3, one),
        Err(SignError::UnknownKey { index: 8, role: Role::Attester })
    );
    assert!(sign(7, Role::Attester, 256, one).is_err(), "past the key's lifetime");
    assert!(sign(7, Role::Attester, u64::MAX, one).is_err());
}
