//! Plants faults in the node on purpose, each in one place, and shows that the simulator finds them.

use quintet_components::planted::{Planted, plant};
use quintet_plugins::sim::{Adversary, Delay, Scenario, Script, Simulation, Violation, draw};

/// Seeds within which a fault has to be found.
const SEEDS: u64 = 1_000;
/// Slots of a network.
const SLOTS: u64 = 40;
/// Networks that are larger are left out: the search is for one that is quick to run.
const SMALL: (usize, u64) = (7, 32);

/// Each fault, the first seed whose network shows it, and the rule that it breaks there.
const FOUND: [(Planted, u64, &str); 10] = [
    (Planted::GuardOff, 16, "one-message-a-slot"),
    (Planted::NoClockHorizon, 56, "head-ahead"),
    (Planted::BansHonest, 16, "honest-ban"),
    (Planted::UnsyncedRecord, 16, "start"),
    (Planted::HalfIsEnough, 18, "not-the-model"),
    (Planted::JustifiedGoesBack, 17, "justified-goes-back"),
    (Planted::JumpsIntervals, 16, "jumped-interval"),
    (Planted::DropsWrites, 69, "acknowledged-is-lost"),
    (Planted::FetchesUnbounded, 60, "over-limit"),
    (Planted::PrunesTooEarly, 10, "error-logged"),
];

/// The network of a seed. A lack of limits shows only in a flood, while answers take long.
fn network(fault: Planted, seed: u64) -> Scenario {
    let mut network = draw(seed, SLOTS);
    if fault == Planted::FetchesUnbounded {
        let node = network.nodes - 1;
        network.adversaries = vec![Adversary { node, script: Script::KeylessFlooder }];
        network.network.latency = Delay::new(600, 900, 1);
    }
    network
}

fn run(scenario: &Scenario, fault: Option<Planted>) -> Option<Violation> {
    plant(fault);
    let report = Simulation::of(scenario.clone()).expect("the scenario can be").run();
    plant(None);
    report.violation
}

/// The first seed whose network shows the fault and is sound without it, and what it shows.
fn search(fault: Planted) -> Option<(u64, Violation)> {
    let is_small =
        |scenario: &Scenario| scenario.nodes <= SMALL.0 && scenario.validators <= SMALL.1;
    let networks = (0..SEEDS).map(|seed| network(fault, seed)).filter(is_small);
    let mut shown = networks.filter_map(|network| Some((run(&network, Some(fault))?, network)));
    let found = shown.find(|(_, network)| run(network, None).is_none());
    found.map(|(violation, network)| (network.seed, violation))
}

/// Plants every fault in the network that shows it. Where it does not any more, because networks are
/// drawn in another way, says which one does.
#[test]
fn every_planted_fault_is_found() {
    assert_eq!(FOUND.map(|(fault, ..)| fault), Planted::ALL);
    let mut others = Vec::new();
    for (fault, seed, rule) in FOUND {
        let scenario = network(fault, seed);
        let broken = run(&scenario, Some(fault));
        if broken.as_ref().is_none_or(|violation| violation.rule != rule) {
            let found = search(fault);
            println!("{fault:?}: seed {seed} shows {broken:?}, found {found:?}");
            let found = found.map(|(seed, violation)| (seed, violation.rule));
            others.push((fault, found));
            continue;
        }
        assert_eq!(run(&scenario, None), None, "{fault:?} is not planted in seed {seed}");
    }
    assert!(others.is_empty(), "other networks show them now: {others:#?}");
}
