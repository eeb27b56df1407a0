//! The entry point of the library.

use std::sync::Arc;

use bevy_app::App;
use quintet_components::{
    constants::SLOT_DURATION_MS, containers::Root, duties::DutyCounts, hashing::hash_on_this_thread,
};
use quintet_systems::digest::world_digest;

use super::{
    adversary::Behaviour,
    fault::{Adversary, Script},
    links::Carrier,
    machine::{Customize, GENESIS_MS, SimMachine},
    oracle::{Oracle, Oracles, checkpoints},
    report::{NodeReport, Report},
    run::Run,
    scenario::{Scenario, ScenarioError},
    trace::{Recorder, Trace},
};

/// A network to simulate.
pub struct Simulation {
    scenario: Scenario,
    customize: Option<Customize>,
    oracles: Vec<Box<dyn Oracle>>,
    left_out: Vec<&'static str>,
    behaviours: Vec<(usize, Box<dyn Behaviour>)>,
    carrier: Option<Box<dyn Carrier>>,
}

impl Simulation {
    /// Four honest nodes of one validator each for 100 slots, from this seed.
    pub fn new(seed: u64) -> Self {
        Self::of_checked(Scenario { seed, ..Scenario::default() })
    }

    /// The simulation of a scenario.
    ///
    /// # Errors
    /// [`ScenarioError`] if it contradicts itself.
    pub fn of(scenario: Scenario) -> Result<Self, ScenarioError> {
        scenario.check()?;
        Ok(Self::of_checked(scenario))
    }

    const fn of_checked(scenario: Scenario) -> Self {
        Self {
            scenario,
            customize: None,
            oracles: Vec::new(),
            left_out: Vec::new(),
            behaviours: Vec::new(),
            carrier: None,
        }
    }

    /// Sets the number of nodes: 1 to 64.
    #[must_use]
    pub fn nodes(mut self, nodes: usize) -> Self {
        self.scenario.nodes = nodes;
        self
    }

    /// Sets the number of validators, which are dealt out to the nodes in turn: 1 to 4096.
    #[must_use]
    pub fn validators(mut self, validators: u64) -> Self {
        self.scenario.validators = validators;
        self
    }

    /// Sets the number of slots.
    #[must_use]
    pub fn slots(mut self, slots: u64) -> Self {
        self.scenario.slots = slots;
        self
    }

    /// Changes the scenario in any way.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Scenario)) -> Self {
        change(&mut self.scenario);
        self
    }

    /// Changes every node after its plugins were added, each time that it starts. The function gets
    /// the node's number.
    #[must_use]
    pub fn customize(mut self, change: impl Fn(usize, &mut App) + Send + Sync + 'static) -> Self {
        self.customize = Some(Arc::new(change));
        self
    }

    /// Adds a rule that no honest node may break.
    #[must_use]
    pub fn oracle(mut self, oracle: impl Oracle + 'static) -> Self {
        self.oracles.push(Box::new(oracle));
        self
    }

    /// Makes a node an adversary that behaves like this.
    #[must_use]
    pub fn adversary(mut self, node: usize, behaviour: impl Behaviour + 'static) -> Self {
        self.scenario.adversaries.push(Adversary { node, script: Script::Custom });
        self.behaviours.push((node, Box::new(behaviour)));
        self
    }

    /// Uses this network model in place of the scenario's.
    #[must_use]
    pub fn carrier(mut self, carrier: impl Carrier + 'static) -> Self {
        self.carrier = Some(Box::new(carrier));
        self
    }

    /// Leaves out a rule, for nodes that break it on purpose. For example, nodes with another fork
    /// choice break `not-the-heaviest`.
    #[must_use]
    pub fn without(mut self, rule: &'static str) -> Self {
        self.left_out.push(rule);
        self
    }

    /// The scenario.
    pub const fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// Runs the simulation to its end, or to the first violation.
    ///
    /// # Panics
    /// If the scenario contradicts itself. [`Scenario::check`] tells in advance.
    pub fn run(self) -> Report {
        self.run_with(|_, _| {})
    }

    /// Like [`run`](Self::run), and reports each node's state after every slot.
    ///
    /// # Panics
    /// Like [`run`](Self::run).
    pub fn run_with(self, after_slot: impl FnMut(u64, &[NodeReport])) -> Report {
        finish(self.play(false, after_slot)).0
    }

    /// Like [`run`](Self::run), and records the events with their times.
    ///
    /// # Panics
    /// Like [`run`](Self::run).
    pub fn run_traced(self) -> Trace {
        let scenario = self.scenario.clone();
        let mut slots = Vec::new();
        let run = self.play(true, |_, nodes| slots.push(nodes.to_vec()));
        let (report, Recorder { moments, left_out, .. }) = finish(run);
        Trace { scenario, moments, left_out, slots, report }
    }

    fn play(self, is_traced: bool, mut after_slot: impl FnMut(u64, &[NodeReport])) -> Run {
        self.scenario.check().expect("the scenario can be");
        // Trees are hashed on this thread, and on no other.
        hash_on_this_thread();
        let slots = self.scenario.slots;
        let scenario = Arc::new(self.scenario);
        let mut run = Run::new(scenario, self.customize, Oracles::new(self.oracles, self.left_out));
        for (node, behaviour) in self.behaviours {
            if let Some(player) = &mut run.players[node] {
                player.hand_over(behaviour);
            }
        }
        if let Some(carrier) = self.carrier {
            run.links.hand_over(carrier);
        }
        if is_traced {
            run.recorder.turn_on();
        }
        for slot in 1..=slots {
            run.run_until(slot * SLOT_DURATION_MS);
            let nodes: Vec<_> =
                run.machines.iter_mut().map(|each| report_of(each, false)).collect();
            after_slot(slot, &nodes);
            if run.violation.is_some() {
                return run;
            }
        }
        run.conclude();
        run
    }
}

fn finish(mut run: Run) -> (Report, Recorder) {
    run.counts.batches = run.machines.iter().map(|machine| machine.disk.batches()).sum();
    let nodes: Vec<_> = run.machines.iter_mut().map(|machine| report_of(machine, true)).collect();
    let log =
        run.log.finish().iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    let report = Report {
        seed: run.scenario.seed,
        log,
        counts: run.counts,
        ended_ms: run.now_ms.saturating_sub(GENESIS_MS),
        nodes,
        violation: run.violation,
    };
    (report, run.recorder)
}

/// The report of a node. Its world is hashed only if `with_hash` is true.
fn report_of(machine: &mut SimMachine, with_hash: bool) -> NodeReport {
    let Some(node) = &mut machine.node else {
        return NodeReport {
            is_up: false,
            world: Root::ZERO,
            head: Default::default(),
            justified: Default::default(),
            finalized: Default::default(),
            duties: [0; 3],
        };
    };
    let world = node.app.world_mut();
    let [head, justified, finalized] = checkpoints(world);
    let counts = world.get_resource::<DutyCounts>().copied().unwrap_or_default();
    NodeReport {
        is_up: true,
        world: if with_hash { world_digest(world) } else { Root::ZERO },
        head,
        justified,
        finalized,
        duties: [counts.proposed, counts.attested, counts.missed],
    }
}
