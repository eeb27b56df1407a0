//! Registers the components whose values are shown, and writes the values.

use std::{
    collections::HashMap,
    fmt::{self, Debug, Write},
};

use bevy_app::App;
use bevy_ecs::{component::ComponentId, prelude::*, world::EntityRef};
use quintet_components::{
    aggregation::{AggregationConfig, AggregationHistory, AggregationSession, CurrentSession},
    attestations::{
        AttestationSignature, AttestationSignatures, AttestationsByData, Known, LatestVotes,
        Member, New, Own, Payload, PayloadOf, Payloads, Phase, PooledAttestation, SignatureOf,
        Signed,
    },
    chain::{
        Finalized, Genesis, Head, IsAggregator, Justified, LandedProposal, Registry, SafeTarget,
        States,
    },
    clock::{CurrentInterval, Deadline, IntervalLog, LastUpdate, SlotClock, UnixTime},
    duties::{BlockRoom, DutyCounts, RecentDuties, Signing},
    metrics::{Metrics, MetricsRegistry},
    network::{
        Agent, BannedPeers, Direction, LastStatus, MeshPeers, Peer, PeerNames, PeerScore, PeersById,
    },
    preset::SignaturePreset,
    prover::{ProverJob, ProverLimits, ProverPhases, ProverStatus, ProverTimes},
    pulse::Pulse,
    rules::Rules,
    snapshot::{NodeIdentity, SnapshotCell},
    storage::{Blocks, StorageHealth, StoredChain, StoredHistory, StoredStates},
    sync::{
        Asked, BatchRequest, DutyGate, Ended, HistoryRequest, Orphans, PeerSync, RecentDisconnects,
        RequestsById, RequestsByRoot, RootRequest, StatusRequest, SyncCounts, SyncState,
        WaitingAttestations,
    },
    task::Tasks,
    tree::{BlockNode, BlockTree},
    waker::NodeWaker,
    warnings::Warnings,
};

use super::tabs::{LookTab, OwnTabs};

/// Writes the component of an entity, if it has it.
type Show = Box<dyn Fn(EntityRef<'_>, Form) -> Option<String> + Send + Sync>;

/// The length of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// In a list.
    Line,
    /// Alone.
    Whole,
}

impl Form {
    /// Bytes at most.
    const fn limit(self) -> usize {
        match self {
            Self::Line => 200,
            Self::Whole => 64 << 10,
        }
    }
}

/// The functions that write the components whose values are shown.
#[derive(Resource, Default)]
pub struct ShownComponents(HashMap<ComponentId, Show>);

impl Debug for ShownComponents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl ShownComponents {
    /// The value of a component of an entity; `None` when it is not to be shown.
    pub(super) fn value(
        &self,
        entity: EntityRef<'_>,
        id: ComponentId,
        form: Form,
    ) -> Option<String> {
        self.0.get(&id).and_then(|show| show(entity, form))
    }
}

/// Registers the values and tabs that the inspector shows.
pub trait InspectorAppExt {
    /// Shows the values of a component or resource as `Debug` writes them. Do not use it for types
    /// with secrets.
    fn show_component<C: Component + Debug>(&mut self) -> &mut Self;

    /// Shows this text for the values of a component or resource that has no `Debug`, or that has
    /// more in it than should be shown.
    fn show_component_as<C: Component>(&mut self, text: fn(&C) -> String) -> &mut Self;

    /// Adds a tab to the page, in the place of one of this name. `name` is a part of its address:
    /// letters, digits and hyphens.
    fn show_tab(&mut self, name: &'static str, title: &'static str, look: LookTab) -> &mut Self;
}

impl InspectorAppExt for App {
    fn show_component<C: Component + Debug>(&mut self) -> &mut Self {
        add::<C>(
            self,
            Box::new(|entity, form| entity.get::<C>().map(|value| written(value, form))),
        );
        self
    }

    fn show_component_as<C: Component>(&mut self, text: fn(&C) -> String) -> &mut Self {
        let show = move |entity: EntityRef<'_>, form| {
            entity.get::<C>().map(|value| bounded(form, format_args!("{}", text(value))))
        };
        add::<C>(self, Box::new(show));
        self
    }

    fn show_tab(&mut self, name: &'static str, title: &'static str, look: LookTab) -> &mut Self {
        self.world_mut().get_resource_or_init::<OwnTabs>().add(name, title, look);
        self
    }
}

