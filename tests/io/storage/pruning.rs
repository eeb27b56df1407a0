//! Pruning against a model that keeps everything, on random trees.

use std::{
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use proptest::{prelude::*, sample::Index};
use quintet_components::storage::{BlockSource, StateSource, StorageError};
use quintet_plugins::storage::{
    Backend, Batch, Column, Durability, MemoryBackend, Retention, Store, Visit,
};

use crate::storage::fixture::{Fixture, Tree, identity, small};

#[derive(Clone, Debug)]
enum Step {
    /// A block on one of the newest blocks, or on any that is still kept.
    Grow {
        on: Index,
        among: usize,
        skipped: u64,
        back: usize,
        mask: u64,
    },
    /// The head becomes one of the newest blocks, and a block of its chain finalized.
    Finalize {
        head: Index,
        finalized: Index,
    },
    Prune,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let among = prop_oneof![6 => Just(1usize), 3 => Just(4), 1 => Just(usize::MAX)];
    let skipped = prop_oneof![8 => Just(0u64), 2 => 1..4u64, 1 => 10..30u64];
    prop_oneof![
        12 => (any::<Index>(), among, skipped, 0usize..4, prop_oneof![Just(0u64), Just(0xff), any::<u64>()])
            .prop_map(|(on, among, skipped, back, mask)| Step::Grow { on, among, skipped, back, mask }),
        2 => (any::<Index>(), any::<Index>())
            .prop_map(|(head, finalized)| Step::Finalize { head, finalized }),
        2 => Just(Step::Prune),
        1 => Just(Step::Reopen),
    ]
}

struct Model {
    tree: Tree,
    fixture: Fixture,
    retention: Retention,
    store: Store,
    head: usize,
    finalized: usize,
    /// The highest slot behind which anything may have gone.
    cut: u64,
}

impl Model {
    fn new(retention: Retention) -> Self {
        let tree = Tree::new(6);
        let fixture = Fixture::memory();
        let store = fixture.begin(&tree.anchor, retention);
        Self { tree, fixture, retention, store, head: 0, finalized: 0, cut: 0 }
    }

    fn slot(&self, index: usize) -> u64 {
        self.tree.blocks[index].at.slot
    }

    fn must_keep(&self, index: usize) -> bool {
        self.slot(index) >= self.cut
            || self.retention.archive && self.tree.is_ancestor(index, self.finalized)
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Grow { on, among, skipped, back, mask } => {
                let kept: Vec<usize> = (0..self.tree.blocks.len())
                    .filter(|index| self.slot(*index) >= self.cut)
                    .collect();
                let newest = &kept[kept.len() - kept.len().min(*among)..];
                let block = self.tree.grow(*on.get(newest), *skipped, *back, *mask);
                let root = self.tree.blocks[block].at.root;
                if self.tree.blocks[..block].iter().any(|built| built.at.root == root) {
                    self.tree.blocks.pop();
                    return;
                }
                let mut update = self.tree.update(&[block], self.head, self.finalized);
                update.facts = None;
                let written = self.store.append(&update).expect("writes");
                assert_eq!(written.blocks, 1, "a kept block can be built on");
            }
            Step::Finalize { head, finalized } => {
                // A head always descends from the finalized block.
                let heads: Vec<usize> = (self.finalized..self.tree.blocks.len())
                    .filter(|index| self.tree.is_ancestor(self.finalized, *index))
                    .collect();
                self.head = *head.get(&heads);
                let chain: Vec<usize> = (self.finalized..=self.head)
                    .filter(|index| {
                        self.tree.is_ancestor(*index, self.head)
                            && self.tree.is_ancestor(self.finalized, *index)
                    })
                    .collect();
                self.finalized = *finalized.get(&chain);
                self.store
                    .append(&self.tree.update(&[], self.head, self.finalized))
                    .expect("writes");
            }
            Step::Prune => self.prune(),
            Step::Reopen => self.store = self.fixture.open(&self.tree.anchor, self.retention),
        }
    }

    fn prune(&mut self) {
        self.cut =
            self.cut.max(self.slot(self.finalized).saturating_sub(self.retention.window_slots));
        while self.store.prune_step().expect("prunes") {}
    }

    fn check(&self) {
        for (index, built) in self.tree.blocks.iter().enumerate() {
            if !self.must_keep(index) {
                continue;
            }
            if index > 0 {
                let block = self.store.signed_block(&built.at.root);
                assert_eq!(block, Ok(Some(Arc::clone(&built.block))));
            }
            let state = self.store.state(&built.at.root);
            assert_eq!(state, Ok(Some(Arc::clone(&built.state))), "slot {}", built.at.slot);
        }
        let data = self.store.resume().expect("reads").expect("begun");
        let oldest = self.slot(self.finalized).saturating_sub(self.retention.window_slots);
        for built in self.tree.blocks.iter().filter(|built| built.at.slot >= oldest) {
            assert!(data.blocks.iter().any(|block| block.root == built.at.root));
        }
    }

    /// Checks that nothing is kept that nothing needs.
    fn check_size(&self) {
        let Fixture::Memory(backend) = &self.fixture else { unreachable!("a store in memory") };
        let kept = (0..self.tree.blocks.len()).filter(|index| self.must_keep(*index)).count();
        assert_eq!(rows(backend, Column::Headers), kept);
        assert_eq!(rows(backend, Column::Bodies), kept);
        assert_eq!(rows(backend, Column::Slots), kept);
        let states = rows(backend, Column::States) + rows(backend, Column::StateDiffs);
        // A kept block whose parent is gone needs at most the diffs up to a snapshot.
        let at_boundary = (1..self.tree.blocks.len())
            .filter(|index| {
                self.must_keep(*index) && !self.must_keep(self.tree.blocks[*index].parent)
            })
            .count();
        let most = usize::try_from(self.retention.snapshot_every).expect("small");
        assert!((kept..=kept + at_boundary * most).contains(&states), "{states} for {kept}");
    }
}

