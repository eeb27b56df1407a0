//! A node under load from its network, over QUIC on loopback: a flood of votes, range sync from two
//! peers, and how long a block waits for its verdict.
//!
//! `NETWORK_SECONDS` and `NETWORK_BLOCKS` set another length than 30 seconds and 10,000 blocks.

#![allow(unreachable_pub, reason = "a test binary exports nothing")]

#[path = "../io/quic/raw.rs"]
mod raw;
#[path = "../support/mod.rs"]
mod support;

use std::{
    env, fs,
    io::Read,
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bevy_app::AppExit;
use bevy_ecs::prelude::*;
use leansig::{KeyGenOptions, scheme::SecretKey};
use quintet::{
    app,
    components::{
        chain::Registry,
        clock::{CurrentInterval, SlotClock},
        containers::{
            AttestationData, Block, Checkpoint, MultiMessageAggregate, ProofBytes, PublicKey, Root,
            Signature, SignedAttestation, SignedBlock, Validator, Validators,
        },
        duties::{Role, Signer},
        lane::Lane,
        messages::AttestationReceived,
        preset::SignaturePreset,
        schedule::{Interval, IntervalSystems, OnInterval},
        task::Tasks,
        waker::NodeWaker,
    },
    plugins::{
        AggregationPlugin, Anchor, ClockPlugin, ForkChoicePlugin, InboundPlugin, NetworkPlugin,
        OrderPlugin, PoolSpawner, ProverPlugin, RunnerPlugin, SyncPlugin,
        keys::{KeyPair, MemoryKeys},
        network::{
            Counters, LocalNode, NetworkCounters,
            codec::{snappy, topic::Topic},
        },
    },
    prover::{CancelToken, ProofSystem, RawSignature, Statement, by_name},
    systems::{
        transition::{anchor_block, generate_genesis},
        verification::{SignatureCheck, SignatureVerifier, block_statements, scheme_of},
    },
};
use raw::RawPeer;
use ssz::Encode;
use support::{
    chain,
    mocked::{MockedProofs, Twist, Twisted},
    networked::{Blockchain, Networked, config, storage},
    node::Setup,
};
use tree_hash::TreeHash;

/// Slots since genesis, for 64 votes each.
const FLOOD_SLOTS: u64 = 5_000;
/// Votes a second that the peer offers.
const RATE: u64 = 10_000;
/// What a check of one signature costs where it is not free: as in a batch of production's.
const CHECK: Duration = Duration::from_micros(75);
/// How often resident memory is told.
const RESIDENT_EVERY: Duration = Duration::from_secs(5);
/// Names the network in its topics.
const DIGEST: &str = "12345678";

fn main() {
    if let Ok(address) = env::var("QUINTET_FLOOD") {
        return offer(&address);
    }
    // `cargo test --benches` only wants to know that it runs.
    let quick = env::args().any(|argument| argument == "--test");
    let number = |name: &str| env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seconds = number("NETWORK_SECONDS").unwrap_or(if quick { 1 } else { 30 });
    let blocks = number("NETWORK_BLOCKS").unwrap_or(if quick { 200 } else { 10_000 });
    // First what measures memory, while nothing has been freed yet.
    flood("valid", seconds);
    flood("invalid", seconds.min(10));
    verdicts(if quick { 5 } else { 100 });
    let chain = Blockchain::grow(16, blocks, 10);
    range_sync("placeholder", &Arc::new(chain), &(Arc::new(MockedProofs) as _));
    let (chain, proofs) = signed_chain(if quick { 20 } else { blocks.min(1_000) });
    range_sync("multisig", &Arc::new(chain), &proofs);
}

/// A chain of 16 validators, ten of which vote in every block, with real proofs over signatures of
/// full strength.
fn signed_chain(blocks: u64) -> (Blockchain, Arc<dyn ProofSystem>) {
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
            let sign = |index| keys.sign(index, Role::Attester, each.data.slot, message);
            each.aggregation_bits.indices().map(sign).collect::<Result<Vec<_>, _>>()
        });
        let proposal = keys.sign(block.proposer_index, Role::Proposer, block.slot, root);
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

