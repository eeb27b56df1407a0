//! Faults that are planted in the node on purpose are found: `make sim` runs these with the feature
//! `planted`.

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

/// The first seed, of all from this one on, whose network shows the fault, and what it shows.
fn find(fault: Planted, from: u64) -> Option<(u64, Violation)> {
    (from..SEEDS).find_map(|seed| Some((seed, run(&draw(seed, SLOTS), Some(fault))?)))
}

/// Each fault with a seed that shows it, and the rule that it breaks there. The search below finds
/// them.
const FOUND: [(Planted, u64, &str); 0] = [];

#[test]
fn every_planted_fault_is_found_and_without_it_nothing_is() {
    for (fault, seed, rule) in FOUND {
        let scenario = draw(seed, SLOTS);
        let violation = run(&scenario, Some(fault));
        assert_eq!(violation.map(|each| each.rule).as_deref(), Some(rule), "{fault:?}");
        assert_eq!(run(&scenario, None), None, "seed {seed}");
    }
}

/// Takes minutes: run it when a rule, a draw or a fault has changed.
#[test]
#[ignore = "a search through up to a thousand networks for each fault"]
fn search() {
    for fault in Planted::ALL {
        match find(fault, 0) {
            Some((seed, violation)) => println!("(Planted::{fault:?}, {seed}, {violation:?}),"),
            None => panic!("{fault:?} is not found in {SEEDS} seeds"),
        }
    }
}
