//! The plugins, and the system that passes every update to the writer.

use std::{collections::HashMap, sync::Arc};

use bevy_app::{App, Plugin, PostUpdate};
use bevy_ecs::prelude::*;
use quintet_components::{
    attestations::{LatestVotes, PooledAttestation},
    chain::{Finalized, Head, Justified, SafeTarget},
    clock::CurrentInterval,
    containers::{AggregationBits, Slot, ValidatorIndex},
    messages::BlockImported,
    schedule::NodeSystems,
    storage::{Blocks, ForkChoiceFacts, HistoryBatch, LatestVoteRecord, StoredChain, StoredStates},
    waker::NodeWaker,
};

use super::{
    append::{ImportedBlock, Update},
    store::Store,
    writer::{Writer, WriterThread},
};
use crate::{
    needs::{Need, needs},
    vital::VitalThreads,
};

/// The number of distinct attestations that are saved as latest votes; those of the most validators
/// are kept.
pub const MAX_SAVED_VOTES: usize = 256;

/// Keeps the chain in `RocksDB`. Open the store with `Store::open` first.
///
/// | inserts | reads | writes |
/// | --- | --- | --- |
/// | [`Blocks`], [`StoredChain`], [`StoredStates`], [`StorageHealth`](quintet_components::storage::StorageHealth), [`StoredHistory`](quintet_components::storage::StoredHistory), [`StorageWriter`] | [`BlockImported`], [`HistoryBatch`], the checkpoints, [`LatestVotes`] | the store |
#[cfg(feature = "rocksdb")]
#[derive(Debug)]
pub struct RocksDbPlugin {
    /// The store.
    pub store: Arc<Store>,
}

/// Keeps the chain in memory, with the same window and a limit in bytes. Make the store with
/// [`Store::in_memory`].
///
/// Inserts, reads and writes the same as `RocksDbPlugin`.
#[derive(Debug)]
pub struct MemoryStoragePlugin {
    /// The store.
    pub store: Arc<Store>,
}

/// Keeps the chain in a store whose writer has no thread: whoever drives the world takes
/// [`StorageWriter::writer`], and writes with [`Writer::turn`].
///
/// Inserts, reads and writes what [`RocksDbPlugin`] does.
#[derive(Debug)]
pub struct SteppedStoragePlugin {
    /// The store.
    pub store: Arc<Store>,
}

/// The writer that gets the updates of the world.
#[derive(Resource)]
pub struct StorageWriter {
    writer: Arc<Writer>,
    /// Ends with the world.
    _thread: Option<WriterThread>,
}

impl StorageWriter {
    /// The writer.
    pub const fn writer(&self) -> &Arc<Writer> {
        &self.writer
    }
}

#[cfg(feature = "rocksdb")]
impl Plugin for RocksDbPlugin {
    fn build(&self, app: &mut App) {
        let writer = start(app, &self.store);
        install(app, &self.store, writer, "RocksDbPlugin");
    }
}

impl Plugin for MemoryStoragePlugin {
    fn build(&self, app: &mut App) {
        let writer = start(app, &self.store);
        install(app, &self.store, writer, "MemoryStoragePlugin");
    }
}

impl Plugin for SteppedStoragePlugin {
    fn build(&self, app: &mut App) {
        let writer = Writer::by_hand(Arc::clone(&self.store)).expect("an opened store can be read");
        let writer = StorageWriter { writer, _thread: None };
        install(app, &self.store, writer, "SteppedStoragePlugin");
    }
}

fn start(app: &mut App, store: &Arc<Store>) -> StorageWriter {
    let vital = VitalThreads::of(app.world_mut()).watch("storage");
    let thread = Writer::spawn(Arc::clone(store), Some(vital))
        .expect("a thread can be started, and an opened store read");
    StorageWriter { writer: Arc::clone(thread.writer()), _thread: Some(thread) }
}

fn install(app: &mut App, store: &Arc<Store>, handle: StorageWriter, plugin: &'static str) {
    needs(app, plugin, &[Need::resource::<LatestVotes>("ForkChoicePlugin")]);
    let writer = Arc::clone(handle.writer());
    if let Some(waker) = app.world().get_resource::<NodeWaker>() {
        store.health().wakes(waker.clone());
    }
    app.add_message::<HistoryBatch>()
        .insert_resource(Blocks(Arc::clone(&writer) as _))
        .insert_resource(StoredChain(Arc::clone(&writer) as _))
        .insert_resource(writer.history().clone())
        .insert_resource(StoredStates(writer))
        .insert_resource(store.health().clone())
        .insert_resource(handle)
        .add_systems(PostUpdate, (persist, persist_history).chain().in_set(NodeSystems::Flush));
}

/// The values that were passed on last.
#[derive(Default)]
struct Persisted {
    facts: Option<ForkChoiceFacts>,
    votes_slot: Slot,
}

/// Passes on what the update changed: imported blocks, checkpoints, and once per slot the votes.
fn persist(
    mut imported: MessageReader<BlockImported>,
    chain: (Res<Head>, Res<SafeTarget>, Res<Justified>, Res<Finalized>),
    (time, latest, votes): (Res<CurrentInterval>, Res<LatestVotes>, Query<&PooledAttestation>),
    writer: Res<StorageWriter>,
    mut persisted: Local<Persisted>,
) {
    let facts = ForkChoiceFacts {
        head: chain.0.0,
        safe_target: chain.1.0,
        justified: chain.2.0,
        finalized: chain.3.0,
    };
    let blocks: Vec<ImportedBlock> = imported
        .read()
        .map(|BlockImported { root, block, state }| ImportedBlock {
            root: *root,
            block: Arc::clone(block),
            state: Arc::clone(state),
        })
        .collect();
    let has_new_facts = persisted.facts.replace(facts) != Some(facts);
    let is_new_slot = std::mem::replace(&mut persisted.votes_slot, time.slot()) != time.slot();
    if blocks.is_empty() && !has_new_facts && !is_new_slot {
        return;
    }
    writer.writer().offer(Update {
        blocks,
        facts: has_new_facts.then_some(facts),
        votes: is_new_slot.then(|| saved_votes(&latest, &votes)),
    });
}

/// Passes on blocks from before the anchor. A batch for which there is no room is fetched again.
fn persist_history(mut batches: MessageReader<HistoryBatch>, writer: Res<StorageWriter>) {
    for batch in batches.read() {
        if !writer.writer().offer_history(batch.clone()) {
            tracing::debug!(from = batch.from, "no room for a batch of history");
        }
    }
}

/// The latest votes by their attestation data.
fn saved_votes(latest: &LatestVotes, votes: &Query<&PooledAttestation>) -> Vec<LatestVoteRecord> {
    let mut voters: HashMap<Entity, Vec<ValidatorIndex>> = HashMap::new();
    for (vote, index) in latest.votes.iter().zip(0..) {
        if let Some(vote) = vote {
            voters.entry(vote.attestation).or_default().push(index);
        }
    }
    let mut records: Vec<LatestVoteRecord> = voters
        .into_iter()
        .filter_map(|(vote, voters)| {
            // The attestation may be gone. Its vote still counts until a newer one arrives.
            let data = votes.get(vote).ok()?.data;
            let participants = AggregationBits::from_indices(voters).ok()?;
            Some(LatestVoteRecord { data, participants })
        })
        .collect();
    records.sort_unstable_by_key(|record| {
        (std::cmp::Reverse(record.participants.count()), record.data)
    });
    records.truncate(MAX_SAVED_VOTES);
    records
}
