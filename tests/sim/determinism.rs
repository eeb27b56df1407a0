//! Two runs of a scenario are the same in everything.

use quintet_plugins::sim::{Report, Scenario, Simulation, draw};

fn run(scenario: &Scenario) -> Report {
    Simulation::of(scenario.clone()).expect("the scenario can be").run()
}

#[test]
fn two_runs_of_a_seed_give_the_same_report() {
    // Faults, adversaries and clocks that are off: what takes longest is not among them.
    for seed in [0, 1, 5] {
        let scenario = draw(seed, 12);
        let first = run(&scenario);
        assert!(first.counts.events > 1_000, "seed {seed}: {:?}", first.counts);
        assert_eq!(first, run(&scenario), "seed {seed}");
    }
}

#[test]
fn runs_on_other_threads_and_beside_others_give_the_same_report() {
    let scenario = draw(1, 12);
    let expected = run(&scenario);
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let scenario = scenario.clone();
            std::thread::spawn(move || run(&scenario))
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().expect("no panic"), expected);
    }
}

#[test]
fn another_seed_is_another_order_of_events() {
    let of = |seed| run(&Scenario { seed, slots: 8, ..Scenario::default() });
    let (one, other) = (of(1), of(2));
    assert_ne!(one.log, other.log);
    // Nothing goes wrong in either, so that both come to the same chain.
    assert_eq!(one.nodes[0].world, other.nodes[0].world);
}
