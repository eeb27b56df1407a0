//! The plugin group of a node.

use std::sync::Arc;

use bevy_app::{App, Plugin, PluginGroup, PluginGroupBuilder};
use quintet_components::{
    aggregation::AggregationConfig, chain::IsAggregator, duties::Signing, preset::SignaturePreset,
    prover::ProverLimits, snapshot::NodeIdentity, storage::ResumeData,
};
use quintet_prover::ProofSystem;

#[cfg(not(feature = "rocksdb"))]
use crate::storage::MemoryStoragePlugin as StoragePlugin;
#[cfg(feature = "rocksdb")]
use crate::storage::RocksDbPlugin as StoragePlugin;
use crate::{
    AggregationPlugin, Anchor, ClockPlugin, DutiesPlugin, ForkChoicePlugin, InboundPlugin,
    MetricsPlugin, OrderPlugin, PeerNames, ProverPlugin, ReaggregationPlugin, ResumePlugin,
    RunnerPlugin, SlotLogPlugin, StopPlugin, SyncPlugin, TasksPlugin, WallClock, WarningsPlugin,
    storage::Store,
};
#[cfg(feature = "http")]
use crate::{HttpConfig, HttpPlugin};
#[cfg(feature = "network")]
use crate::{NetworkConfig, NetworkPlugin};

/// The settings of a node. [`NodeConfig::new`] sets what every node needs; the rest is optional.
pub struct NodeConfig {
    /// The block to start from, with its state.
    pub anchor: Anchor,
    /// The XMSS instantiation of the network's keys.
    pub preset: SignaturePreset,
    /// The proof system, which makes and checks proofs.
    pub proofs: Arc<dyn ProofSystem>,
    /// True if the node aggregates.
    pub is_aggregator: bool,
    /// Committees, subnets, deadlines.
    pub aggregation: AggregationConfig,
    /// The resources that the prover may use.
    pub prover: ProverLimits,
    /// The keys of the node's validators; an observer has none.
    pub signing: Option<Signing>,
    /// The store of the chain. Without one, the node keeps in memory what fork choice needs.
    pub store: Option<Arc<Store>>,
    /// The data from which a stored chain continues. `anchor` is then made from it.
    pub resumed: Option<ResumeData>,
    /// The network; `None` for no network.
    #[cfg(feature = "network")]
    pub network: Option<NetworkConfig>,
    /// The HTTP servers; `None` for no servers.
    #[cfg(feature = "http")]
    pub http: Option<HttpConfig>,
    /// The node's identity, in metrics and over HTTP. The name of the proof system is added to it,
    /// and to its agent.
    pub identity: NodeIdentity,
    /// The source of time.
    pub clock: WallClock,
    /// The names of peers in metrics.
    pub peer_names: PeerNames,
}

impl NodeConfig {
    /// An observer that starts from this anchor, stores nothing and has no network.
    pub fn new(anchor: Anchor, preset: SignaturePreset, proofs: Arc<dyn ProofSystem>) -> Self {
        Self {
            anchor,
            preset,
            proofs,
            is_aggregator: false,
            aggregation: AggregationConfig::default(),
            prover: ProverLimits::default(),
            signing: None,
            store: None,
            resumed: None,
            #[cfg(feature = "network")]
            network: None,
            #[cfg(feature = "http")]
            http: None,
            identity: NodeIdentity::default(),
            clock: WallClock::default(),
            peer_names: PeerNames::default(),
        }
    }
}

impl NodeConfig {
    /// Adds the proof system to the identity, so that peers see which proofs the node makes and
    /// checks: it cannot use others.
    fn announce_proof_system(&mut self) {
        let name = self.proofs.name();
        self.identity.proof_system = name.into();
        let announce = |agent: &mut String| {
            if !agent.is_empty() {
                agent.push('/');
                agent.push_str(name);
            }
        };
        announce(&mut self.identity.agent);
        #[cfg(feature = "network")]
        if let Some(network) = &mut self.network {
            announce(&mut network.agent);
        }
    }
}

