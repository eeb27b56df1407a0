//! The group that a node is built from.

use std::sync::Arc;

use bevy_app::{PluginGroup, PluginGroupBuilder};
use quintet_components::preset::SignaturePreset;
use quintet_prover::ProofSystem;

use crate::{
    AggregationPlugin, Anchor, ClockPlugin, ForkChoicePlugin, InboundPlugin, OrderPlugin,
    ProverPlugin, ReaggregationPlugin, RunnerPlugin, SyncPlugin, TasksPlugin,
};

/// Everything a node consists of. A custom client edits it:
/// `NodePlugins::new(…).build().disable::<AggregationPlugin>().add(MyPlugin)`.
///
/// A node that keeps its chain adds [`RocksDbPlugin`](crate::storage::RocksDbPlugin) with the store
/// that it has opened, and [`ResumePlugin`](crate::ResumePlugin) with what the store resumes from.
///
/// | plugin | what it does |
/// | --- | --- |
/// | [`RunnerPlugin`] | sleeps until the next interval or a wake |
/// | [`OrderPlugin`] | schedules, sets and their order |
/// | [`TasksPlugin`] | runs tasks on `AsyncComputeTaskPool` |
/// | [`ClockPlugin`] | walks the intervals that are due |
/// | [`InboundPlugin`] | lanes from other threads |
/// | [`ForkChoicePlugin`] | blocks, votes, head, finality |
/// | [`ProverPlugin`] | one line for all that the prover is asked for |
/// | [`AggregationPlugin`] | aggregation sessions |
/// | [`ReaggregationPlugin`] | payloads out of imported blocks |
/// | [`SyncPlugin`] | peers, missing blocks, when duties may be done |
pub struct NodePlugins {
    anchor: Anchor,
    preset: SignaturePreset,
    proofs: Arc<dyn ProofSystem>,
}

impl NodePlugins {
    /// A node that starts from this anchor.
    pub fn new(anchor: Anchor, preset: SignaturePreset, proofs: Arc<dyn ProofSystem>) -> Self {
        Self { anchor, preset, proofs }
    }
}

impl PluginGroup for NodePlugins {
    fn build(self) -> PluginGroupBuilder {
        PluginGroupBuilder::start::<Self>()
            .add(RunnerPlugin::default())
            .add(OrderPlugin)
            .add(TasksPlugin::default())
            .add(ClockPlugin)
            .add(InboundPlugin)
            .add(ForkChoicePlugin {
                anchor: self.anchor,
                preset: self.preset,
                proofs: self.proofs,
                signatures: None,
            })
            .add(ProverPlugin::default())
            .add(AggregationPlugin::default())
            .add(ReaggregationPlugin)
            .add(SyncPlugin)
    }
}
