//! The plugin group of a node.

use std::sync::Arc;

use bevy_app::{App, Plugin, PluginGroup, PluginGroupBuilder};
use quintet_components::{
    aggregation::AggregationConfig, chain::IsAggregator, duties::Signing, preset::SignaturePreset,
    prover::ProverLimits, snapshot::NodeIdentity, storage::ResumeData,
};
use quintet_prover::ProofSystem;

use crate::{
    AggregationPlugin, Anchor, ClockPlugin, DutiesPlugin, ForkChoicePlugin, HttpConfig, HttpPlugin,
    InboundPlugin, MetricsPlugin, NetworkConfig, NetworkPlugin, OrderPlugin, PeerNames,
    ProverPlugin, ReaggregationPlugin, ResumePlugin, RunnerPlugin, SlotLogPlugin, StopPlugin,
    SyncPlugin, TasksPlugin, WallClock, WarningsPlugin,
    storage::{RocksDbPlugin, Store},
};

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
    pub network: Option<NetworkConfig>,
    /// The HTTP servers; `None` for no servers.
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
            network: None,
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
        let network = self.network.as_mut().map(|network| &mut network.agent);
        for agent in [Some(&mut self.identity.agent), network].into_iter().flatten() {
            if !agent.is_empty() {
                agent.push('/');
                agent.push_str(name);
            }
        }
    }
}

/// All plugins of a node. A custom client changes the group:
/// `NodePlugins::new(config).build().disable::<AggregationPlugin>().add(MyPlugin)`.
///
/// | plugin | what it does | needs |
/// | --- | --- | --- |
/// | [`RunnerPlugin`] | sleeps until the next interval or a wake | |
/// | [`StopPlugin`] | ends the node when it is asked to | |
/// | [`IdentityPlugin`] | the identity of the node | |
/// | [`MetricsPlugin`] | measurements of the node | |
/// | [`OrderPlugin`] | schedules, sets and their order | |
/// | [`TasksPlugin`] | runs tasks on `AsyncComputeTaskPool` | |
/// | [`ClockPlugin`] | walks the intervals that are due | |
/// | [`InboundPlugin`] | lanes from other threads | |
/// | [`ForkChoicePlugin`] | blocks, attestations, head, finality | |
/// | [`ResumePlugin`] | restores the world of the store's last batch | `resumed` |
/// | [`RolePlugin`] | whether the node aggregates at first | |
/// | [`ProverPlugin`] | one queue for all proofs | |
/// | [`AggregationPlugin`] | aggregation sessions | |
/// | [`ReaggregationPlugin`] | payloads split from imported blocks | |
/// | [`SyncPlugin`] | peers, missing blocks, when duties may be done | |
/// | [`RocksDbPlugin`] | stores the chain | `store` |
/// | [`NetworkPlugin`] | libp2p over QUIC | `network` |
/// | [`DutiesPlugin`] | proposes and attests | `signing` |
/// | `InspectorPlugin` | entities, queues, schedules in a browser | the feature `inspector`, and `http` |
/// | [`HttpPlugin`] | the API, metrics, pages | `http` |
/// | [`WarningsPlugin`] | warnings for the operator | |
/// | [`SlotLogPlugin`] | a line in the log for each slot | |
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
            group = group.add(RocksDbPlugin { store });
        }
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
