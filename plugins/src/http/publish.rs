//! The world's side: makes the snapshot from which requests are answered.

use std::{collections::HashMap, sync::Arc};

use bevy_ecs::{prelude::*, system::SystemParam};
use quintet_components::{
    aggregation::AggregationConfig,
    attestations::LatestVotes,
    chain::{Finalized, Genesis, Head, IsAggregator, Justified, Registry, SafeTarget, States},
    clock::{CurrentInterval, UnixTime},
    duties::DutyCounts,
    network::{Agent, Direction, LastStatus, Peer, PeerNames, PeerScore, PeersById},
    snapshot::{
        HeldStates, PageView, PeerView, Snapshot, SnapshotCell, SyncView, TreeView, TreeViewer,
    },
    storage::ForkChoiceFacts,
    sync::SyncState,
    tree::BlockTree,
};

use super::page::PageShown;

/// The results of fork choice.
#[derive(SystemParam)]
pub(super) struct ChainShown<'w> {
    time: Res<'w, CurrentInterval>,
    genesis: Res<'w, Genesis>,
    registry: Res<'w, Registry>,
    head: Res<'w, Head>,
    safe_target: Res<'w, SafeTarget>,
    justified: Res<'w, Justified>,
    finalized: Res<'w, Finalized>,
    states: Res<'w, States>,
    tree: Res<'w, BlockTree>,
    latest: Res<'w, LatestVotes>,
}

impl ChainShown<'_> {
    fn facts(&self) -> ForkChoiceFacts {
        ForkChoiceFacts {
            head: self.head.0,
            safe_target: self.safe_target.0,
            justified: self.justified.0,
            finalized: self.finalized.0,
        }
    }

    fn states(&self, facts: &ForkChoiceFacts) -> HeldStates {
        let of = |root| self.states.get(root).cloned();
        HeldStates {
            head: of(&facts.head.root),
            justified: of(&facts.justified.root),
            finalized: of(&facts.finalized.root),
        }
    }
}

type PeerParts = (
    Entity,
    &'static Peer,
    Option<&'static Direction>,
    Option<&'static Agent>,
    Option<&'static PeerScore>,
    Option<&'static LastStatus>,
);

/// The node's peers, duties and other state.
#[derive(SystemParam)]
pub(super) struct NodeShown<'w, 's> {
    now: Res<'w, UnixTime>,
    role: Res<'w, IsAggregator>,
    aggregation: Option<Res<'w, AggregationConfig>>,
    sync: Option<Res<'w, SyncState>>,
    duties: Option<Res<'w, DutyCounts>>,
    index: Option<Res<'w, PeersById>>,
    peers: Query<'w, 's, PeerParts>,
    names: Option<Res<'w, PeerNames>>,
}

/// The inputs of the last snapshot.
#[derive(Default)]
pub(super) struct Shown {
    last: Option<Arc<Snapshot>>,
    viewer: TreeViewer,
    /// The time at which each connected peer was first seen.
    connected_ms: HashMap<Entity, u64>,
}

/// Replaces the snapshot if something in it has changed. Peers are read once per interval, and when
/// one connects or disconnects. What only the page shows is read once per interval.
pub(super) fn publish(
    chain: ChainShown,
    node: NodeShown,
    page: PageShown,
    cell: Res<SnapshotCell>,
    mut shown: Local<Shown>,
) {
    let shown = &mut *shown;
    let last = shown.last.as_deref();
    let facts = chain.facts();
    let is_new_interval = last.is_none_or(|last| last.time != *chain.time);
    let is_new_tree = last.is_none() || chain.tree.is_changed() || chain.latest.is_changed();
    let has_new_peers =
        is_new_interval || node.index.as_ref().is_some_and(DetectChanges::is_changed);
    let duties = node.duties.as_deref().copied().unwrap_or_default();
    let has_new_node = node.role.is_changed() || last.is_none_or(|last| last.duties != duties);
    let has_new_facts = last.is_none_or(|last| last.facts != facts);
    if !(is_new_interval || is_new_tree || has_new_peers || has_new_node || has_new_facts) {
        return;
    }

    let tree = match last {
        Some(last) if !is_new_tree => Arc::clone(&last.tree),
        _ => shown.viewer.view(&chain.tree, chain.latest.counted.iter().flatten()),
    };
    let peers = match last {
        Some(last) if !has_new_peers => Arc::clone(&last.peers),
        _ => peers(&node, &mut shown.connected_ms),
    };
    let page = match last {
        Some(last) if !is_new_interval => Arc::clone(&last.page),
        _ => Arc::new(page.view()),
    };
    let parts = Parts { duties, tree, peers, page };
    let snapshot = Arc::new(snapshot(&chain, &node, facts, parts));
    cell.replace(Arc::clone(&snapshot));
    shown.last = Some(snapshot);
}

/// The parts that a snapshot shares with the previous one if they have not changed.
struct Parts {
    duties: DutyCounts,
    tree: Arc<TreeView>,
    peers: Arc<[PeerView]>,
    page: Arc<PageView>,
}

fn snapshot(
    chain: &ChainShown<'_>,
    node: &NodeShown<'_, '_>,
    facts: ForkChoiceFacts,
    Parts { duties, tree, peers, page }: Parts,
) -> Snapshot {
    let aggregation = node.aggregation.as_deref();
    let told = peers.iter().filter_map(|peer| Some(peer.status?.0.slot)).max();
    Snapshot {
        time: *chain.time,
        genesis_time: chain.genesis.0.genesis_time,
        validator_count: chain.registry.len(),
        facts,
        tree,
        states: chain.states(&facts),
        is_aggregator: node.role.0,
        committee_count: aggregation.map_or(1, |config| config.committee_count),
        subnets: aggregation.map_or_else(Vec::new, AggregationConfig::expected_subnets).into(),
        sync: SyncView {
            state: node.sync.as_deref().copied().unwrap_or(SyncState::Synced),
            target_slot: told.unwrap_or_default().max(facts.head.slot),
        },
        peers,
        duties,
        page,
    }
}

fn peers(node: &NodeShown<'_, '_>, connected_ms: &mut HashMap<Entity, u64>) -> Arc<[PeerView]> {
    let names = node.names.as_deref();
    connected_ms.retain(|entity, _| node.peers.contains(*entity));
    let mut views: Vec<PeerView> = node
        .peers
        .iter()
        .map(|(entity, peer, direction, agent, score, status)| PeerView {
            id: peer.id.clone(),
            name: names.and_then(|names| names.get(&peer.id)).map(Into::into),
            address: peer.address.clone(),
            direction: direction.copied().unwrap_or(Direction::Inbound),
            agent: agent.map(|agent| agent.0.clone()),
            score: score.map_or(0.0, |score| score.0),
            status: status.map(|last| (last.status.head, last.status.finalized)),
            connected_ms: *connected_ms.entry(entity).or_insert(node.now.now_ms),
        })
        .collect();
    views.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    views.into()
}
