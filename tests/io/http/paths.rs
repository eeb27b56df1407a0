//! The answers of every path.

use std::{net::TcpListener, sync::Arc, time::Duration};

use quintet_components::{
    chain::{Finalized, Head, States},
    containers::{AttestationData, Block, BlockHeader, Checkpoint, Root, SignedBlock, State},
    storage::BlockSource,
};
use quintet_plugins::{Anchor, MetricsPlugin};
use serde_json::json;
use ssz::{Decode, Encode};
use tree_hash::TreeHash;

use crate::support::{
    chain::{self, GENESIS_TIME},
    http::{Served, get, get_as},
    networked::storage,
    node::Setup,
};

/// A node whose head is at slot 3, over an empty slot 2.
fn grown() -> (Served, Vec<Block>) {
    let anchor = chain::genesis(4);
    grow(Served::start(Setup::new(anchor.clone())), anchor)
}

fn grow(mut served: Served, anchor: Anchor) -> (Served, Vec<Block>) {
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
fn answers_in_two_forms_say_that_they_vary() {
    let (served, _) = grown();
    let varies = |answer: &crate::support::http::Answer| {
        let vary = answer.headers.iter().filter(|(name, _)| name == "vary");
        vary.flat_map(|(_, value)| value.split(',')).any(|name| name.trim() == "Accept")
    };
    for kind in ["blocks/{}", "blocks/{}/header", "headers/{}", "states/{}"] {
        // Found, not found, and malformed.
        for id in ["head", "99", "x"] {
            let path = format!("/lean/v0/{}", kind.replace("{}", id));
            for accept in ["application/json", "application/octet-stream", "*/*", "text/html"] {
                let answer = get_as(served.address, &path, accept);
                assert!(varies(&answer), "{path} {accept}: {:?}", answer.headers);
            }
        }
    }
    assert!(varies(&get(served.metrics, "/metrics")));
    for path in ["/lean/v0/head", "/lean/v0/health"] {
        assert!(!varies(&served.get(path)), "{path} has one form");
    }
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

#[test]
fn the_overview_tells_what_ran_in_each_interval_of_sixteen_slots() {
    let mut served = Served::start(Setup::new(chain::genesis(4)));
    served.node.tick_to(100, false);
    let body = served.get("/quintet/v0/overview").json();
    let slots = body["slots"].as_array().expect("slots");
    let numbers: Vec<_> = slots.iter().map(|slot| slot["slot"].as_u64()).collect();
    assert_eq!(numbers, (5..=20).map(Some).collect::<Vec<_>>());
    let whole = slots[14]["intervals"].as_array().expect("intervals");
    let systems = |interval: usize| {
        assert_eq!(whole[interval]["interval"], interval);
        let names = whole[interval]["systems"].as_array().expect("systems");
        names.iter().filter_map(|name| name.as_str()).collect::<Vec<_>>()
    };
    // No proposal has landed.
    assert!(!systems(0).contains(&"accept_new"));
    assert!(systems(2).contains(&"aggregate_slot"));
    assert!(systems(3).contains(&"update_safe_target"));
    assert!(systems(4).contains(&"accept_new") && !systems(3).contains(&"accept_new"));
}

#[test]
fn the_overview_tells_of_sessions_and_their_proofs() {
    let anchor = chain::genesis(4);
    let mut served = Served::start(Setup::new(anchor.clone()).accepting_signatures());
    served.node.set_aggregator(true);
    served.node.tick_to(6, false);
    let root = anchor.block.tree_hash_root();
    let genesis = Checkpoint { root, slot: 0 };
    let data = AttestationData { slot: 1, head: genesis, target: genesis, source: genesis };
    for validator in [0, 2] {
        served.node.attestation(chain::attested_by(data, validator));
    }
    served.node.tick_to(8, false);
    served.node.tick_to(9, false);
    let sessions = served.get("/quintet/v0/overview").json()["sessions"].clone();
    let genesis_ms = GENESIS_TIME * 1000;
    let told: Vec<_> = sessions.as_array().expect("sessions").iter().collect();
    let [before, session] = told.as_slice() else { panic!("{sessions}") };
    assert_eq!((&before["slot"], &before["outcome"]), (&json!(0), &json!("empty")));
    assert_eq!((&session["slot"], &session["outcome"]), (&json!(1), &json!("published")));
    assert_eq!(session["boundary_ms"], genesis_ms + 7 * 800);
    let job = &session["jobs"][0];
    assert_eq!(
        (&job["kind"], &job["status"], &job["signatures"], &job["children"], &job["subnet"]),
        (&json!("aggregation"), &json!("proved"), &json!(2), &json!(0), &json!(0))
    );
    assert!(job["asked_ms"].as_u64() >= Some(genesis_ms + 6 * 800));
    assert!(job["ended_ms"].as_u64() >= job["started_ms"].as_u64());
}

#[test]
fn blocks_and_states_are_found_by_every_id_and_in_both_forms() {
    let (served, blocks) = grown_with_store();
    let roots: Vec<Root> = blocks.iter().map(TreeHash::tree_hash_root).collect();
    let head = roots.len() - 1;
    for (id, place) in [
        ("genesis".to_owned(), 0),
        ("finalized".into(), 0),
        ("0".into(), 0),
        ("1".into(), 1),
        (roots[1].to_string(), 1),
        (roots[1].to_string().to_uppercase().replace("0X", "0x"), 1),
        ("head".into(), head),
        ("3".into(), head),
    ] {
        let block = &blocks[place];
        let ssz = served.get_as(&format!("/lean/v0/blocks/{id}"), "application/octet-stream");
        let decoded = SignedBlock::from_ssz_bytes(&ssz.body).expect("a block");
        assert_eq!(&decoded.block, block, "{id}");
        let json = served.get_as(&format!("/lean/v0/blocks/{id}"), "application/json").json();
        let read: SignedBlock = serde_json::from_value(json).expect("leanSpec's JSON");
        assert_eq!(read, decoded);
        for path in [format!("/lean/v0/blocks/{id}/header"), format!("/lean/v0/headers/{id}")] {
            let header = served.get(&path).json();
            assert_eq!(header["root"], json!(roots[place]));
            let read: BlockHeader = serde_json::from_value(header).expect("a header");
            assert_eq!(read, block.header());
            let ssz = served.get_as(&path, "application/octet-stream");
            assert_eq!(ssz.body, block.header().as_ssz_bytes());
        }
        let ssz = served.get(&format!("/lean/v0/states/{id}"));
        assert_eq!(ssz.header("content-type"), Some("application/octet-stream"));
        let state = State::from_ssz_bytes(&ssz.body).expect("a state");
        assert_eq!(state.tree_hash_root(), block.state_root, "{id}");
        let json = served.get_as(&format!("/lean/v0/states/{id}"), "application/json").json();
        assert_eq!(serde_json::from_value::<State>(json).expect("leanSpec's JSON"), state);
    }
    let empty = served.get("/lean/v0/blocks/2");
    assert_eq!((empty.status, empty.error().as_str()), (404, "the slot has no canonical block"));
}

#[test]
fn a_slot_is_found_by_the_store_when_the_world_no_longer_has_the_heads_state() {
    let (mut served, blocks) = grown_with_store();
    *served.node.world().resource_mut::<States>() = States::new(8);
    served.node.tick_to(21, false);
    let found = served.get_as("/lean/v0/blocks/1", "application/octet-stream");
    assert_eq!(SignedBlock::from_ssz_bytes(&found.body).expect("a block").block, blocks[1]);
    let genesis = served.get_as("/lean/v0/blocks/genesis", "application/octet-stream");
    assert_eq!(SignedBlock::from_ssz_bytes(&genesis.body).expect("a block").block, blocks[0]);
    let empty = served.get("/lean/v0/blocks/2");
    assert_eq!((empty.status, empty.error().as_str()), (404, "the slot has no canonical block"));
    let state = served.get("/lean/v0/states/1");
    let state = State::from_ssz_bytes(&state.body).expect("a state");
    assert_eq!(state.tree_hash_root(), blocks[1].state_root);
}

/// A node with a store, whose head is at slot 3 over an empty slot 2.
fn grown_with_store() -> (Served, Vec<Block>) {
    let anchor = chain::genesis(4);
    let store = storage(&anchor);
    let kept = Arc::clone(&store.store);
    let setup = Setup::new(anchor.clone()).with(move |app| _ = app.add_plugins(store));
    let (served, blocks) = grow(Served::start(setup), anchor);
    let head = blocks.last().map(TreeHash::tree_hash_root).expect("blocks");
    // The writer has its own time.
    let is_kept = (0..1000).any(|_| {
        std::thread::sleep(Duration::from_millis(5));
        matches!(kept.signed_block(&head), Ok(Some(_)))
    });
    assert!(is_kept, "blocks are written");
    (served, blocks)
}

#[test]
fn metrics_are_served_on_their_port_and_beside_the_api_when_the_ports_are_equal() {
    let measured =
        || Setup::new(chain::genesis(4)).with(|app| _ = app.add_plugins(MetricsPlugin::default()));
    let apart = Served::start(measured());
    assert_ne!(apart.address, apart.metrics);
    assert_eq!(apart.get("/metrics").status, 404);
    let classic = get(apart.metrics, "/metrics");
    assert_eq!(classic.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = String::from_utf8(classic.body).expect("text");
    assert!(text.contains("# TYPE lean_head_slot gauge"));
    let open = get_as(apart.metrics, "/metrics", "application/openmetrics-text");
    assert_eq!(
        open.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );

    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.7:0").and_then(|free| free.local_addr());
    let both = port.expect("loopback has ports");
    let shared = Served::with(measured(), |config| {
        config.api = Some(both);
        config.metrics = Some(both);
    });
    assert_eq!((shared.address, shared.metrics), (both, both));
    assert_eq!(shared.get("/metrics").status, 200);
    assert_eq!(shared.get("/lean/v0/health").status, 200);

    let unmeasured = Served::start(Setup::new(chain::genesis(4)));
    assert_eq!(get(unmeasured.metrics, "/metrics").status, 503);
}

#[test]
fn the_pages_are_whole_and_load_nothing_from_elsewhere() {
    let served = Served::start(Setup::new(chain::genesis(4)));
    for path in ["/", "/lean/v0/fork_choice/ui", "/docs"] {
        let page = served.get(path);
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"), "{path}");
        let policy = page.header("content-security-policy").expect("a policy");
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
        let text = String::from_utf8(page.body).expect("text");
        assert!(!text.contains("src=\"") && !text.contains("rel=\"stylesheet\""), "{path}");
    }
}
