//! The node that is killed: it imports, prunes and signs as fast as it can, and says what is
//! acknowledged.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use quintet_components::{
    chain::{Head, States},
    containers::{
        AggregatedAttestation, AttestationData, Checkpoint, PublicKey, Root, Slot, State,
    },
    messages::{IgnoreReason, Verdict},
    preset::SignaturePreset,
    storage::{ChainIdentity, ForkChoiceFacts, SigningEntry, SigningRecord},
    tree::BlockTree,
};
use quintet_plugins::{
    Anchor, ResumePlugin,
    storage::{
        ImportedBlock, Retention, RocksDbConfig, RocksDbPlugin, StorageWriter, Store, Update,
    },
};
use tree_hash::TreeHash;

use crate::support::{
    chain::{self, aggregated, build_on, signed},
    node::{Setup, TestNode},
};

/// The key that signs once a slot.
pub const KEY: PublicKey = PublicKey::repeat_byte(7);
/// Blocks of the large database before the first kill.
pub const LARGE_BLOCKS: usize = 10_000;
const VALIDATORS: u64 = 8;

/// The database that prunes keeps little, the large one everything.
pub fn retention(path: &Path) -> Retention {
    if path.ends_with("large") {
        Retention { window_slots: 1 << 20, ..Retention::default() }
    } else {
        Retention { window_slots: 32, snapshot_every: 9, history_chunk_roots: 16, archive: false }
    }
}

pub fn open(path: &Path) -> Store {
    let anchor = chain::genesis(VALIDATORS);
    let identity = ChainIdentity::of(&anchor.state, "crash", SignaturePreset::Test);
    let config = RocksDbConfig { path: path.to_owned(), retention: retention(path) };
    Store::open(&config, &identity).expect("a killed process leaves nothing to repair")
}

fn begin(store: &Store) -> Anchor {
    let anchor = chain::genesis(VALIDATORS);
    store.begin(&anchor.block, &anchor.state).expect("begins");
    anchor
}

/// An attestation of everyone to this block, which the next one carries.
fn votes(on: Checkpoint, state: &State) -> Vec<AggregatedAttestation> {
    let source = state.latest_justified;
    let data = AttestationData { slot: on.slot, head: on, target: on, source };
    let everyone: Vec<u64> = (0..VALIDATORS).collect();
    if on.slot == 0 { Vec::new() } else { vec![aggregated(data, &everyone)] }
}

/// Fills the large database.
pub fn fill(path: &Path) {
    let store = open(path);
    let anchor = begin(&store);
    let mut head = Checkpoint { root: anchor.block.tree_hash_root(), slot: 0 };
    let genesis = head;
    let mut state = anchor.state;
    let mut blocks = Vec::new();
    for count in 1..=LARGE_BLOCKS {
        let (block, post) =
            build_on(&state, head.slot + 1, votes(head, &state)).expect("a valid block");
        let root: Root = block.tree_hash_root();
        head = Checkpoint { root, slot: block.slot };
        state = Arc::new(post);
        let block = Arc::new(signed(block));
        blocks.push(ImportedBlock { root, block, state: Arc::clone(&state) });
        if blocks.len() == 64 || count == LARGE_BLOCKS {
            let on_chain = |checkpoint: Checkpoint| {
                if checkpoint.root == Root::ZERO { genesis } else { checkpoint }
            };
            let facts = ForkChoiceFacts {
                head,
                safe_target: head,
                justified: on_chain(state.latest_justified),
                finalized: on_chain(state.latest_finalized),
            };
            let update =
                Update { blocks: std::mem::take(&mut blocks), facts: Some(facts), votes: None };
            store.append(&update).expect("writes");
        }
    }
}

/// Works until it is killed.
pub fn run(path: &Path) {
    let started = Instant::now();
    let store = Arc::new(open(path));
    let plugin = RocksDbPlugin { store: Arc::clone(&store) };
    let resumed = store.resume().expect("nothing to repair");
    let anchor = match &resumed {
        None => begin(&store),
        Some(data) => Anchor::from(data),
    };
    let setup = Setup::new(anchor).with(|app| {
        if let Some(data) = resumed {
            app.add_plugins(ResumePlugin { data });
        }
        app.add_plugins(plugin);
    });
    let mut node = TestNode::new(setup);
    node.update();
    // The test runner has left its line open.
    println!("\nready {}", started.elapsed().as_millis());

    let mut waiting: Vec<Checkpoint> = Vec::new();
    loop {
        let head = node.world().resource::<Head>().0;
        let slot = head.slot + 1;
        sign(&store, slot.saturating_sub(1));
        sign(&store, slot);
        waiting.push(import(&mut node, head, slot, true));
        if slot.is_multiple_of(4)
            && let Some(parent) = parent_of(&mut node, head)
        {
            waiting.push(import(&mut node, parent, slot, false));
        }
        // Often several updates share a batch.
        if slot.is_multiple_of(3) {
            let writer = Arc::clone(node.world().resource::<StorageWriter>().writer());
            assert!(writer.wait_until_written(Duration::from_secs(60)), "it is written");
            for block in waiting.drain(..) {
                println!("block {} {} .", block.slot, block.root);
            }
            println!("head {} .", node.world().resource::<Head>().0.slot);
        }
    }
}

fn parent_of(node: &mut TestNode, block: Checkpoint) -> Option<Checkpoint> {
    let tree = node.world().resource::<BlockTree>();
    let parent = tree.parent(tree.find(&block.root)?)?;
    Some(Checkpoint { root: tree[parent].root, slot: tree.slot(parent) })
}

fn import(node: &mut TestNode, on: Checkpoint, slot: Slot, attests_to_it: bool) -> Checkpoint {
    let state = node.world().resource::<States>().get(&on.root).expect("a recent block");
    let state = Arc::clone(state);
    let votes = if attests_to_it { votes(on, &state) } else { Vec::new() };
    let (block, _) = build_on(&state, slot, votes).expect("a valid block");
    let at = Checkpoint { root: block.tree_hash_root(), slot };
    node.tick_to(5 * slot, false);
    let verdict = node.block(signed(block));
    assert!(
        matches!(verdict, Verdict::Accepted | Verdict::Ignored(IgnoreReason::KnownBlock)),
        "{verdict:?}"
    );
    at
}

/// Signs as a guard does: what is recorded is signed again, nothing else.
fn sign(store: &Store, slot: Slot) {
    let found = store.find(&KEY, slot).expect("reads");
    let message = found.map_or_else(
        || {
            // Every process would sign something else.
            let message = Root::from(rand::random::<[u8; 32]>());
            let entry = SigningEntry { public_key: KEY, slot, message, signature: None };
            store.write(&[entry]).expect("is synced");
            message
        },
        |entry| entry.message,
    );
    println!("signed {slot} {message} .");
}