/// Costs what a check costs, and finds all valid, or all invalid.
struct Costly(bool);

fn spin(count: usize) {
    let begin = Instant::now();
    while begin.elapsed() < CHECK * u32::try_from(count).expect("few") {
        std::hint::spin_loop();
    }
}

impl SignatureVerifier for Costly {
    fn verify_batch(&self, checks: &[SignatureCheck<'_>]) -> Vec<bool> {
        spin(checks.len());
        vec![self.0; checks.len()]
    }
}

impl Twist for Costly {
    fn before_check(&self, keys: usize) {
        spin(keys);
    }
}

/// How late intervals began, in microseconds, and how many votes found the lane full.
#[derive(Resource, Clone, Default)]
struct Measured(Arc<Mutex<(Vec<u64>, u64)>>);

#[derive(Resource, Clone)]
struct Stop(Arc<AtomicBool>);

/// A node with its real runner on a thread of its own.
struct Running {
    local: LocalNode,
    counters: Arc<Counters>,
    measured: Measured,
    stop: Arc<AtomicBool>,
    waker: NodeWaker,
    thread: thread::JoinHandle<AppExit>,
}

impl Running {
    fn start(anchor: Anchor, are_valid: bool) -> Self {
        let (started, starts) = mpsc::channel();
        let (measured, stop) = (Measured::default(), Arc::new(AtomicBool::new(false)));
        let (shared, stops) = (measured.clone(), Stop(Arc::clone(&stop)));
        let thread = thread::spawn(move || {
            let mut app = app(RunnerPlugin::default());
            let waker = app.world().resource::<NodeWaker>().clone();
            let cores = thread::available_parallelism().map_or(2, usize::from);
            let mut config = config(1, &[]);
            config.subnets = vec![0];
            app.insert_resource(Tasks::new(PoolSpawner::own(cores), waker.clone()))
                .add_plugins((
                    OrderPlugin,
                    ClockPlugin,
                    InboundPlugin,
                    ForkChoicePlugin {
                        anchor: anchor.clone(),
                        preset: SignaturePreset::Production,
                        proofs: Arc::new(Twisted(Costly(true))),
                        signatures: Some(Arc::new(Costly(are_valid))),
                    },
                    ProverPlugin::default(),
                    AggregationPlugin::default(),
                    SyncPlugin,
                    storage(&anchor),
                    NetworkPlugin { config },
                ))
                .insert_resource(shared)
                .insert_resource(stops);
            app.add_systems(bevy_app::First, stop_when_told);
            for interval in Interval::ALL {
                let measure = measure.before(IntervalSystems::Collect).ambiguous_with_all();
                app.add_systems(OnInterval(interval), measure);
            }
            let local = app.world().resource::<LocalNode>().clone();
            let counters = Arc::clone(&app.world().resource::<NetworkCounters>().0);
            started.send((local, counters, waker)).expect("the bench waits");
            app.run()
        });
        let (local, counters, waker) = starts.recv().expect("the node boots");
        Self { local, counters, measured, stop, waker, thread }
    }

    fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.waker.wake();
        self.thread.join().expect("no panic");
    }
}

fn stop_when_told(stop: Res<Stop>, mut exit: MessageWriter<AppExit>) {
    if stop.0.load(Ordering::Relaxed) {
        exit.write(AppExit::Success);
    }
}

/// How late this interval begins, by the wall clock.
fn measure(world: &mut World) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set");
    let count = world.resource::<CurrentInterval>().count;
    let start_ms = world.resource::<SlotClock>().interval_start_ms(count);
    let late = now.saturating_sub(Duration::from_millis(start_ms));
    let dropped = world.resource::<Lane<AttestationReceived>>().dropped();
    let measured = world.resource::<Measured>().clone();
    let mut measured = measured.0.lock().expect("not poisoned");
    measured.0.push(u64::try_from(late.as_micros()).unwrap_or(u64::MAX));
    measured.1 = dropped;
}

