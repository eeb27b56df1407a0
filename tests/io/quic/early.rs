//! Blocks that come before their time, over real connections.

use quintet_systems::fork_choice::early::EarlyBlocks;

use crate::support::networked::{Blockchain, Networked, run_until};

/// Keeps a node at the beginning of a slot.
fn hold<const N: usize>(nodes: [&mut Networked; N], slot: u64) {
    for node in nodes {
        node.turn_to(slot);
    }
}

/// The first of three nodes in a line has a clock that is a slot fast.
#[test]
fn a_future_block_is_neither_imported_nor_forwarded_before_its_time() {
    let chain = Blockchain::grow(4, 3, 4);
    let mut fast = Networked::start(1, &chain.anchor, &[]);
    let mut middle = Networked::start(2, &chain.anchor, &[&fast]);
    let mut last = Networked::start(3, &chain.anchor, &[&middle]);
    for node in [&mut fast, &mut middle, &mut last] {
        node.turn_to(2);
        node.import(chain.up_to(2));
    }
    run_until([&mut fast, &mut middle, &mut last], "connects", |[_, middle, last]| {
        middle.peers() == 2 && last.peers() == 1
    });
    let (root, block) = chain.at(3);
    fast.turn_to(3);
    fast.import(chain.up_to(3));
    fast.publish(block);
    let waiting = |node: &mut Networked| node.node.world().resource::<EarlyBlocks>().len();
    run_until([&mut fast, &mut middle, &mut last], "it comes and waits", |[_, middle, last]| {
        hold([middle, last], 2);
        middle.counters.blocks.received.get() == 1 && waiting(middle) > 0
    });
    for _ in 0..50 {
        hold([&mut middle, &mut last], 2);
        fast.update();
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    assert!(!middle.knows(root) && !last.knows(root), "imported before its time");
    assert_eq!(last.counters.blocks.received.get(), 0, "forwarded before its time");
    assert_eq!(middle.counters.blocks.rejected.get(), 0);
    hold([&mut middle, &mut last], 3);
    run_until([&mut fast, &mut middle, &mut last], "it goes on", |[_, middle, last]| {
        middle.knows(root) && last.knows(root) && last.counters.blocks.received.get() == 1
    });
    assert_eq!((waiting(&mut middle), waiting(&mut last)), (0, 0));
}
