//! A node whose clock is turned by hand: the plugins of a real one, without its runner.

use std::{collections::HashMap, sync::Arc};

use bevy_app::{App, Plugin};
use bevy_ecs::{message::Messages, prelude::*};
use quintet_components::{
    aggregation::AggregationConfig,
    chain::{IsAggregator, LandedProposal},
    clock::{CurrentInterval, SlotClock, UnixTime},
    constants::INTERVALS_PER_SLOT,
    containers::{SignedAggregatedAttestation, SignedAttestation, SignedBlock, Slot},
    messages::{
        AggregateReceived, AttestationReceived, BlockReceived, InputId, InputJudged, Verdict,
    },
    preset::SignaturePreset,
    prover::ProverLimits,
    task::{InlineSpawner, TaskSpawner, Tasks},
    waker::NodeWaker,
};
use quintet_plugins::{
    AggregationPlugin, Anchor, ClockPlugin, ForkChoicePlugin, InboundLanes, InboundPlugin,
    OrderPlugin, ProverPlugin,
};
use quintet_prover::ProofSystem;
use quintet_systems::{
    fork_choice::{
        gossip::{AggregateChecks, AttestationChecks},
        import::ImportQueue,
    },
    scheduler::ProverScheduler,
    verification::SignatureVerifier,
};

use super::{chain::AcceptAll, mocked::MockedProofs, scrambled::ScrambledSpawner};

/// Adds one plugin.
type AddPlugin = Box<dyn FnOnce(&mut App)>;

/// How a test node differs from the default one.
pub struct Setup {
    /// Where the chain starts.
    pub anchor: Anchor,
    /// Where tasks run.
    pub tasks: Box<dyn FnOnce(NodeWaker) -> Tasks>,
    /// The proof system.
    pub proofs: Arc<dyn ProofSystem>,
    /// Checks single signatures; the test preset's XMSS when absent.
    pub signatures: Option<Arc<dyn SignatureVerifier>>,
    /// In which order the four plugins of [`PLUGINS`] are added; any order gives the same node.
    pub order: [usize; PLUGINS.len()],
    /// How sessions are run.
    pub aggregation: AggregationConfig,
    /// What the prover may use.
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
pub struct TestNode {
    /// The app.
    pub app: App,
    next_id: u64,
    verdicts: HashMap<InputId, Verdict>,
    between_updates: Box<dyn FnMut()>,
}

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
        Self { app, next_id: 0, verdicts: HashMap::new(), between_updates: setup.between_updates }
    }

    pub fn world(&mut self) -> &mut World {
        self.app.world_mut()
    }

    /// Updates until nothing is under way.
    pub fn settle(&mut self) {
        loop {
            self.update();
            if self.is_idle() {
                break;
            }
            std::thread::yield_now();
        }
        self.update();
    }

    /// Whether no import, check or proof is under way.
    fn is_idle(&self) -> bool {
        let world = self.app.world();
        world.resource::<ImportQueue>().is_empty()
            && world.resource::<AttestationChecks>().is_empty()
            && world.resource::<AggregateChecks>().is_empty()
            && world.resource::<ProverScheduler>().running() == 0
            && world.resource::<ProverScheduler>().waiting() == 0
    }

    /// One update.
    pub fn update(&mut self) {
        (self.between_updates)();
        self.app.update();
        let mut judged = self.app.world_mut().resource_mut::<Messages<InputJudged>>();
        for InputJudged { id, verdict } in judged.drain() {
            let before = self.verdicts.insert(id, verdict);
            assert!(before.is_none(), "{id:?} was judged twice");
        }
    }

    /// Intervals since genesis.
    pub fn time(&self) -> u64 {
        self.app.world().resource::<CurrentInterval>().count
    }

    /// Turns the clock to an interval and walks there, however far it is. A proposal lands at
    /// the last of them, if any.
    pub fn tick_to(&mut self, count: u64, has_proposal: bool) {
        let now_ms = self.app.world().resource::<SlotClock>().interval_start_ms(count);
        self.tick_to_ms(now_ms, has_proposal);
    }

    /// Turns the clock to an interval and walks there, without waiting for what is under way.
    pub fn turn_to(&mut self, count: u64) {
        let now_ms = self.app.world().resource::<SlotClock>().interval_start_ms(count);
        self.world().resource_mut::<UnixTime>().now_ms = now_ms;
        while self.time() < count {
            self.update();
        }
    }

    /// Turns the clock to a Unix time in milliseconds.
    pub fn tick_to_ms(&mut self, now_ms: u64, has_proposal: bool) {
        let world = self.app.world_mut();
        let count = world.resource::<SlotClock>().total_intervals(now_ms);
        let landed: Option<Slot> = (has_proposal && count.is_multiple_of(INTERVALS_PER_SLOT))
            .then_some(count / INTERVALS_PER_SLOT);
        world.resource_mut::<LandedProposal>().0 = landed;
        world.resource_mut::<UnixTime>().now_ms = now_ms;
        while self.time() < count {
            self.update();
        }
        self.settle();
        self.world().resource_mut::<LandedProposal>().0 = None;
    }

    /// Whether the node aggregates.
    pub fn set_aggregator(&mut self, yes: bool) {
        self.world().resource_mut::<IsAggregator>().0 = yes;
    }

    fn id(&mut self) -> InputId {
        self.next_id += 1;
        InputId(self.next_id)
    }

    /// Hands in a block and waits for its verdict.
    pub fn block(&mut self, block: SignedBlock) -> Verdict {
        let id = self.offer_block(block);
        self.verdict(id)
    }

    /// Hands in a block.
    pub fn offer_block(&mut self, block: SignedBlock) -> InputId {
        let id = self.id();
        let lanes = self.app.world().resource::<InboundLanes>();
        assert!(lanes.blocks.offer(BlockReceived::new(id, Arc::new(block))), "lane is full");
        id
    }

    /// Hands in a vote and waits for its verdict.
    pub fn attestation(&mut self, attestation: SignedAttestation) -> Verdict {
        let id = self.offer_attestation(attestation);
        self.verdict(id)
    }

    /// Hands in a vote.
    pub fn offer_attestation(&mut self, attestation: SignedAttestation) -> InputId {
        let id = self.id();
        let lanes = self.app.world().resource::<InboundLanes>();
        let received = AttestationReceived { id, attestation: Arc::new(attestation) };
        assert!(lanes.attestations.offer(received), "lane is full");
        id
    }

    /// Hands in an aggregate and waits for its verdict.
    pub fn aggregate(&mut self, aggregate: SignedAggregatedAttestation) -> Verdict {
        let id = self.offer_aggregate(aggregate);
        self.verdict(id)
    }

    /// Hands in an aggregate.
    pub fn offer_aggregate(&mut self, aggregate: SignedAggregatedAttestation) -> InputId {
        let id = self.id();
        let lanes = self.app.world().resource::<InboundLanes>();
        let received = AggregateReceived { id, aggregate: Arc::new(aggregate) };
        assert!(lanes.aggregates.offer(received), "lane is full");
        id
    }

    /// The verdict on an item, if there is one already.
    pub fn verdict_now(&mut self, id: InputId) -> Option<Verdict> {
        self.verdicts.remove(&id)
    }

    /// The verdict on an item, after everything under way has ended.
    pub fn verdict(&mut self, id: InputId) -> Verdict {
        self.settle();
        self.verdicts.remove(&id).expect("every item is judged")
    }
}

fn add(app: &mut App, plugin: impl Plugin) {
    app.add_plugins(plugin);
}
