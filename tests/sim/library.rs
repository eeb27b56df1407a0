//! Uses of the library by a researcher.

use bevy_app::{App, Update};
use bevy_ecs::prelude::*;
use quintet_components::{
    chain::Head,
    messages::HeadChanged,
    schedule::{Last, NodeSystems},
};
use quintet_plugins::sim::{Fault, FaultKind, Loss, Oracle, Simulation, View, shrink};

#[test]
fn a_calm_network_finalizes_three_slots_behind_the_head() {
    let report = Simulation::new(1).nodes(4).validators(4).slots(24).run();
    assert_eq!(report.violation, None);
    for node in &report.nodes {
        assert!(node.is_up && node.head.slot >= 23, "{node:?}");
        assert!(node.finalized.slot + 4 >= node.head.slot, "{node:?}");
        assert_eq!(node.duties[2], 0, "no duty is missed: {node:?}");
    }
}

#[test]
fn a_network_of_one_node_finalizes() {
    let report = Simulation::new(2).nodes(1).validators(3).slots(16).run();
    assert_eq!(report.violation, None);
    assert!(report.finalized_slot() >= 11, "{report:?}");
}

#[derive(Resource, Default)]
struct Reorganisations(u64);

fn count(mut heads: MessageReader<HeadChanged>, mut seen: ResMut<Reorganisations>) {
    seen.0 += heads.read().filter(|head| head.reorg_depth > 0).count() as u64;
}

/// No node's head is ever beyond slot 5.
struct NotBeyond;

impl Oracle for NotBeyond {
    fn name(&self) -> &'static str {
        "not-beyond"
    }

    fn look(&mut self, view: &mut View<'_>) -> Result<(), String> {
        assert!(view.world.contains_resource::<Reorganisations>());
        let slot = view.world.resource::<Head>().0.slot;
        (slot <= 5).then_some(()).ok_or_else(|| format!("the head is at slot {slot}"))
    }
}

#[test]
fn a_plugin_and_a_rule_of_ones_own_are_in_every_node() {
    let simulation = Simulation::new(3)
        .slots(12)
        .customize(|_, app: &mut App| {
            let last = Last(NodeSystems::HeldDuties);
            app.init_resource::<Reorganisations>().add_systems(Update, count.in_set(last));
        })
        .oracle(NotBeyond);
    let report = simulation.run();
    let violation = report.violation.expect("it is broken");
    assert_eq!((&*violation.rule, &*violation.text), ("not-beyond", "the head is at slot 6"));
    assert!((24_000..25_000).contains(&violation.at_ms), "{violation:?}");
}

#[test]
fn what_breaks_no_rule_is_not_shrunk() {
    let scenario = Simulation::new(1).slots(4).scenario().clone();
    assert!(shrink(&scenario, 8).is_none());
}

#[test]
fn a_node_that_crashed_comes_back_and_catches_up() {
    let crash = FaultKind::Crash { node: 2, loses: Loss::Process };
    let report = Simulation::new(5)
        .slots(40)
        .with(|scenario| {
            scenario.aggregators = 2;
            scenario.faults.push(Fault { from_ms: 20_000, for_ms: 30_000, kind: crash });
        })
        .run();
    assert_eq!((report.violation.as_ref(), report.counts.crashes), (None, 1));
    let node = &report.nodes[2];
    assert!(node.is_up && node.head.slot >= 38 && node.finalized.slot >= 33, "{node:?}");
}

#[test]
fn a_node_alone_while_the_others_are_down_finalizes_nothing() {
    let report = Simulation::new(6)
        .slots(20)
        .with(|scenario| {
            let down = |node| FaultKind::Crash { node, loses: Loss::Process };
            scenario.faults = (1..4)
                .map(|node| Fault { from_ms: 0, for_ms: 200_000, kind: down(node) })
                .collect();
        })
        .run();
    assert_eq!(report.violation, None);
    assert_eq!(report.nodes[0].finalized.slot, 0);
    assert!(report.nodes[1..].iter().all(|node| !node.is_up));
}
