//! A network of nodes in one process: a thread a node, memory lanes between them, real signatures
//! and real time.

use std::{
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bevy_app::{App, AppExit};
use bevy_ecs::prelude::*;
use leansig::{
    KeyGenError, KeyGenOptions,
    scheme::{Scheme, SecretKey},
};
use quintet::{NodeConfig, node};
use quintet_components::{
    chain::{Finalized, Head, Justified},
    clock::CurrentInterval,
    containers::{PublicKey, Slot, State, Validator, Validators},
    duties::{DutyCounts, Signing},
    schedule::{Interval, IntervalSystems, OnInterval},
};
use quintet_plugins::{
    Anchor, LoopbackHub, LoopbackPlugin,
    keys::{KeyPair, MemoryKeys},
};
use quintet_systems::{
    transition::{anchor_block, generate_genesis},
    verification::scheme_of,
};

use crate::cli::DevnetArgs;

/// Slots that the keys can sign for: nine hours.
const KEY_SLOTS: u64 = 8192;
/// Between the last key and slot 0.
const START_DELAY_SECONDS: u64 = 2;
/// How far behind the last slot finality may be.
const FINALITY_LAG_SLOTS: u64 = 4;

/// What a node tells of a slot at its last interval.
#[derive(Clone, Copy, Debug)]
struct Report {
    node: u16,
    slot: Slot,
    head: Slot,
    justified: Slot,
    finalized: Slot,
    duties: DutyCounts,
}

/// Runs the network.
pub(crate) fn run(arguments: &DevnetArgs) -> ExitCode {
    let scheme = scheme_of(arguments.xmss);
    let count = usize::from(arguments.nodes) * usize::from(arguments.validators_per_node);
    println!("field arithmetic: {}", leansig::packing::active());
    println!("making the keys of {count} validators ({})", arguments.xmss);
    let keys = match (0..count).map(|_| key_pair(scheme)).collect::<Result<Vec<_>, _>>() {
        Ok(keys) => keys,
        Err(error) => {
            eprintln!("no keys: {error}");
            return ExitCode::FAILURE;
        }
    };
    let genesis_time = unix_seconds() + START_DELAY_SECONDS;
    let state = Arc::new(genesis(genesis_time, &keys));
    println!("genesis at {genesis_time}; node 0 aggregates");

    let hub = LoopbackHub::default();
    let stop = Arc::new(AtomicBool::new(false));
    let (reports, received) = mpsc::channel();
    let mut keys = (0..).zip(keys);
    let nodes: Vec<_> = (0..arguments.nodes)
        .map(|index| {
            let own = keys.by_ref().take(arguments.validators_per_node.into()).collect();
            let setup = NodeSetup {
                index,
                own,
                state: Arc::clone(&state),
                hub: hub.clone(),
                reports: reports.clone(),
                stop: Arc::clone(&stop),
            };
            let preset = arguments.xmss;
            std::thread::spawn(move || run_node(setup, preset, scheme))
        })
        .collect();
    drop(reports);

    let finalized = watch(&received, arguments);
    stop.store(true, Ordering::Release);
    for node in nodes {
        if node.join().is_err() {
            eprintln!("a node ended with a panic");
            return ExitCode::FAILURE;
        }
    }
    if finalized { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn key_pair(scheme: Scheme) -> Result<KeyPair, KeyGenError> {
    let slots = KEY_SLOTS.min(scheme.lifetime());
    let make =
        || SecretKey::generate(scheme, &mut rand::rng(), 0, slots, &KeyGenOptions::default());
    Ok(KeyPair { attester: make()?, proposer: make()? })
}

fn genesis(genesis_time: u64, keys: &[KeyPair]) -> State {
    let validators = (0..).zip(keys).map(|(index, pair)| Validator {
        attestation_public_key: PublicKey::from(pair.attester.public_key()),
        proposal_public_key: PublicKey::from(pair.proposer.public_key()),
        index,
    });
    let registry = Validators::new(validators.collect()).expect("at most 4096, in order");
    generate_genesis(genesis_time, registry)
}

struct NodeSetup {
    index: u16,
    own: Vec<(u64, KeyPair)>,
    state: Arc<State>,
    hub: LoopbackHub,
    reports: mpsc::Sender<Report>,
    stop: Arc<AtomicBool>,
}

fn run_node(
    setup: NodeSetup,
    preset: quintet_components::preset::SignaturePreset,
    scheme: Scheme,
) -> AppExit {
    let anchor = Anchor { block: anchor_block(&setup.state), state: setup.state };
    let proofs = quintet_prover::by_name("multisig", scheme).expect("it is embedded");
    let signing = Signing(Arc::new(MemoryKeys::new(setup.own)));
    let mut app = node(NodeConfig {
        is_aggregator: setup.index == 0,
        signing: Some(signing),
        ..NodeConfig::new(anchor, preset, proofs)
    });
    app.add_plugins(LoopbackPlugin { hub: setup.hub });
    report_slots(&mut app, setup.index, setup.reports, setup.stop);
    app.run()
}

#[derive(Resource)]
struct Reporter {
    node: u16,
    reports: mpsc::Sender<Report>,
    stop: Arc<AtomicBool>,
}

fn report_slots(app: &mut App, node: u16, reports: mpsc::Sender<Report>, stop: Arc<AtomicBool>) {
    app.insert_resource(Reporter { node, reports, stop }).add_systems(
        OnInterval(Interval::Accept),
        report.in_set(IntervalSystems::Duties).after(quintet_systems::duties::announce_proposal),
    );
}

fn report(world: &mut World) {
    let reporter = world.resource::<Reporter>();
    let report = Report {
        node: reporter.node,
        slot: world.resource::<CurrentInterval>().slot(),
        head: world.resource::<Head>().0.slot,
        justified: world.resource::<Justified>().0.slot,
        finalized: world.resource::<Finalized>().0.slot,
        duties: *world.resource::<DutyCounts>(),
    };
    // Nobody listens any more when the network stops.
    let ended = reporter.reports.send(report).is_err() || reporter.stop.load(Ordering::Acquire);
    if ended {
        world.write_message(AppExit::Success);
    }
}

/// Prints a line a slot and node. Whether every node finalized in time, when there is an end.
fn watch(received: &mpsc::Receiver<Report>, arguments: &DevnetArgs) -> bool {
    println!(
        "{:>6} {:>5} {:>6} {:>10} {:>10} {:>9} {:>9} {:>7}",
        "slot", "node", "head", "justified", "finalized", "proposed", "attested", "missed"
    );
    let mut last = vec![None; arguments.nodes.into()];
    // A node that says nothing for two slots has ended.
    while let Ok(report) = received.recv_timeout(Duration::from_secs(30)) {
        let Report { node, slot, head, justified, finalized, duties } = report;
        println!(
            "{slot:>6} {node:>5} {head:>6} {justified:>10} {finalized:>10} {:>9} {:>9} {:>7}",
            duties.proposed, duties.attested, duties.missed
        );
        last[usize::from(node)] = Some(report);
        let Some(end) = arguments.slots else { continue };
        if last.iter().all(|report| report.is_some_and(|report| report.slot >= end)) {
            return last
                .iter()
                .flatten()
                .all(|report| report.finalized + FINALITY_LAG_SLOTS >= end);
        }
    }
    eprintln!("a node has stopped reporting");
    false
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
