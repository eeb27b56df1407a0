//! A node whose clock is turned by hand: the plugins of a real one, without its runner.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
};

use bevy_app::{App, Plugin};
use quintet_components::{
    aggregation::AggregationConfig,
    preset::SignaturePreset,
    prover::ProverLimits,
    task::{InlineSpawner, TaskSpawner, Tasks},
    waker::NodeWaker,
};
use quintet_plugins::{
    AggregationPlugin, Anchor, ClockPlugin, ForkChoicePlugin, InboundPlugin, OrderPlugin,
    ProverPlugin, scenario::DrivenNode,
};
use quintet_prover::ProofSystem;
use quintet_systems::verification::SignatureVerifier;

use super::{chain::AcceptAll, mocked::MockedProofs, scrambled::ScrambledSpawner};

/// Adds one plugin.
type AddPlugin = Box<dyn FnOnce(&mut App)>;

/// The options of a test node.
pub struct Setup {
    /// The start of the chain.
    pub anchor: Anchor,
    /// The tasks of the node.
    pub tasks: Box<dyn FnOnce(NodeWaker) -> Tasks>,
    /// The proof system.
    pub proofs: Arc<dyn ProofSystem>,
    /// Checks single signatures; the test preset's XMSS when absent.
    pub signatures: Option<Arc<dyn SignatureVerifier>>,
    /// In which order the four plugins of [`PLUGINS`] are added; any order gives the same node.
    pub order: [usize; PLUGINS.len()],
    /// The configuration of sessions.
    pub aggregation: AggregationConfig,
    /// The limits of the prover.
    pub prover: ProverLimits,
    /// Added after them, as a custom client would.
    pub extra: Vec<AddPlugin>,
    /// Runs once before every update: lets tasks end that wait for it.
    pub between_updates: Box<dyn FnMut()>,
}

/// The plugins whose order a [`Setup`] chooses.
pub const PLUGINS: [&str; 4] = ["clock", "inbound", "fork choice", "aggregation"];

impl Setup {
    /// Placeholder proofs, the test preset, and tasks that run at once.
    pub fn new(anchor: Anchor) -> Self {
        Self {
            anchor,
            tasks: Box::new(|waker| Tasks::new(InlineSpawner, waker)),
            proofs: Arc::new(MockedProofs),
            signatures: None,
            order: [0, 1, 2, 3],
            aggregation: AggregationConfig::default(),
            prover: ProverLimits { permits: 1, ..ProverLimits::default() },
            extra: Vec::new(),
            between_updates: Box::new(|| {}),
        }
    }

    /// Every single signature counts as valid.
    pub fn accepting_signatures(mut self) -> Self {
        self.signatures = Some(Arc::new(AcceptAll));
        self
    }

    /// One more plugin.
    pub fn with(mut self, plugin: impl FnOnce(&mut App) + 'static) -> Self {
        self.extra.push(Box::new(plugin));
        self
    }

    /// Tasks run by this spawner.
    pub fn tasks_on(mut self, spawner: impl TaskSpawner) -> Self {
        self.tasks = Box::new(|waker| Tasks::new(spawner, waker));
        self
    }

    /// Tasks end one by one between updates, out of order.
    pub fn scrambled(mut self, seed: u64) -> Self {
        let spawner = ScrambledSpawner::new(seed);
        let tasks = spawner.clone();
        self.between_updates = Box::new(move || tasks.run_one());
        self.tasks_on(spawner)
    }
}

/// A node to drive by hand.
pub struct TestNode(DrivenNode);

impl TestNode {
    pub fn new(setup: Setup) -> Self {
        let (waker, _) = NodeWaker::new();
        let mut app = App::new();
        app.insert_resource((setup.tasks)(waker.clone())).insert_resource(waker);
        let fork_choice = ForkChoicePlugin {
            anchor: setup.anchor,
            preset: SignaturePreset::Test,
            proofs: setup.proofs,
            signatures: setup.signatures,
        };
        let (prover, aggregation) = (
            ProverPlugin { limits: setup.prover },
            AggregationPlugin { config: setup.aggregation },
        );
        app.add_plugins(OrderPlugin);
        let mut plugins: [Option<AddPlugin>; PLUGINS.len()] = [
            Some(Box::new(|app| add(app, ClockPlugin))),
            Some(Box::new(|app| add(app, InboundPlugin))),
            Some(Box::new(|app| add(app, fork_choice))),
            Some(Box::new(move |app| _ = app.add_plugins((prover, aggregation)))),
        ];
        for index in setup.order {
            plugins[index].take().expect("an order names each plugin once")(&mut app);
        }
        for plugin in setup.extra {
            plugin(&mut app);
        }
        app.finish();
        app.cleanup();
        Self(DrivenNode::new(app, setup.between_updates))
    }
}

impl Deref for TestNode {
    type Target = DrivenNode;

    fn deref(&self) -> &DrivenNode {
        &self.0
    }
}

impl DerefMut for TestNode {
    fn deref_mut(&mut self) -> &mut DrivenNode {
        &mut self.0
    }
}

fn add(app: &mut App, plugin: impl Plugin) {
    app.add_plugins(plugin);
}
