//! The prover's queue.

use bevy_app::{App, Plugin, PostUpdate, PreUpdate};
use bevy_ecs::prelude::*;
use quintet_components::{
    prover::{ProofAbandoned, ProverLimits},
    schedule::{NodeSystems, Shutdown},
    task::Tasks,
};
use quintet_systems::proving::{
    JoinTimeout, ProverScheduler, has_jobs, join_prover, prune_timeline, run_prover,
};

use crate::needs::{Need, needs};

/// One queue for all proofs: proposals, then aggregation, then re-aggregation, within
/// [`ProverLimits`]. Every job is an entity with `ProverJob`, which stays for 64 slots after the
/// job has ended. On shutdown the prover is asked to stop and waited for, at most two seconds.
///
/// | inserts | reads | writes |
/// | --- | --- | --- |
/// | [`ProverScheduler`], [`ProverLimits`], [`JoinTimeout`] | `Tasks` | `ProverJob` entities, [`ProofAbandoned`] |
#[derive(Clone, Copy, Debug, Default)]
pub struct ProverPlugin {
    /// Permits, memory, length of the queue.
    pub limits: ProverLimits,
}

impl Plugin for ProverPlugin {
    fn build(&self, app: &mut App) {
        needs(app, "ProverPlugin", &[Need::resource::<Tasks>("TasksPlugin")]);
        app.insert_resource(self.limits)
            .init_resource::<ProverScheduler>()
            .init_resource::<JoinTimeout>()
            .add_message::<ProofAbandoned>()
            .init_schedule(Shutdown)
            .add_systems(PreUpdate, run_prover.run_if(has_jobs).in_set(NodeSystems::Prove))
            .add_systems(PostUpdate, prune_timeline.in_set(NodeSystems::Prune))
            .add_systems(Shutdown, join_prover);
    }
}
