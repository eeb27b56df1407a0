//! A store whose writes fail, end short, hang or find a full disk.

use std::{
    sync::{Arc, Condvar, Mutex},
    time::{Duration, Instant},
};

use quintet_components::{
    containers::{PublicKey, Root, SignedBlock},
    messages::{IgnoreReason, Verdict},
    storage::{
        BlockSource, Blocks, HistoryBatch, SigningEntry, SigningRecord, StateSource, StorageError,
        StorageHealth, StoredStates,
    },
};
use quintet_plugins::{
    StopPlugin,
    storage::{
        BEHIND_BLOCKS, Backend, Batch, Column, Durability, MAX_HISTORY_BATCHES, MAX_WAITING_BLOCKS,
        MemoryBackend, MemoryStoragePlugin, Retention, StorageWriter, Store, Visit, Writer,
    },
};

use crate::{
    storage::fixture::{Tree, identity, small},
    support::node::{Setup, TestNode},
};

/// The fate of writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    /// They fail.
    Fails,
    /// They fail after the batch has reached the disk.
    Short,
    /// They find no room.
    Full,
    /// They hang until the fault goes.
    Hangs,
    /// They panic.
    Panics,
}

/// A backend with a fault that a test chooses.
#[derive(Clone)]
pub struct FaultyBackend {
    inner: Arc<MemoryBackend>,
    fault: Arc<(Mutex<Fault>, Condvar)>,
}

impl FaultyBackend {
    fn new() -> Self {
        Self { inner: Arc::default(), fault: Arc::new((Mutex::new(Fault::None), Condvar::new())) }
    }

    fn set(&self, fault: Fault) {
        *self.fault.0.lock().expect("not poisoned") = fault;
        self.fault.1.notify_all();
    }
}

impl Backend for FaultyBackend {
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        self.inner.get(column, key)
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
        let fault = self.fault.0.lock().expect("not poisoned");
        let hangs = |fault: &mut Fault| *fault == Fault::Hangs;
        let fault = *self.fault.1.wait_while(fault, hangs).expect("not poisoned");
        match fault {
            Fault::None | Fault::Hangs => self.inner.write(batch, durability),
            Fault::Fails => Err(StorageError("/data: Input/output error; check the disk".into())),
            Fault::Short => {
                self.inner.write(batch, durability)?;
                Err(StorageError("/data: short write; check the disk".into()))
            }
            Fault::Panics => panic!("on purpose"),
            Fault::Full => Err(StorageError("/data: No space left on device; free space".into())),
        }
    }
}

/// Looks until it is so, for at most 20 seconds.
fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: not within 20 seconds");
        std::thread::yield_now();
    }
}

struct Faulty {
    backend: FaultyBackend,
    tree: Tree,
    node: TestNode,
    store: Arc<Store>,
}

fn faulty_node() -> Faulty {
    let tree = Tree::new(6);
    let backend = FaultyBackend::new();
    let store = Store::new(backend.clone(), "/data", &identity(&tree.anchor), Retention::default());
    let store = Arc::new(store.expect("opens"));
    store.begin(&tree.anchor.block, &tree.anchor.state).expect("begins");
    let plugin = MemoryStoragePlugin { store: Arc::clone(&store) };
    let node = TestNode::new(Setup::new(tree.anchor.clone()).with(|app| {
        app.add_plugins((plugin, StopPlugin));
    }));
    Faulty { backend, tree, node, store }
}

impl Faulty {
    /// Hands the node this many blocks on the newest.
    fn import(&mut self, count: usize) {
        for _ in 0..count {
            let tip = self.tree.blocks.len() - 1;
            let block = self.tree.grow(tip, 0, 1, 0b11);
            let built = &self.tree.blocks[block];
            self.node.tick_to(5 * built.at.slot, false);
            let built = &self.tree.blocks[block];
            assert_eq!(self.node.block(SignedBlock::clone(&built.block)), Verdict::Accepted);
        }
    }

    fn writer(&mut self) -> Arc<Writer> {
        Arc::clone(self.node.world().resource::<StorageWriter>().writer())
    }

    fn settled(&mut self) {
        assert!(self.writer().wait_until_written(Duration::from_secs(20)), "all is written");
    }

    fn stored_blocks(&self) -> usize {
        let is_stored = |root: &Root| self.store.signed_block(root).expect("reads").is_some();
        // The anchor is there from the beginning.
        self.tree.blocks[1..].iter().filter(|built| is_stored(&built.at.root)).count()
    }

    fn sign(&self, slot: u64) -> Result<(), StorageError> {
        self.store.write(&[SigningEntry {
            public_key: PublicKey::repeat_byte(1),
            slot,
            message: Root::repeat_byte(2),
            signature: None,
        }])
    }
}