/// All plugins of a node. A custom client changes the group:
/// `NodePlugins::new(config).build().disable::<AggregationPlugin>().add(MyPlugin)`.
///
/// A plugin needs resources and schedules that the plugins above it bring. If one is missing, the
/// node ends before its first update, with a [`MissingPiece`](crate::MissingPiece) that names both.
///
/// | plugin | there with | needs | without it |
/// | --- | --- | --- | --- |
/// | [`RunnerPlugin`]: sleeps until the next interval or a wake | | | no node: nothing wakes it |
/// | [`StopPlugin`]: ends the node when it is asked to | | `RunnerPlugin` | the node runs until its process is killed, also when a thread of it has ended |
/// | [`IdentityPlugin`]: who the node is | | | metrics and API name nobody |
/// | [`MetricsPlugin`]: what the node measures | | | the scrape is empty |
/// | [`OrderPlugin`]: schedules, sets and their order | | | no node: no interval runs |
/// | [`TasksPlugin`]: runs tasks on `AsyncComputeTaskPool` | | `RunnerPlugin` | no node, unless a plugin inserts `Tasks` |
/// | [`ClockPlugin`]: walks the intervals that are due | | `OrderPlugin` | no node: nothing tells the time |
/// | [`InboundPlugin`]: lanes from other threads | | `RunnerPlugin` | no node: nothing comes in |
/// | [`ForkChoicePlugin`]: blocks, votes, head, finality | | `InboundPlugin`, `TasksPlugin`, `ClockPlugin` | no node: there is no chain |
/// | [`ResumePlugin`]: the world as the store's last batch has it | `resumed` | `ForkChoicePlugin` | the node starts at its anchor |
/// | [`RolePlugin`]: whether the node aggregates at first | | | it does not, until somebody inserts `IsAggregator` |
/// | [`ProverPlugin`]: one line for all that the prover is asked for | | `TasksPlugin` | no proofs, and so none of the two below and no duties |
/// | [`AggregationPlugin`]: aggregation sessions | | `ForkChoicePlugin`, `ProverPlugin` | the node never aggregates |
/// | [`ReaggregationPlugin`]: payloads out of imported blocks | | `ForkChoicePlugin`, `ProverPlugin` | what a block brings is counted, and not proved anew |
/// | [`SyncPlugin`]: peers, missing blocks, when duties may be done | | `ForkChoicePlugin` | a block without a parent is refused; duties are done always |
/// | [`RocksDbPlugin`](crate::storage::RocksDbPlugin): keeps the chain | `store` | `ForkChoicePlugin` | the chain is kept in memory, as far as fork choice needs it |
/// | [`NetworkPlugin`](crate::NetworkPlugin): libp2p over QUIC | `network` | `InboundPlugin` | the node talks to nobody |
/// | [`DutiesPlugin`]: proposes and attests | `signing` | `ForkChoicePlugin`, `ProverPlugin` | the node is an observer |
/// | `InspectorPlugin`: entities, queues, schedules in a browser | the feature `inspector`, and `http` | `RunnerPlugin` | `/inspector` is 404 |
/// | [`HttpPlugin`](crate::HttpPlugin): the API, metrics, pages | `http` | `RunnerPlugin`, `ForkChoicePlugin` | nobody can ask the node |
/// | [`WarningsPlugin`]: what an operator should look at | | `ForkChoicePlugin` | no warnings |
/// | [`SlotLogPlugin`]: a line in the log for each slot | | `ForkChoicePlugin` | a quiet log |
pub struct NodePlugins {
    config: NodeConfig,
}

impl NodePlugins {
    /// The plugins of a node with these settings.
    pub fn new(config: NodeConfig) -> Self {
        Self { config }
    }
}

impl PluginGroup for NodePlugins {
    fn build(self) -> PluginGroupBuilder {
        let mut config = self.config;
        config.announce_proof_system();
        let mut group = PluginGroupBuilder::start::<Self>()
            .add(RunnerPlugin { clock: config.clock, ..RunnerPlugin::default() })
            .add(StopPlugin)
            .add(IdentityPlugin { identity: config.identity })
            .add(MetricsPlugin { peer_names: config.peer_names })
            .add(OrderPlugin)
            .add(TasksPlugin::default())
            .add(ClockPlugin)
            .add(InboundPlugin)
            .add(ForkChoicePlugin {
                anchor: config.anchor,
                preset: config.preset,
                proofs: config.proofs,
                signatures: None,
            });
        if let Some(data) = config.resumed {
            group = group.add(ResumePlugin { data });
        }
        group = group
            .add(RolePlugin { is_aggregator: config.is_aggregator })
            .add(ProverPlugin { limits: config.prover })
            .add(AggregationPlugin { config: config.aggregation })
            .add(ReaggregationPlugin)
            .add(SyncPlugin);
        if let Some(store) = config.store {
            group = group.add(StoragePlugin { store });
        }
        #[cfg(feature = "network")]
        if let Some(config) = config.network {
            group = group.add(NetworkPlugin { config });
        }
        if let Some(signing) = config.signing {
            group = group.add(DutiesPlugin { signing });
        }
        #[cfg(feature = "inspector")]
        if config.http.is_some() {
            group = group.add(crate::InspectorPlugin);
        }
        #[cfg(feature = "http")]
        if let Some(http) = config.http {
            group = group.add(HttpPlugin { config: http });
        }
        group.add(WarningsPlugin).add(SlotLogPlugin)
    }
}

/// Sets the identity of the node. Code that learns more before the app runs, such as addresses,
/// changes the resource.
///
/// | inserts | reads | writes |
/// | --- | --- | --- |
/// | [`NodeIdentity`] | | |
#[derive(Clone, Debug)]
pub struct IdentityPlugin {
    /// The identity.
    pub identity: NodeIdentity,
}

impl Plugin for IdentityPlugin {
    fn build(&self, app: &mut App) {
        app.insert_resource(self.identity.clone());
    }
}

/// Sets whether the node aggregates at first. Must be added after [`ForkChoicePlugin`].
///
/// | inserts | reads | writes |
/// | --- | --- | --- |
/// | [`IsAggregator`] | | |
#[derive(Clone, Copy, Debug)]
pub struct RolePlugin {
    /// True if the node aggregates.
    pub is_aggregator: bool,
}

impl Plugin for RolePlugin {
    fn build(&self, app: &mut App) {
        app.insert_resource(IsAggregator(self.is_aggregator));
    }
}
