//! One simulated machine: its clock, its disk, and the node that runs on it, if one runs.

use std::{collections::BTreeMap, sync::Arc};

use bevy_app::{App, PluginGroup};
use bevy_ecs::prelude::*;
use quintet_components::{
    aggregation::AggregationConfig,
    clock::{CurrentInterval, Deadline, SlotClock, UnixTime},
    containers::Root,
    duties::Signing,
    messages::AttestationReceived,
    prover::ProverLimits,
    storage::ChainIdentity,
    task::{Job, Tasks},
    waker::{LULL, NodeWaker, Wake, Wakes},
};
use quintet_systems::transition::{anchor_block, generate_genesis};
use tree_hash::TreeHash;

use super::{
    clock::NodeClock,
    crypto::{self, PRESET, SimProofs, SimVerifier},
    disk::{Plug, SimDisk, SimMark},
    edge::{Outbound, Outbox, SimNetworkPlugin},
    oracle,
    port::Port,
    random::Random,
    scenario::Scenario,
    signer::{Machine, SignatureLog, SimSigner},
    tasks::SimTasks,
};
use crate::{
    Anchor, ForkChoicePlugin, InboundLanes, NodeConfig, NodePlugins, RunnerPlugin, StopPlugin,
    TasksPlugin,
    clock::begin_at_clock,
    keys::{AcceptHistoryLoss, GuardError},
    runner::{has_more, waits},
    storage::{Retention, SteppedStoragePlugin, StorageWriter, Store, Writer},
};

/// Genesis, in Unix milliseconds.
pub(super) const GENESIS_MS: u64 = 1_700_000_000_000;
/// The largest number of consecutive updates at one time. A node that needs more is stuck.
const MAX_UPDATES: usize = 1_000;

/// The genesis with which every node of a network begins.
pub(super) struct Beginning {
    anchor: Anchor,
    identity: ChainIdentity,
    root: Root,
}

impl Beginning {
    pub(super) fn of(scenario: &Scenario) -> Self {
        let state = generate_genesis(GENESIS_MS / 1000, crypto::registry(scenario.validators));
        let identity = ChainIdentity::of(&state, "simulated", PRESET);
        let root = state.tree_hash_root();
        Self {
            anchor: Anchor { block: anchor_block(&state), state: Arc::new(state) },
            identity,
            root,
        }
    }
}

/// The runner's lull.
#[expect(clippy::cast_possible_truncation, reason = "it is a few milliseconds")]
pub(super) const LULL_MS: u64 = LULL.as_millis() as u64;

/// Changes a node before it starts, as a custom client would.
pub type Customize = Arc<dyn Fn(usize, &mut App) + Send + Sync>;

/// A running node.
pub(super) struct Node {
    pub(super) app: App,
    pub(super) lanes: InboundLanes,
    pub(super) port: Port,
    pub(super) writer: Arc<Writer>,
    /// True while a write is under way.
    pub(super) is_writing: bool,
    pub(super) jobs: BTreeMap<u64, Job>,
    pub(super) next_job: u64,
    /// The time at which it is woken next, if a wake is planned.
    pub(super) wakes_at: Option<u64>,
    /// The time before which only what is urgent updates it.
    pub(super) lull_until: u64,
    tasks: SimTasks,
    wakes: Wakes,
    deadlines: QueryState<&'static Deadline>,
}

/// A machine. It outlives its node.
pub(super) struct SimMachine {
    pub(super) index: usize,
    pub(super) node: Option<Node>,
    /// The number of times that its node has started. Events for an earlier life are ignored.
    pub(super) life: u32,
    /// The number of faults that keep it down.
    pub(super) down: u32,
    /// The number of faults that keep it from running.
    pub(super) paused: u32,
    pub(super) clock: NodeClock,
    pub(super) disk: SimDisk,
    pub(super) mark: SimMark,
    /// The plug of its node.
    plug: Plug,
    pub(super) proofs: SimProofs,
    pub(super) disk_factor: u64,
    pub(super) prover_factor: u64,
    /// True if an old copy was put in place of its disk at some time.
    pub(super) is_rolled_back: bool,
    /// The largest number of messages of a kind that may wait for its node.
    pub(super) lane_items: usize,
    /// The number of faults that keep proofs from ending.
    pub(super) stuck: u32,
    pub(super) signed: SignatureLog,
    random: Random,
}

impl SimMachine {
    pub(super) fn new(index: usize, signed: SignatureLog, random: Random) -> Self {
        Self {
            index,
            node: None,
            life: 0,
            down: 0,
            paused: 0,
            clock: NodeClock::default(),
            disk: SimDisk::default(),
            mark: SimMark::default(),
            plug: Plug::default(),
            proofs: SimProofs::default(),
            disk_factor: 1,
            prover_factor: 1,
            is_rolled_back: false,
            lane_items: usize::MAX,
            stuck: 0,
            signed,
            random,
        }
    }