fn writes_stop_and_come_back(fault: Fault, reason: &str) {
    let mut faulty = faulty_node();
    faulty.import(5);
    faulty.settled();
    faulty.sign(5).expect("a healthy store records");

    faulty.backend.set(fault);
    faulty.import(5);
    let health = faulty.node.world().resource::<StorageHealth>().clone();
    until("the fault shows", || !health.can_sign());
    let said = health.status().fault.expect("there is a fault");
    assert!(said.contains(reason) && said.contains("/data"), "{said}");
    // Nobody signs, and it is said why.
    let refused = faulty.sign(10).expect_err("no signature is recorded");
    assert!(refused.0.contains("nothing is signed") && refused.0.contains(reason), "{refused}");
    assert_eq!(faulty.store.find(&PublicKey::repeat_byte(1), 10), Ok(None));
    assert!(faulty.store.find(&PublicKey::repeat_byte(1), 5).expect("reads").is_some());
    // The chain goes on, and what is not written yet can be read too.
    faulty.import(3);
    assert!(health.can_import());
    let (blocks, states) = {
        let world = faulty.node.world();
        (world.resource::<Blocks>().0.clone(), world.resource::<StoredStates>().0.clone())
    };
    for built in &faulty.tree.blocks[1..] {
        assert_eq!(blocks.signed_block(&built.at.root), Ok(Some(Arc::clone(&built.block))));
        assert_eq!(states.state(&built.at.root), Ok(Some(Arc::clone(&built.state))));
    }

    faulty.backend.set(Fault::None);
    until("the fault goes", || health.can_sign());
    faulty.settled();
    assert_eq!(faulty.stored_blocks(), 13);
    faulty.sign(10).expect("it records again");
    let head = faulty.tree.blocks.last().expect("blocks").at;
    assert_eq!(faulty.store.facts().expect("reads").expect("begun").head, head);
}

#[test]
fn failing_writes_stop_signing_and_lose_nothing() {
    writes_stop_and_come_back(Fault::Fails, "Input/output error");
}

#[test]
fn short_writes_stop_signing_and_lose_nothing() {
    writes_stop_and_come_back(Fault::Short, "short write");
}

#[test]
fn a_full_disk_stops_signing_and_loses_nothing() {
    writes_stop_and_come_back(Fault::Full, "No space left on device");
}

#[test]
fn a_fault_that_a_signer_meets_first_shows_and_goes() {
    let mut faulty = faulty_node();
    faulty.settled();
    faulty.backend.set(Fault::Full);
    faulty.sign(1).expect_err("the disk is full");
    let health = faulty.store.health().clone();
    assert!(!health.can_sign());
    faulty.backend.set(Fault::None);
    until("the writer finds that writes succeed", || health.can_sign());
    faulty.sign(1).expect("it records again");
}

#[test]
fn a_hanging_disk_does_not_stop_the_world_until_too_much_waits() {
    let mut faulty = faulty_node();
    faulty.settled();
    faulty.backend.set(Fault::Hangs);
    faulty.import(BEHIND_BLOCKS);
    let health = faulty.store.health().clone();
    assert_eq!(faulty.stored_blocks(), 0);
    assert!(health.can_sign() && !health.can_import());
    // One more is not taken, and nothing is held against its sender.
    let next = faulty.tree.grow(BEHIND_BLOCKS, 0, 0, 0);
    let block = SignedBlock::clone(&faulty.tree.blocks[next].block);
    faulty.node.tick_to(5 * faulty.tree.blocks[next].at.slot, false);
    assert_eq!(faulty.node.block(block.clone()), Verdict::Ignored(IgnoreReason::StorageBehind));

    faulty.backend.set(Fault::None);
    faulty.settled();
    assert_eq!(faulty.stored_blocks(), BEHIND_BLOCKS);
    assert!(health.can_import());
    assert_eq!(faulty.node.block(block), Verdict::Accepted);
}

#[test]
fn history_that_the_disk_does_not_take_is_not_piled_up() {
    let mut tree = Tree::new(1);
    let backend = FaultyBackend::new();
    let anchor = tree.grow_chain(0, 20);
    let store = Store::new(backend.clone(), "/data", &identity(&tree.anchor), small());
    let store = Arc::new(store.expect("opens"));
    let built = tree.blocks[anchor].clone();
    store.begin_anew(&built.block, &built.state).expect("begins");
    let thread = Writer::start(Arc::clone(&store)).expect("starts");
    let writer = thread.writer();
    backend.set(Fault::Hangs);
    let offer = |from: usize| {
        let built = &tree.blocks[from];
        let blocks = vec![(built.at.root, Arc::clone(&built.block))];
        writer.offer_history(HistoryBatch { blocks, from: built.at.slot })
    };
    let places = (1..anchor).rev();
    let taken: Vec<bool> = places.take(MAX_HISTORY_BATCHES + 2).map(offer).collect();
    assert_eq!(taken, [vec![true; MAX_HISTORY_BATCHES], vec![false; 2]].concat());
    assert_eq!(writer.history().from(), built.at.slot);
    // Blocks of the present go first.
    let next = tree.grow(anchor, 0, 0, 0);
    writer.offer(tree.update(&[next], next, anchor));
    backend.set(Fault::None);
    assert!(writer.wait_until_written(Duration::from_secs(20)));
    let oldest = &tree.blocks[anchor - MAX_HISTORY_BATCHES];
    assert_eq!(writer.history().from(), oldest.at.slot);
    assert_eq!(store.facts().expect("reads").expect("begun").head, tree.blocks[next].at);
}