/// Genesis some seconds ago.
fn anchor(validators: u64, seconds_ago: u64) -> Anchor {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set").as_secs();
    let state = generate_genesis(now - seconds_ago, chain::validators(validators));
    Anchor { block: anchor_block(&state), state: Arc::new(state) }
}

/// The flooding peer, in a process of its own: votes at a steady rate until the time is over.
fn offer(address: &str) {
    let text = |name: &str| env::var(name).expect("set by the parent");
    let root: Root = text("QUINTET_FLOOD_ROOT").parse().expect("a root");
    let seconds: u64 = text("QUINTET_FLOOD_SECONDS").parse().expect("a number");
    let genesis = Checkpoint { root, slot: 0 };
    let mut random = vec![0_u8; SignaturePreset::Production.signature_bytes()];
    random.copy_from_slice(Signature::placeholder(SignaturePreset::Production).as_bytes());
    let peer = RawPeer::start(Some(raw::gossip(false)));
    let topic = Topic::Attestation(0).text(DIGEST);
    peer.connect(address);
    peer.wait("subscribes", |events| {
        events.iter().any(|event| matches!(event, raw::RawEvent::Subscribed(_, on) if *on == topic))
    });
    let (mut sent, mut refused, begun) = (0_u64, 0_u64, Instant::now());
    while begun.elapsed() < Duration::from_secs(seconds) {
        let due = u64::try_from(begun.elapsed().as_millis()).expect("short") * RATE / 1000;
        let messages: Vec<Vec<u8>> = (sent + refused..due)
            .map(|number| {
                // Each validator votes once in each slot since genesis.
                let (slot, validator_index) = (number / 64, number % 64);
                let data =
                    AttestationData { slot, head: genesis, target: genesis, source: genesis };
                let signature = numbered(&random, number);
                let vote = SignedAttestation { validator_index, data, signature };
                snappy::compress(&vote.as_ssz_bytes())
            })
            .collect();
        let count = messages.len() as u64;
        let on = libp2p::gossipsub::IdentTopic::new(topic.clone());
        let published = peer.act(move |swarm| {
            let gossip = swarm.behaviour_mut().gossip.as_mut().expect("with gossip");
            let publish = |data| gossip.publish(on.clone(), data).is_ok();
            messages.into_iter().map(publish).filter(|is_out| *is_out).count()
        }) as u64;
        (sent, refused) = (sent + published, refused + count - published);
        thread::sleep(Duration::from_millis(5));
    }
    println!("{sent} {refused}");
}

/// A signature like this one with a number in its randomness and noise in its hashes.
fn numbered(bytes: &[u8], number: u64) -> Signature {
    let mut bytes = bytes.to_vec();
    bytes[4..12].copy_from_slice(&number.to_le_bytes());
    let mut random = number;
    let from = bytes.len() / 2;
    for byte in &mut bytes[from..] {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        *byte = random.to_be_bytes()[0];
    }
    <Signature as ssz::Decode>::from_ssz_bytes(&bytes).expect("only its hashes differ")
}

