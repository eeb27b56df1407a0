//! The group that a node is built from.

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

/// What a node is made of. [`NodeConfig::new`] has what every node needs; the rest is optional.
pub struct NodeConfig {
    /// The block to start from, with its state.
    pub anchor: Anchor,
    /// The XMSS instantiation of the network's keys.
    pub preset: SignaturePreset,
    /// What makes and checks proofs.
    pub proofs: Arc<dyn ProofSystem>,
    /// Whether the node aggregates.
    pub is_aggregator: bool,
    /// Committees, subnets, deadlines.
    pub aggregation: AggregationConfig,
    /// What the prover may use.
    pub prover: ProverLimits,
    /// The keys of the node's validators; an observer has none.
    pub signing: Option<Signing>,
    /// Where the chain is kept; in memory, as far as fork choice needs it, without one.
    pub store: Option<Arc<Store>>,
    /// Where the store says that the chain goes on. `anchor` is then made from it.
    pub resumed: Option<ResumeData>,
    /// How the node talks to others; not at all without.
    pub network: Option<NetworkConfig>,
    /// Where the node is asked over HTTP; nowhere without.
    pub http: Option<HttpConfig>,
    /// What the node says of itself, in metrics and over HTTP.
    pub identity: NodeIdentity,
    /// Where time comes from.
    pub clock: WallClock,
    /// What peers are called in metrics.
    pub peer_names: PeerNames,
}

impl NodeConfig {
    /// An observer that starts from this anchor, keeps nothing and talks to nobody.
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

/// Everything a node consists of. A custom client edits it:
/// `NodePlugins::new(config).build().disable::<AggregationPlugin>().add(MyPlugin)`.
///
/// | plugin | what it does | there with |
/// | --- | --- | --- |
/// | [`RunnerPlugin`] | sleeps until the next interval or a wake | |
/// | [`StopPlugin`] | ends the node when it is asked to | |
/// | [`IdentityPlugin`] | who the node is | |
/// | [`MetricsPlugin`] | what the node measures | |
/// | [`OrderPlugin`] | schedules, sets and their order | |
/// | [`TasksPlugin`] | runs tasks on `AsyncComputeTaskPool` | |
/// | [`ClockPlugin`] | walks the intervals that are due | |
/// | [`InboundPlugin`] | lanes from other threads | |
/// | [`ForkChoicePlugin`] | blocks, votes, head, finality | |
/// | [`ResumePlugin`] | the world as the store's last batch has it | `resumed` |
/// | [`RolePlugin`] | whether the node aggregates at first | |
/// | [`ProverPlugin`] | one line for all that the prover is asked for | |
/// | [`AggregationPlugin`] | aggregation sessions | |
/// | [`ReaggregationPlugin`] | payloads out of imported blocks | |
/// | [`SyncPlugin`] | peers, missing blocks, when duties may be done | |
/// | [`RocksDbPlugin`] | keeps the chain | `store` |
/// | [`NetworkPlugin`] | libp2p over QUIC | `network` |
/// | [`DutiesPlugin`] | proposes and attests | `signing` |
/// | `InspectorPlugin` | entities, queues, schedules in a browser | the feature `inspector`, and `http` |
/// | [`HttpPlugin`] | the API, metrics, pages | `http` |
/// | [`WarningsPlugin`] | what an operator should look at | |
/// | [`SlotLogPlugin`] | a line in the log for each slot | |
pub struct NodePlugins {
    config: NodeConfig,
}

impl NodePlugins {
    /// The plugins of a node like this.
    pub fn new(config: NodeConfig) -> Self {
        Self { config }
    }
}

impl PluginGroup for NodePlugins {
    fn build(self) -> PluginGroupBuilder {
        let config = self.config;
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

/// Says who the node is. Whoever learns more before the app runs, such as its addresses, changes the
/// resource.
///
/// | inserts | reads | writes |
/// | --- | --- | --- |
/// | [`NodeIdentity`] | | |
#[derive(Clone, Debug)]
pub struct IdentityPlugin {
    /// Who.
    pub identity: NodeIdentity,
}

impl Plugin for IdentityPlugin {
    fn build(&self, app: &mut App) {
        app.insert_resource(self.identity.clone());
    }
}

/// Says whether the node aggregates at first. Added after [`ForkChoicePlugin`].
///
/// | inserts | reads | writes |
/// | --- | --- | --- |
/// | [`IsAggregator`] | | |
#[derive(Clone, Copy, Debug)]
pub struct RolePlugin {
    /// Whether it does.
    pub is_aggregator: bool,
}

impl Plugin for RolePlugin {
    fn build(&self, app: &mut App) {
        app.insert_resource(IsAggregator(self.is_aggregator));
    }
}
