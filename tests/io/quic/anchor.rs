//! The block that a chain began with, as peers get it.

use std::sync::Arc;

use quintet_components::{
    containers::{Root, SignedBlock},
    network::RequestEvent,
};
use tree_hash::TreeHash;

use crate::{
    quic::{
        node::{self, TestNode},
        requests::{by_range, by_root},
    },
    support::networked::{Blockchain, Networked, run_until},
};

/// The blocks of a request's answer, once it has ended well.
fn answer(client: &TestNode, id: u64) -> Option<Vec<(Root, Arc<SignedBlock>)>> {
    client.look(|log| {
        let ended = log.events.iter().find_map(|event| match event {
            RequestEvent::Ended { id: ended, result } if ended.0 == id => Some(result.clone()),
            _ => None,
        });
        assert_eq!(ended?, Ok(()), "request {id}");
        let blocks = log.events.iter().filter_map(|event| match event {
            RequestEvent::Block { id: of, root, block } if of.0 == id => {
                Some((*root, Arc::clone(block)))
            }
            _ => None,
        });
        Some(blocks.collect())
    })
}

#[test]
fn genesis_is_served_by_root_and_by_range_with_an_empty_proof() {
    let chain = Blockchain::grow(4, 6, 4);
    let mut server = Networked::start(1, &chain.anchor, &[]);
    server.turn_to(6);
    server.import(&chain.blocks);
    let mut config = node::config(9);
    config.bootnodes = vec![server.local.address().parse().expect("a bootnode")];
    let client = TestNode::start(config);
    let peer = server.local.peer.0.parse().expect("a peer id");
    client.wait_connected(peer);

    let root: Root = chain.anchor.block.tree_hash_root();
    let genesis = SignedBlock { block: chain.anchor.block.clone(), proof: Default::default() };
    let first = (root, Arc::new(genesis));
    // Among others, as hive asks for several known blocks at once; alone; and at a range's start.
    let others = chain.up_to(2);
    client.request(1, peer, by_root([others[0].0, root, others[1].0]));
    client.request(2, peer, by_root([root]));
    client.request(3, peer, by_range(0, 3));
    run_until([&mut server], "answers", |_| (1..=3).all(|id| answer(&client, id).is_some()));
    let [several, alone, range] = [1, 2, 3].map(|id| answer(&client, id).expect("just seen"));
    assert_eq!(several, [others[0].clone(), first.clone(), others[1].clone()]);
    assert_eq!(alone, std::slice::from_ref(&first));
    assert_eq!(range, [first, others[0].clone(), others[1].clone()]);
}