fn flood(kind: &str, seconds: u64) {
    let anchor = anchor(64, 4 * FLOOD_SLOTS);
    let root = anchor.block.tree_hash_root();
    let node = Running::start(anchor, kind == "valid");
    thread::sleep(Duration::from_secs(2));
    let idle = resident_mib();
    node.measured.0.lock().expect("not poisoned").0.clear();
    let mut child = Command::new(env::current_exe().expect("known"))
        .env("QUINTET_FLOOD", node.local.address())
        .env("QUINTET_FLOOD_ROOT", root.to_string())
        .env("QUINTET_FLOOD_SECONDS", seconds.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let (mut most, begun, mut over_time) = (idle, Instant::now(), Vec::new());
    while child.try_wait().expect("a child").is_none() {
        let now = resident_mib();
        most = most.max(now);
        if begun.elapsed() >= RESIDENT_EVERY * u32::try_from(over_time.len() + 1).expect("few") {
            over_time.push(now);
        }
        thread::sleep(Duration::from_millis(50));
    }
    let mut offered = String::new();
    child.stdout.take().expect("piped").read_to_string(&mut offered).expect("text");
    let (mut late, dropped) = node.measured.0.lock().expect("not poisoned").clone();
    late.sort_unstable();
    let at = |percent: usize| {
        late.get((late.len() * percent / 100).min(late.len().saturating_sub(1)))
            .map_or(0.0, |micros| *micros as f64 / 1000.0)
    };
    let votes = &node.counters.attestations;
    println!(
        "flood, {kind} votes, {seconds} s: offered and refused by the peer's own queue {}; \
         received {}, full lane {dropped}, accepted {}, ignored {}, rejected {}, banned {}; \
         {} intervals, late p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms; resident {idle} MiB, \
         at most {most} MiB, every {RESIDENT_EVERY:?} {over_time:?} MiB",
        offered.trim(),
        votes.received.get(),
        votes.accepted.get(),
        votes.ignored.get(),
        votes.rejected.get(),
        node.counters.banned.get(),
        late.len(),
        at(50),
        at(99),
        at(100),
    );
    node.end();
}

/// A late joiner and two peers that have the chain. Ten of sixteen vote: a chain that finalizes is
/// served 3600 slots back only, and here the peers' clocks stand at that slot.
fn range_sync(name: &str, chain: &Arc<Blockchain>, proofs: &Arc<dyn ProofSystem>) {
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

/// From a peer's publishing a block to the verdict that forwards it, one block after the other.
fn verdicts(blocks: u64) {
    let mut anchor = anchor(64, 4000);
    let mut state = anchor.state.as_ref().clone();
    let genesis = Checkpoint { root: anchor.block.tree_hash_root(), slot: 0 };
    anchor.state = Arc::new(state.clone());
    let voters: Vec<u64> = (0..64).collect();
    let mut head = genesis;
    let node = Running::start(anchor, true);
    let peer = RawPeer::start(Some(raw::gossip(false)));
    let topic = Topic::Block.text(DIGEST);
    peer.connect(&node.local.address());
    let id = node.local.peer.to_string().parse().expect("a peer id");
    peer.wait_subscribed(id, &topic);
    let mut took = Vec::new();
    for slot in 1..=blocks {
        let source = match state.latest_justified {
            Checkpoint { root: Root::ZERO, .. } => genesis,
            justified => justified,
        };
        let data = AttestationData { slot: head.slot, head, target: head, source };
        let votes = if slot > 1 { vec![chain::aggregated(data, &voters)] } else { vec![] };
        let (block, post) = chain::build_on(&state, slot, votes).expect("valid");
        head = Checkpoint { root: block.tree_hash_root(), slot };
        state = post;
        let bytes = snappy::compress(&chain::signed(block).as_ssz_bytes());
        let begun = Instant::now();
        peer.publish(&topic, bytes);
        while node.counters.blocks.accepted.get() < slot {
            assert!(begun.elapsed() < Duration::from_secs(10), "judged: {:?}", node.counters);
            thread::sleep(Duration::from_micros(50));
        }
        took.push(begun.elapsed().as_micros());
        thread::sleep(Duration::from_millis(20));
    }
    took.sort_unstable();
    println!(
        "published to accepted, 64 validators, {blocks} blocks: median {:.1} ms, p99 {:.1} ms, max \
         {:.1} ms, of which {:.1} ms stand for 65 signatures",
        took[took.len() / 2] as f64 / 1000.0,
        took[(took.len() * 99 / 100).min(took.len() - 1)] as f64 / 1000.0,
        took[took.len() - 1] as f64 / 1000.0,
        (CHECK * 65).as_micros() as f64 / 1000.0
    );
    node.end();
}

/// Resident memory, from the kernel; 0 where it does not tell.
fn resident_mib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)).and_then(|kib| kib.parse().ok());
    kib.map_or(0, |kib: u64| kib / 1024)
}
