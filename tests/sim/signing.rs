//! No key signs two messages for a slot, whatever its machine loses.

use quintet_plugins::sim::{Fault, FaultKind, Loss, Report, Simulation};

/// Every node loses this again and again.
fn crashing(seed: u64, loses: Loss) -> Report {
    Simulation::new(seed)
        .nodes(3)
        .validators(6)
        .slots(30)
        .with(|scenario| {
            let crash = |turn: u64| Fault {
                from_ms: 9_000 + 4_300 * turn,
                for_ms: 300,
                kind: FaultKind::Crash { node: usize::try_from(turn % 3).expect("small"), loses },
            };
            scenario.faults = (0..18).map(crash).collect();
        })
        .run()
}

#[test]
fn no_key_signs_twice_when_the_process_ends() {
    for seed in 0..2 {
        let report = crashing(seed, Loss::Process);
        assert_eq!((report.violation.as_ref(), report.counts.crashes), (None, 18), "seed {seed}");
        assert!(report.nodes.iter().all(|node| node.head.slot > 20), "seed {seed}: {report:?}");
    }
}

#[test]
fn no_key_signs_twice_when_power_is_lost() {
    for seed in 0..2 {
        let report = crashing(seed, Loss::Power);
        assert_eq!((report.violation.as_ref(), report.counts.crashes), (None, 18), "seed {seed}");
    }
}

#[test]
fn no_key_signs_twice_when_the_disk_is_put_back() {
    for seed in 0..2 {
        let report = crashing(seed, Loss::Rollback);
        assert_eq!((report.violation.as_ref(), report.counts.crashes), (None, 18), "seed {seed}");
    }
}
