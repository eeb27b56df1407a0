//! Stores to test, and chains to put into them.

use std::sync::Arc;

use quintet_components::{
    containers::{AggregatedAttestation, AttestationData, Checkpoint, Root, SignedBlock, State},
    preset::SignaturePreset,
    storage::{ChainIdentity, ForkChoiceFacts},
};
use quintet_plugins::{
    Anchor,
    storage::{ImportedBlock, MemoryBackend, Retention, RocksDbConfig, Store, Update},
};
use tree_hash::TreeHash;

use crate::support::{
    chain::{self, aggregated, build_on, signed},
    temp_dir::TempDir,
};

/// The place of a store; it can be opened again and again.
pub enum Fixture {
    Disk(TempDir),
    Memory(Arc<MemoryBackend>),
}

impl Fixture {
    pub fn disk() -> Self {
        Self::Disk(TempDir::new())
    }

    pub fn memory() -> Self {
        Self::Memory(Arc::default())
    }

    pub fn open(&self, anchor: &Anchor, retention: Retention) -> Store {
        let identity = identity(anchor);
        match self {
            Self::Disk(folder) => {
                let config = RocksDbConfig { path: folder.path().join("db"), retention };
                Store::open(&config, &identity).expect("opens")
            }
            Self::Memory(backend) => {
                Store::new(Arc::clone(backend), "memory", &identity, retention).expect("opens")
            }
        }
    }

    /// A store that has begun with the anchor.
    pub fn begin(&self, anchor: &Anchor, retention: Retention) -> Store {
        let store = self.open(anchor, retention);
        store.begin(&anchor.block, &anchor.state).expect("begins");
        store
    }
}

/// A small window, few diffs a snapshot and short chunks, so that a short chain meets all of them.
pub fn small() -> Retention {
    Retention { archive: false, window_slots: 12, snapshot_every: 5, history_chunk_roots: 8 }
}

pub fn identity(anchor: &Anchor) -> ChainIdentity {
    ChainIdentity::of(&anchor.state, "test", SignaturePreset::Test)
}

/// A block that was built, and where.
#[derive(Clone)]
pub struct Built {
    pub at: Checkpoint,
    pub parent: usize,
    pub block: Arc<SignedBlock>,
    pub state: Arc<State>,
}

impl Built {
    pub fn imported(&self) -> ImportedBlock {
        ImportedBlock {
            root: self.at.root,
            block: Arc::clone(&self.block),
            state: Arc::clone(&self.state),
        }
    }
}

/// A tree of valid blocks; the first is genesis, which is in no batch.
pub struct Tree {
    pub anchor: Anchor,
    pub blocks: Vec<Built>,
}

impl Tree {
    pub fn new(validators: u64) -> Self {
        let anchor = chain::genesis(validators);
        let root = anchor.block.tree_hash_root();
        let first = Built {
            at: Checkpoint { root, slot: 0 },
            parent: 0,
            block: Arc::new(signed(anchor.block.clone())),
            state: Arc::clone(&anchor.state),
        };
        Self { anchor, blocks: vec![first] }
    }

    /// A block on this one, with one attestation for the block's ancestor `back` blocks up by the
    /// validators of the mask. Returns its place.
    pub fn grow(&mut self, parent: usize, skipped: u64, back: usize, mask: u64) -> usize {
        let mut target = parent;
        for _ in 0..back {
            target = self.blocks[target].parent;
        }
        let (on, target) = (&self.blocks[parent], self.blocks[target].at);
        let validators = on.state.validators.len() as u64;
        let voters: Vec<u64> =
            (0..validators).filter(|index| mask >> (index % 64) & 1 == 1).collect();
        let votes: Vec<AggregatedAttestation> = (!voters.is_empty() && on.at.slot > 0)
            .then(|| {
                let source = on.state.latest_justified;
                let data = AttestationData { slot: on.at.slot, head: on.at, target, source };
                aggregated(data, &voters)
            })
            .into_iter()
            .collect();
        let (block, state) =
            build_on(&on.state, on.at.slot + 1 + skipped, votes).expect("a valid block");
        let root: Root = block.tree_hash_root();
        self.blocks.push(Built {
            at: Checkpoint { root, slot: block.slot },
            parent,
            block: Arc::new(signed(block)),
            state: Arc::new(state),
        });
        self.blocks.len() - 1
    }

    /// A chain of `count` blocks on this one, with skipped slots and all kinds of attestations.
    /// Returns the last block's place.
    pub fn grow_chain(&mut self, on: usize, count: usize) -> usize {
        (0..count).fold(on, |tip, step| {
            let mask = [0xff, 0b111, 0, 0b1111_1000][step % 4] << (step % 3);
            self.grow(tip, u64::from(step % 7 == 3), step % 3, mask)
        })
    }

    /// Returns true if both are the same block, or the first is an ancestor of the second.
    pub fn is_ancestor(&self, ancestor: usize, mut of: usize) -> bool {
        while of > ancestor {
            of = self.blocks[of].parent;
        }
        of == ancestor
    }

    pub fn facts(&self, head: usize, finalized: usize) -> ForkChoiceFacts {
        let (head, finalized) = (self.blocks[head].at, self.blocks[finalized].at);
        ForkChoiceFacts { head, safe_target: head, justified: finalized, finalized }
    }

    /// The update that imports these blocks.
    pub fn update(&self, blocks: &[usize], head: usize, finalized: usize) -> Update {
        Update {
            blocks: blocks.iter().map(|index| self.blocks[*index].imported()).collect(),
            facts: Some(self.facts(head, finalized)),
            votes: None,
        }
    }
}