#[test]
fn a_writer_that_has_ended_ends_the_node_with_an_error() {
    let mut faulty = faulty_node();
    faulty.settled();
    assert_eq!(faulty.node.app.should_exit(), None);
    faulty.backend.set(Fault::Panics);
    faulty.import(1);
    let deadline = Instant::now() + Duration::from_secs(20);
    while faulty.node.app.should_exit().is_none() {
        assert!(Instant::now() < deadline, "nobody has noticed");
        faulty.node.update();
    }
    assert!(faulty.node.app.should_exit().is_some_and(|exit| exit.is_error()));
}

#[test]
fn a_hanging_disk_does_not_hold_up_the_end() {
    let mut faulty = faulty_node();
    faulty.settled();
    faulty.backend.set(Fault::Hangs);
    faulty.import(2);
    let Faulty { node, backend, store, .. } = faulty;
    // It gives up after a while; without that, this would never return.
    drop(node);
    assert_eq!(store.facts().expect("reads").expect("begun").head.slot, 0);
    backend.set(Fault::None);
}

#[test]
fn what_is_past_the_limit_is_left_out_and_the_rest_is_consistent() {
    let mut tree = Tree::new(1);
    let backend = FaultyBackend::new();
    let store = Arc::new(
        Store::new(backend.clone(), "/data", &identity(&tree.anchor), small()).expect("opens"),
    );
    store.begin(&tree.anchor.block, &tree.anchor.state).expect("begins");
    let thread = Writer::start(Arc::clone(&store)).expect("starts");
    backend.set(Fault::Hangs);
    let count = MAX_WAITING_BLOCKS + 20;
    for _ in 0..count {
        let tip = tree.blocks.len() - 1;
        let block = tree.grow(tip, 0, 0, 0);
        thread.writer().offer(tree.update(&[block], block, 0));
    }
    assert_eq!((thread.writer().waiting(), thread.writer().dropped()), (MAX_WAITING_BLOCKS, 20));
    backend.set(Fault::None);
    assert!(thread.writer().wait_until_written(Duration::from_secs(20)));
    // The head was past the limit, so the checkpoints are those of the first batch: of what was
    // offered before the writer woke.
    let data = store.resume().expect("is consistent").expect("begun");
    assert!(data.facts.head.slot <= 64, "{:?}", data.facts);
    assert_eq!(data.blocks.len(), MAX_WAITING_BLOCKS + 1);
    // What builds on a block that was left out is left out.
    let next = tree.grow(count, 0, 0, 0);
    thread.writer().offer(tree.update(&[next], next, 0));
    assert!(thread.writer().wait_until_written(Duration::from_secs(20)));
    assert_eq!(store.state(&tree.blocks[next].at.root), Ok(None));
    assert_eq!(store.facts(), Ok(Some(data.facts)));
}

#[test]
fn a_store_in_memory_keeps_to_its_limit() {
    let mut tree = Tree::new(4);
    let backend = Arc::new(MemoryBackend::new(64 << 10));
    let store = Store::new(Arc::clone(&backend), "memory", &identity(&tree.anchor), small());
    let store = store.expect("opens");
    store.begin(&tree.anchor.block, &tree.anchor.state).expect("begins");
    // While the chain finalizes, the window gives way to the limit.
    for slot in 1..200 {
        let block = tree.grow(slot - 1, 0, 0, 0);
        store.append(&tree.update(&[block], block, slot - slot.min(20))).expect("there is room");
        while store.prune_step().expect("prunes") {}
    }
    assert!(backend.bytes() < 64 << 10);
    // Without finality it is full in the end, and says so.
    let mut refused = None;
    for slot in 200..2000 {
        let block = tree.grow(slot - 1, 0, 0, 0);
        let written = store.append(&tree.update(&[block], block, 179));
        while store.prune_step().expect("prunes") {}
        if let Err(error) = written {
            refused = Some(error);
            break;
        }
    }
    let error = refused.expect("the limit is reached").0;
    assert!(error.contains("full") && error.contains("65536"), "{error}");
    assert!(backend.bytes() <= 64 << 10);
}