fn rows(backend: &MemoryBackend, column: Column) -> usize {
    let mut count = 0;
    let mut visit = |_: &[u8], _: &[u8]| {
        count += 1;
        ControlFlow::Continue(())
    };
    backend.scan(column, &[], None, &mut visit).expect("reads");
    count
}

fn run(retention: Retention, steps: &[Step]) {
    let mut model = Model::new(retention);
    for step in steps {
        model.step(step);
        if matches!(step, Step::Prune | Step::Reopen) {
            model.check();
        }
    }
    model.prune();
    model.check();
    model.check_size();
}

/// Prunes when a state is read: after its diff, before its base.
struct PrunedMeanwhile {
    inner: Arc<MemoryBackend>,
    is_armed: AtomicBool,
}

impl Backend for PrunedMeanwhile {
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        let value = self.inner.get(column, key)?;
        if column == Column::StateDiffs && self.is_armed.swap(false, Ordering::Relaxed) {
            let mut batch = Batch::default();
            for column in [Column::States, Column::StateDiffs, Column::Headers, Column::Slots] {
                self.inner.scan(column, &[], None, &mut |key, _| {
                    batch.delete(column, key);
                    ControlFlow::Continue(())
                })?;
            }
            self.inner.write(&batch, Durability::Process)?;
        }
        Ok(value)
    }

    fn scan(
        &self,
        column: Column,
        from: &[u8],
        to: Option<&[u8]>,
        visit: &mut Visit<'_>,
    ) -> Result<(), StorageError> {
        self.inner.scan(column, from, to, visit)
    }

    fn write(&self, batch: &Batch, durability: Durability) -> Result<(), StorageError> {
        self.inner.write(batch, durability)
    }
}

#[test]
fn a_state_that_is_pruned_while_it_is_read_is_absent_and_not_damaged() {
    let mut tree = Tree::new(4);
    let backend =
        Arc::new(PrunedMeanwhile { inner: Arc::default(), is_armed: AtomicBool::new(false) });
    let store = Store::new(Arc::clone(&backend), "memory", &identity(&tree.anchor), small())
        .expect("opens");
    store.begin(&tree.anchor.block, &tree.anchor.state).expect("begins");
    let head = tree.grow_chain(0, 3);
    store.append(&tree.update(&[1, 2, 3], head, 0)).expect("writes");
    backend.is_armed.store(true, Ordering::Relaxed);
    assert_eq!(store.state(&tree.blocks[head].at.root), Ok(None));
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn pruning_keeps_what_forks_peers_and_states_need(
        steps in prop::collection::vec(step(), 1..120),
    ) {
        run(small(), &steps);
    }

    #[test]
    fn an_archive_keeps_the_canonical_chain_since_genesis(
        steps in prop::collection::vec(step(), 1..120),
    ) {
        run(Retention { archive: true, ..small() }, &steps);
    }
}
