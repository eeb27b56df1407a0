//! What every path answers.

use quintet_components::{
    chain::{Finalized, Head},
    containers::{Block, Checkpoint, SignedBlock, State},
};
use serde_json::json;
use ssz::{Decode, Encode};
use tree_hash::TreeHash;

use crate::support::{
    chain::{self, GENESIS_TIME},
    http::Served,
    node::Setup,
};

/// A node whose head is at slot 3, over an empty slot 2.
fn grown() -> (Served, Vec<Block>) {
    let anchor = chain::genesis(4);
    let mut served = Served::start(Setup::new(anchor.clone()));
    let mut state = State::clone(&anchor.state);
    let mut blocks = vec![anchor.block];
    served.node.tick_to(20, false);
    for slot in [1, 3] {
        let (block, post) = chain::build_on(&state, slot, Vec::new()).expect("a valid block");
        served.node.block(chain::signed(block.clone()));
        state = post;
        blocks.push(block);
    }
    (served, blocks)
}

#[test]
fn health_is_the_same_everywhere() {
    let served = Served::start(Setup::new(chain::genesis(4)));
    for path in ["/lean/v0/health", "/v0/health"] {
        let answer = served.get(path);
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body, br#"{"status":"healthy","service":"lean-rpc-api"}"#);
        assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"));
    }
}

#[test]
fn the_tree_begins_at_the_finalized_block_and_follows_the_head() {
    let (mut served, blocks) = grown();
    let head = served.node.world().resource::<Head>().0;
    let roots: Vec<_> = blocks.iter().map(TreeHash::tree_hash_root).collect();
    let body = served.get("/lean/v0/fork_choice").json();
    let nodes: Vec<_> = (0..3)
        .map(|at| {
            json!({
                "root": roots[at], "slot": blocks[at].slot, "parent_root": blocks[at].parent_root,
                "proposer_index": blocks[at].proposer_index, "weight": 0,
            })
        })
        .collect();
    assert_eq!(body["nodes"], json!(nodes));
    assert_eq!(body["head"], json!(head.root));
    assert_eq!(body["validator_count"], 4);
    assert_eq!(served.get("/lean/v0/head").json(), json!({ "slot": head.slot, "root": head.root }));
    served.node.world().resource_mut::<Finalized>().0 = Checkpoint { root: roots[1], slot: 1 };
    served.node.update();
    let body = served.get("/lean/v0/fork_choice").json();
    assert_eq!(body["nodes"], json!(nodes[1..]));
    assert_eq!(body["finalized"], json!({ "slot": 1, "root": roots[1] }));
}

#[test]
fn the_finalized_block_and_state_belong_together() {
    let anchor = chain::genesis(4);
    let served = Served::start(Setup::new(anchor.clone()));
    let state = served.get("/lean/v0/states/finalized");
    assert_eq!(state.header("content-type"), Some("application/octet-stream"));
    assert_eq!(state.body, anchor.state.as_ssz_bytes());
    let state = State::from_ssz_bytes(&state.body).expect("a state");
    let block = served.get("/lean/v0/blocks/finalized");
    assert_eq!(block.header("content-type"), Some("application/octet-stream"));
    let block = SignedBlock::from_ssz_bytes(&block.body).expect("a block");
    assert_eq!(block.block, anchor.block);
    assert!(block.proof.proof.as_bytes().is_empty(), "genesis has no proof");
    assert_eq!(block.block.state_root, state.tree_hash_root());
}

#[test]
fn the_overview_names_the_node_the_clock_and_the_chain() {
    let (mut served, _) = grown();
    let head = served.node.world().resource::<Head>().0;
    let body = served.get("/quintet/v0/overview").json();
    assert_eq!(body["head"], json!({ "slot": head.slot, "root": head.root }));
    assert_eq!(
        body["clock"],
        json!({
            "slot": 4, "interval": 0, "time_ms": GENESIS_TIME * 1000 + 16_000,
            "seconds_per_slot": 4,
        })
    );
    assert_eq!(body["node"]["genesis_time"], GENESIS_TIME);
    assert_eq!(body["node"]["validator_count"], 4);
    assert_eq!(body["sync"]["head_slot"], head.slot);
    assert_eq!(body["peers"], json!([]));
}
