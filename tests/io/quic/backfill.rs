//! A node that began at a checkpoint fetches what was before it, and serves it.

use std::sync::Arc;

use quintet_components::{
    preset::SignaturePreset,
    storage::{BlockSource, ChainIdentity, StoredHistory, StoredStates},
};
use quintet_plugins::{
    Anchor,
    storage::{MemoryStoragePlugin, Retention, Store},
};

use crate::support::{
    networked::{Blockchain, Networked, run_until},
    node::Setup,
};

const TIP: u64 = 200;
const ANCHOR: u64 = 150;

/// A store that begins at the checkpoint, and the checkpoint.
fn begun(chain: &Blockchain, source: &mut Networked) -> (Arc<Store>, Anchor) {
    let (root, block) = chain.at(ANCHOR);
    let states = source.node.world().resource::<StoredStates>().clone();
    let state = states.0.state(root).expect("reads").expect("is kept");
    let identity = ChainIdentity::of(&chain.anchor.state, "loopback", SignaturePreset::Test);
    let store = Store::in_memory(&identity, Retention::default());
    store.begin_anew(block, &state).expect("begins");
    (Arc::new(store), Anchor { block: block.block.clone(), state })
}

/// A node of this store, connected to another one.
fn start(store: &Arc<Store>, anchor: &Anchor, other: &Networked) -> Networked {
    let storage = MemoryStoragePlugin { store: Arc::clone(store) };
    let setup = Setup::new(anchor.clone()).accepting_signatures();
    let mut node = Networked::storing(2, setup, storage, &[other.local.address()], None);
    node.turn_to(TIP);
    node
}

fn stored_from(node: &Networked) -> u64 {
    node.node.app.world().resource::<StoredHistory>().from()
}

#[test]
fn what_was_before_a_checkpoint_is_fetched_and_handed_on() {
    let chain = Blockchain::grow(4, TIP, 4);
    let mut a = Networked::start(1, &chain.anchor, &[]);
    a.turn_to(TIP);
    a.import(&chain.blocks);
    let (store, anchor) = begun(&chain, &mut a);
    let mut b = start(&store, &anchor, &a);
    assert_eq!(stored_from(&b), ANCHOR);
    run_until([&mut a, &mut b], "follows, and fetches what was before", |[a, b]| {
        b.head() == a.head() && stored_from(b) == 1
    });
    for (root, block) in &chain.blocks {
        assert_eq!(store.signed_block(root).expect("reads").as_ref(), Some(block));
    }
    let ranges = b.counters.blocks_by_range.sent.get();
    assert!((4..=8).contains(&ranges), "one for the head, three for the rest: {ranges}");

    // Whoever begins at genesis needs nobody else.
    drop(a);
    let mut c = Networked::start(3, &chain.anchor, &[&b]);
    c.turn_to(TIP);
    run_until([&mut b, &mut c], "follows from genesis", |[b, c]| c.head() == b.head());
    assert!(chain.blocks.iter().all(|(root, _)| c.knows(root)));
}