    /// Starts the node from the content of its disk. Returns an error that would keep a real node
    /// from starting. If an old copy was put in place of the disk, the loss of signatures is
    /// accepted, as an operator would do.
    pub(super) fn start(
        &mut self,
        scenario: &Scenario,
        beginning: &Beginning,
        customize: Option<&Customize>,
        now_ms: u64,
    ) -> Result<(), String> {
        self.life += 1;
        self.plug = Plug::default();
        let store = self.open_store(beginning).map_err(|error| error.to_string())?;
        let resumed = store.resume().map_err(|error| error.to_string())?;
        let anchor = resumed.as_ref().map_or_else(|| beginning.anchor.clone(), Anchor::from);
        let validators = scenario.keys_of(self.index);
        let signer = self.open_signer(&store, beginning, &validators);
        let signer = signer.map_err(|error| error.to_string())?;
        let subnets = validators.iter().map(|index| index % scenario.committees).collect();
        let aggregation = AggregationConfig {
            committee_count: scenario.committees,
            validator_subnets: subnets,
            ..AggregationConfig::default()
        };
        let is_aggregator = self.index < scenario.aggregators;
        let port = Port::new(aggregation.subscribed_subnets(is_aggregator));
        let signing = (!validators.is_empty()).then(|| Signing(Arc::new(signer)));
        let proofs = Arc::new(self.proofs.clone());
        let config = NodeConfig {
            is_aggregator,
            aggregation,
            prover: ProverLimits { permits: 2, ..ProverLimits::default() },
            signing,
            // If the store has only the genesis, the anchor is the same.
            resumed,
            ..NodeConfig::new(anchor.clone(), PRESET, Arc::clone(&proofs) as _)
        };
        let (waker, wakes) = NodeWaker::new();
        let tasks = SimTasks::default();
        let mut app = App::new();
        app.set_error_handler(|error, context| {
            tracing::error!(system = %context.name(), %error, "system failed");
        });
        app.insert_resource(Tasks::new(tasks.clone(), waker.clone())).insert_resource(waker);
        let fork_choice = ForkChoicePlugin {
            anchor,
            preset: PRESET,
            proofs,
            signatures: Some(Arc::new(SimVerifier)),
        };
        app.add_plugins(
            NodePlugins::new(config)
                .build()
                .disable::<RunnerPlugin>()
                .disable::<StopPlugin>()
                .disable::<TasksPlugin>()
                .set(fork_choice),
        );
        app.add_plugins((SteppedStoragePlugin { store }, SimNetworkPlugin));
        oracle::prepare(&mut app);
        if let Some(customize) = customize {
            customize(self.index, &mut app);
        }
        app.finish();
        app.cleanup();
        begin_at_clock(app.world_mut(), self.clock.at(now_ms));
        let world = app.world_mut();
        self.node = Some(Node {
            lanes: world.resource::<InboundLanes>().clone(),
            port,
            writer: Arc::clone(world.resource::<StorageWriter>().writer()),
            is_writing: false,
            jobs: BTreeMap::new(),
            next_job: 0,
            wakes_at: None,
            lull_until: 0,
            tasks,
            wakes,
            deadlines: world.query(),
            app,
        });
        Ok(())
    }

    /// Ends the node. Data that waits to be written is lost.
    pub(super) fn stop(&mut self) {
        self.plug.pull();
        self.node = None;
    }

    fn open_store(
        &self,
        beginning: &Beginning,
    ) -> Result<Arc<Store>, quintet_components::storage::StorageError> {
        let (identity, retention) = (&beginning.identity, Retention::default());
        let store =
            Store::new(self.disk.plugged(&self.plug), "the simulated disk", identity, retention)?;
        store.begin(&beginning.anchor.block, &beginning.anchor.state)?;
        Ok(Arc::new(store))
    }

    fn open_signer(
        &mut self,
        store: &Arc<Store>,
        beginning: &Beginning,
        validators: &[u64],
    ) -> Result<SimSigner, GuardError> {
        let mut open = |accept| {
            let mut id = [0; 16];
            id[..8].copy_from_slice(&self.random.next().to_le_bytes());
            let machine = Machine {
                record: Arc::clone(store) as _,
                mark: Box::new(self.mark.plugged(&self.plug)),
                genesis: beginning.root,
                id,
            };
            SimSigner::open(validators.to_vec(), machine, accept, self.signed.clone())
        };
        match open(AcceptHistoryLoss::No) {
            // An operator who has put an old copy in place does the same.
            Err(GuardError::HistoryLoss { .. }) if self.is_rolled_back => {
                open(AcceptHistoryLoss::Yes)
            }
            outcome => outcome,
        }
    }
}

impl Node {
    /// Updates the node until it has nothing left to do at this time. Returns its requests to the
    /// network.
    ///
    /// # Errors
    /// If it never has nothing left to do, or ends itself.
    pub(super) fn update(&mut self, shown_ms: u64) -> Result<Vec<Outbound>, String> {
        for _ in 0..MAX_UPDATES {
            // This update handles everything for which the node was woken so far.
            self.port.flush(&self.lanes);
            self.wakes.try_wait();
            self.app.world_mut().resource_mut::<UnixTime>().now_ms = shown_ms;
            self.app.update();
            if self.app.should_exit().is_some() {
                return Err("the node ended itself".into());
            }
            let has_more =
                has_more(self.app.world()) || waits::<AttestationReceived>(self.app.world());
            if !has_more && self.wakes.try_wait().is_none() {
                return Ok(std::mem::take(&mut self.app.world_mut().resource_mut::<Outbox>().0));
            }
        }
        Err(format!("{MAX_UPDATES} updates at one time, and there is still something to do"))
    }

    /// Returns true if the event that just happened can wait for others until the lull is over.
    pub(super) fn can_wait(&self) -> bool {
        self.wakes.try_wait() == Some(Wake::Soon)
    }

    /// Takes the tasks that the node spawned, in their order.
    pub(super) fn take_tasks(&self) -> Vec<(quintet_components::task::TaskKind, Job)> {
        self.tasks.take()
    }

    /// The time at which the node next has something to do by itself, by its own clock.
    pub(super) fn next_deadline(&mut self) -> u64 {
        let world = self.app.world();
        let count = world.resource::<CurrentInterval>().count;
        let interval_ms = world.resource::<SlotClock>().interval_start_ms(count + 1);
        let earliest = self.deadlines.iter(world).map(|deadline| deadline.at_ms).min();
        earliest.map_or(interval_ms, |at_ms| at_ms.min(interval_ms))
    }
}
