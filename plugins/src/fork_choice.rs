//! Fork choice and block import.

use std::sync::Arc;

use bevy_app::{App, Plugin, PostUpdate, PreUpdate, Update};
use bevy_ecs::{prelude::*, schedule::common_conditions::on_message};
use quintet_components::{
    clock::IntervalLog,
    containers::{Block, State},
    messages::{
        AggregateReceived, AttestationAccepted, AttestationReceived, AttestationsPruned,
        BlockImported, BlockOrphaned, BlockRefused, FinalizedAdvanced, HeadChanged,
    },
    preset::SignaturePreset,
    schedule::{CollectSystems, ImportSystems, Interval, IntervalSystems, NodeSystems, OnInterval},
    storage::ResumeData,
    task::Tasks,
};
use quintet_prover::ProofSystem;
use quintet_systems::{
    admission::{
        aggregates::{
            AggregateChecks, admit_aggregates, commit_aggregates, has_aggregate_checks,
            start_aggregate_checks,
        },
        attestations::{
            AttestationChecks, admit_attestations, commit_attestations, has_attestation_checks,
            start_attestation_checks,
        },
        blocks::admit_blocks,
        stale::mark_stale,
        waiting::{expire_waiting, release_aggregates, release_attestations},
    },
    fork_choice::{
        early::EarlyBlocks,
        head::{follow_finality, follow_votes},
        import::{ImportQueue, commit_imports, has_imports, start_imports},
        interval::{accept_new, has_landed_proposal},
        prune::{compact_tree, prune_blocks, shrink_states},
        resume,
        safe_target::update_safe_target,
        set_anchor,
    },
    pool::{
        limits::{PoolLimits, shrink_pools},
        seen::SeenAttestations,
    },
    verification::{Proofs, SignatureVerifier, Signatures, XmssVerifier},
};

use crate::{
    InboundLanes,
    needs::{Need, has_all, needs},
};

/// The trusted state and block that a node starts from.
#[derive(Clone, Debug)]
pub struct Anchor {
    /// The block's post-state.
    pub state: Arc<State>,
    /// The block.
    pub block: Block,
}

impl From<&ResumeData> for Anchor {
    /// The finalized block of the data.
    fn from(data: &ResumeData) -> Self {
        Self { state: Arc::clone(&data.anchor_state), block: data.anchor_block.clone() }
    }
}

/// Fork choice: takes blocks, attestations and aggregates, and computes head, safe target,
/// justified and finalized checkpoint.
///
/// Panics if the anchor's block does not commit to its state. If the anchor is not trusted, check
/// it first with [`set_anchor`].
///
/// | inserts | reads | writes |
/// | --- | --- | --- |
/// | everything of `quintet_components::{chain, tree, attestations}`, queues, [`PoolLimits`], [`Signatures`], [`Proofs`] | inbound messages, `Tasks`, `HeadRule` if a custom client has one | the same, `InputJudged`, [`BlockImported`], [`BlockOrphaned`], [`BlockRefused`], [`HeadChanged`], [`FinalizedAdvanced`], [`AttestationAccepted`], [`AttestationsPruned`] |
pub struct ForkChoicePlugin {
    /// The start of the chain.
    pub anchor: Anchor,
    /// The network's signature preset.
    pub preset: SignaturePreset,
    /// The network's proof system.
    pub proofs: Arc<dyn ProofSystem>,
    /// Checks single signatures; `None` for the preset's XMSS.
    pub signatures: Option<Arc<dyn SignatureVerifier>>,
}

impl Plugin for ForkChoicePlugin {
    fn build(&self, app: &mut App) {
        needs(
            app,
            "ForkChoicePlugin",
            &[
                Need::resource::<InboundLanes>("InboundPlugin"),
                Need::resource::<Tasks>("TasksPlugin"),
                Need::resource::<IntervalLog>("ClockPlugin"),
            ],
        );
        let signatures =
            self.signatures.clone().unwrap_or_else(|| Arc::new(XmssVerifier::new(self.preset)));
        app.insert_resource(self.preset)
            .insert_resource(Signatures(signatures))
            .insert_resource(Proofs(Arc::clone(&self.proofs)))
            .init_resource::<PoolLimits>()
            .init_resource::<ImportQueue>()
            .init_resource::<EarlyBlocks>()
            .init_resource::<AttestationChecks>()
            .init_resource::<AggregateChecks>()
            .init_resource::<SeenAttestations>()
            .add_message::<BlockImported>()
            .add_message::<BlockOrphaned>()
            .add_message::<BlockRefused>()
            .add_message::<HeadChanged>()
            .add_message::<FinalizedAdvanced>()
            .add_message::<AttestationAccepted>()
            .add_message::<AttestationsPruned>();
        set_anchor(app.world_mut(), Arc::clone(&self.anchor.state), &self.anchor.block)
            .expect("the anchor's block commits to its state");
        add_admission(app);
        add_fork_choice(app);
    }
}

/// Replaces the anchor's world by that of a store's last batch. Must be added after
/// [`ForkChoicePlugin`], whose anchor is then the finalized block of the data.
///
/// Panics if the data is inconsistent; the data of a store is not.
#[derive(Debug)]
pub struct ResumePlugin {
    /// The data to continue from.
    pub data: ResumeData,
}

impl Plugin for ResumePlugin {
    fn build(&self, app: &mut App) {
        if !has_all(app, "ResumePlugin", &[Need::resource::<Proofs>("ForkChoicePlugin")]) {
            return;
        }
        resume(app.world_mut(), self.data.clone()).expect("what a store hands out fits together");
    }
}

fn add_admission(app: &mut App) {
    app.add_systems(
        PreUpdate,
        (
            commit_aggregates.run_if(has_aggregate_checks),
            commit_attestations.run_if(has_attestation_checks),
        )
            .chain()
            .in_set(CollectSystems::Checks),
    )
    .add_systems(
        PreUpdate,
        // Blocks before aggregates before attestations.
        (
            admit_blocks,
            start_imports.run_if(has_imports),
            admit_aggregates.run_if(on_message::<AggregateReceived>),
            start_aggregate_checks.run_if(has_aggregate_checks),
            admit_attestations.run_if(on_message::<AttestationReceived>),
            start_attestation_checks.run_if(has_attestation_checks),
        )
            .chain()
            .in_set(NodeSystems::Admit),
    )
    .add_systems(
        Update,
        (
            mark_stale.run_if(on_message::<AttestationsPruned>),
            (release_aggregates, release_attestations).chain().run_if(on_message::<BlockImported>),
            expire_waiting,
        )
            .chain()
            .in_set(ImportSystems::Release),
    );
}

fn add_fork_choice(app: &mut App) {
    let fork_choice = IntervalSystems::ForkChoice;
    let accept = || (accept_new, follow_finality, follow_votes).chain();
    app.add_systems(Update, commit_imports.run_if(has_imports).in_set(ImportSystems::Commit))
        .add_systems(
            PostUpdate,
            (shrink_pools, prune_blocks, compact_tree, shrink_states)
                .chain()
                .in_set(NodeSystems::Prune),
        )
        .add_systems(
            OnInterval(Interval::Propose),
            accept().run_if(has_landed_proposal).in_set(fork_choice),
        )
        .add_systems(OnInterval(Interval::SafeTarget), update_safe_target.in_set(fork_choice))
        .add_systems(OnInterval(Interval::Accept), accept().in_set(fork_choice));
}