fn add<C: Component>(app: &mut App, show: Show) {
    let id = app.world_mut().register_component::<C>();
    app.world_mut().get_resource_or_init::<ShownComponents>().0.insert(id, show);
}

/// A value as far as there is room for it.
fn written(value: &impl Debug, form: Form) -> String {
    bounded(form, format_args!("{value:?}"))
}

fn bounded(form: Form, content: fmt::Arguments<'_>) -> String {
    let mut text = Bounded { text: String::new(), limit: form.limit() };
    if text.write_fmt(content).is_err() {
        text.text.push('…');
    }
    text.text
}

/// Text that refuses to grow beyond its limit, which also ends the work of writing it.
struct Bounded {
    text: String,
    limit: usize,
}

impl Write for Bounded {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        let room = self.limit - self.text.len();
        let end = more.floor_char_boundary(room);
        self.text.push_str(&more[..end]);
        if end < more.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

/// Shows the values of several components.
macro_rules! show_all {
    ($app:ident: $($component:ty),+ $(,)?) => {
        $($app.show_component::<$component>();)+
    };
}

pub(super) fn show_known(app: &mut App) {
    app.init_resource::<ShownComponents>();
    // Votes.
    show_all!(app: PooledAttestation, AttestationSignature, SignatureOf, AttestationSignatures, Payload, PayloadOf, Payloads,
        Phase, Own, Member<Signed>, Member<New>, Member<Known>, AttestationsByData, LatestVotes);
    // Aggregation and the prover.
    show_all!(app: AggregationSession, CurrentSession, AggregationConfig, ProverJob, ProverTimes,
        ProverPhases, ProverStatus, ProverLimits, Deadline);
    // The chain and the clock.
    show_all!(app: BlockNode, BlockTree, Head, SafeTarget, Justified, Finalized, Genesis,
        LandedProposal, States, UnixTime, LastUpdate, SlotClock, CurrentInterval, IntervalLog,
        SignaturePreset);
    // Peers and sync.
    show_all!(app: Peer, Direction, Agent, PeerScore, LastStatus, PeerSync, PeersById, PeerNames,
        BannedPeers, RecentDisconnects, Asked, Ended, StatusRequest, RootRequest, BatchRequest,
        HistoryRequest, RequestsById, RequestsByRoot, Orphans, WaitingAttestations, SyncState, SyncCounts,
        DutyGate);
    // Duties and the node.
    show_all!(app: DutyCounts, RecentDuties, BlockRoom, IsAggregator, NodeIdentity, Warnings,
        AggregationHistory, StorageHealth, StoredHistory, MeshPeers, Rules, Pulse);
    app.show_component_as(|signing: &Signing| format!("{:?}", signing.0.validators()))
        .show_component_as(|registry: &Registry| format!("{} validators", registry.len()))
        .show_component_as(|_: &NodeWaker| "wakes the runner".into())
        .show_component_as(|_: &Tasks| "runs tasks".into())
        .show_component_as(|_: &Metrics| "handles of what is measured: /metrics".into())
        .show_component_as(|_: &MetricsRegistry| "what is measured: /metrics".into())
        .show_component_as(|_: &SnapshotCell| "what HTTP serves".into())
        .show_component_as(|_: &Blocks| "reads blocks".into())
        .show_component_as(|_: &StoredStates| "reads states".into())
        .show_component_as(|_: &StoredChain| "reads the canonical chain".into());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_written_as_far_as_there_is_room() {
        assert_eq!(written(&Some(1), Form::Line), "Some(1)");
        assert_eq!(written(&"a".repeat(500), Form::Whole).len(), 502);
        let long = written(&"ä".repeat(500), Form::Line);
        assert!(long.ends_with('…') && long.len() <= 200 + '…'.len_utf8(), "{long}");
        assert_eq!(long.matches('ä').count(), 99, "a quote, and no half character");
    }

    #[test]
    fn who_has_no_such_component_shows_none() {
        let mut app = App::new();
        app.show_component::<Peer>().show_component::<PeerScore>();
        let id = app.world_mut().register_component::<PeerScore>();
        let other = app.world_mut().register_component::<Own>();
        let entity = app.world_mut().spawn((PeerScore(-1.5), Own)).id();
        let (world, nobody) = (app.world(), app.world().resource::<ShownComponents>());
        let entity = world.entity(entity);
        assert_eq!(nobody.value(entity, id, Form::Line).as_deref(), Some("PeerScore(-1.5)"));
        assert_eq!(nobody.value(entity, other, Form::Line), None, "it was not registered");
    }
}
