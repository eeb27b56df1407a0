//! Plants faults in the node on purpose, and searches for a network that shows each of them:
//! `cargo test --features planted --test sim planted:: -- --nocapture`.

use quintet_components::planted::{Planted, plant};
use quintet_plugins::sim::{Scenario, Simulation, Violation, draw};

/// Seeds within which a fault has to be found.
const SEEDS: u64 = 1_000;
/// Slots of a network.
const SLOTS: u64 = 60;

fn run(scenario: &Scenario, fault: Option<Planted>) -> Option<Violation> {
    plant(fault);
    let report = Simulation::of(scenario.clone()).expect("the scenario can be").run();
    plant(None);
    report.violation
}

/// The first seed whose network shows the fault, and what it shows.
fn find(fault: Planted) -> Option<(u64, Violation)> {
    (0..SEEDS).find_map(|seed| Some((seed, run(&draw(seed, SLOTS), Some(fault))?)))
}

/// Takes minutes, which is why it is behind the feature.
#[test]
fn every_planted_fault_is_found() {
    for fault in Planted::ALL {
        match find(fault) {
            Some((seed, violation)) => println!("(Planted::{fault:?}, {seed}, {violation:?}),"),
            None => panic!("{fault:?} is not found in {SEEDS} seeds"),
        }
    }
}
