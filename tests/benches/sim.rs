//! The speed of simulated networks compared with real time, on one core.

use std::{fs, time::Instant};

use quintet_plugins::sim::{Scenario, Simulation, draw};

fn main() {
    // `cargo test --benches` only wants to know that it runs.
    let quick = std::env::args().any(|argument| argument == "--test");
    let slots = |slots: u64| if quick { 4 } else { slots };
    let network = |nodes, validators, length| Scenario {
        nodes,
        validators,
        slots: slots(length),
        ..Scenario::default()
    };
    measure("4 nodes, 4 validators", &network(4, 4, 200));
    measure("4 nodes, 64 validators", &network(4, 64, 200));
    measure("16 nodes, 64 validators", &network(16, 64, 50));
    measure("16 nodes, 1024 validators", &network(16, 1024, 20));
    let count = if quick { 2 } else { 40 };
    let began = Instant::now();
    for seed in 0..count {
        run(&draw(seed, slots(100)));
    }
    let seconds = began.elapsed().as_secs_f64();
    let a_day = 86_400.0 * count as f64 / seconds;
    println!("drawn networks of {} slots: {count} in {seconds:.1} s, {a_day:.0} a day", slots(100));
}

fn measure(name: &str, scenario: &Scenario) {
    let before = resident_kib();
    let began = Instant::now();
    let events = run(scenario);
    let seconds = began.elapsed().as_secs_f64();
    let simulated = scenario.slots as f64 * 4.0;
    println!(
        "{name}: {} slots in {seconds:.2} s, {:.0} times real time, {:.0} events a second, {} KiB \
         more resident",
        scenario.slots,
        simulated / seconds,
        events as f64 / seconds,
        resident_kib().saturating_sub(before),
    );
}

fn run(scenario: &Scenario) -> u64 {
    let report = Simulation::of(scenario.clone()).expect("the scenario can be").run();
    if let Some(violation) = &report.violation {
        println!("seed {}: {violation:?}", scenario.seed);
    }
    report.counts.events
}

/// The most that was resident, in KiB; 0 where nobody says.
fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
