//! The HTTP test driver beside a node: what it refuses, and that it loses nothing by it. The vectors
//! themselves go through it in `tests/conformance`.

use std::{io::Write as _, time::Duration};

use crate::support::{
    chain,
    http::{Answer, Served, connect, exchange, request},
    node::Setup,
};
use quintet_components::{
    containers::{AttestationData, Checkpoint, Root},
    preset::SignaturePreset,
};
use quintet_plugins::{
    driver::{MAX_BODY_BYTES, MAX_REQUESTS, TestDriverPlugin},
    scenario::MAX_INTERVALS_A_STEP,
};
use quintet_prover::{CancelToken, Multisig, ProofSystem as _, RawSignature, Statement};
use quintet_systems::{transition::anchor_block, verification::scheme_of};
use serde_json::{Value, json};
use tree_hash::TreeHash as _;

const PREFIX: &str = "/lean/v0/test_driver";
const JSON: &str = "content-type: application/json";

fn served() -> Served {
    Served::start(Setup::new(chain::genesis(1)).with(|app| {
        app.add_plugins(TestDriverPlugin { preset: SignaturePreset::Test });
    }))
}

fn send(served: &Served, path: &str, headers: &[&str], body: &[u8]) -> Answer {
    exchange(served.address, &request("POST", &format!("{PREFIX}{path}"), headers, body))
}

fn post(served: &Served, path: &str, body: &Value) -> Answer {
    send(served, path, &[JSON], body.to_string().as_bytes())
}

fn snapshot(served: &Served) -> Answer {
    served.get(&format!("{PREFIX}/fork_choice/snapshot"))
}

/// Genesis with four validators, in the vectors' JSON.
fn genesis() -> Value {
    let anchor = chain::genesis(4);
    json!({"anchorState": *anchor.state, "anchorBlock": anchor.block})
}

/// A status, and the beginning of what the error says.
fn refused(answer: &Answer, status: u16, says: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    let error = answer.error();
    assert!(error.starts_with(says), "{error}, expected {says}");
}

#[test]
fn without_the_plugin_there_is_no_driver() {
    let served = Served::start(Setup::new(chain::genesis(1)));
    assert_eq!(snapshot(&served).status, 404);
    assert_eq!(post(&served, "/reset", &json!({})).status, 404);
}

#[test]
fn a_scenario_is_begun_walked_and_forgotten() {
    let served = served();
    refused(&snapshot(&served), 409, "there is no scenario");
    let tick = json!({"stepType": "tick", "interval": 7, "hasProposal": false});
    refused(&post(&served, "/fork_choice/step", &tick), 409, "there is no scenario");

    let begun = post(&served, "/fork_choice/init", &genesis());
    assert_eq!((begun.status, begun.body.len()), (204, 0));
    assert_eq!(snapshot(&served).json()["time"], 0);
    let answer = post(&served, "/fork_choice/step", &tick).json();
    assert_eq!((&answer["accepted"], &answer["error"]), (&json!(true), &Value::Null));
    assert_eq!(answer["snapshot"]["time"], 7);
    assert_eq!(answer["snapshot"], snapshot(&served).json());
    // Time stands still when it is told to go back.
    let back = json!({"stepType": "tick", "interval": 2, "hasProposal": false});
    assert_eq!(post(&served, "/fork_choice/step", &back).json()["snapshot"]["time"], 7);

    // A second scenario takes the place of the first.
    assert_eq!(post(&served, "/fork_choice/init", &genesis()).status, 204);
    assert_eq!(snapshot(&served).json()["time"], 0);
    assert_eq!(post(&served, "/reset", &Value::Null).status, 204);
    refused(&snapshot(&served), 409, "there is no scenario");
}

#[test]
fn a_block_is_imported_and_a_wrong_one_refused_by_its_reason() {
    let served = served();
    assert_eq!(post(&served, "/fork_choice/init", &genesis()).status, 204);
    let anchor = chain::genesis(4);
    let (block, _) = chain::build_on(&anchor.state, 1, Vec::new()).expect("a valid block");
    let step = |block: &quintet_components::containers::Block| json!({"stepType": "block", "block": block, "tickToSlot": true});
    let answer = post(&served, "/fork_choice/step", &step(&block)).json();
    assert_eq!(answer["accepted"], true, "{answer}");
    assert_eq!(answer["snapshot"]["headSlot"], 1);
    assert_eq!(answer["snapshot"]["time"], 5);

    let before = answer["snapshot"].clone();
    let mut orphan = block.clone();
    orphan.parent_root = Root::repeat_byte(7);
    let mut liar = block;
    liar.state_root = Root::repeat_byte(9);
    for (block, reason) in [(orphan, "UNKNOWN_PARENT_BLOCK: "), (liar, "STATE_ROOT_MISMATCH: ")] {
        let answer = post(&served, "/fork_choice/step", &step(&block)).json();
        assert_eq!(answer["accepted"], false);
        assert!(
            answer["error"].as_str().is_some_and(|error| error.starts_with(reason)),
            "{answer}"
        );
        assert_eq!(answer["snapshot"], before);
    }
}

#[test]
fn an_anchor_that_does_not_fit_begins_nothing() {
    let served = served();
    let with = |change: &dyn Fn(&mut Value)| {
        assert_eq!(post(&served, "/fork_choice/init", &genesis()).status, 204);
        let mut init = genesis();
        change(&mut init);
        let answer = post(&served, "/fork_choice/init", &init);
        assert_eq!(snapshot(&served).status, 409, "what was there before is gone too");
        answer
    };
    let wrong_root = json!(format!("0x{}", "11".repeat(32)));
    refused(
        &with(&|init| init["anchorBlock"]["stateRoot"] = wrong_root.clone()),
        422,
        "ANCHOR_STATE_ROOT_MISMATCH: ",
    );
    refused(&with(&|init| init["genesisTime"] = json!(1)), 400, "genesisTime: 1, ");
    refused(&with(&|init| init["anchorState"] = json!(3)), 400, "anchorState");
    refused(
        &with(&|init| _ = init["anchorBlock"].as_object_mut().map(|block| block.remove("slot"))),
        400,
        "anchorBlock",
    );
    refused(
        &with(&|init| init["anchorState"]["config"]["genesisTime"] = json!(u64::MAX)),
        400,
        "anchorState.config.genesisTime: ",
    );
    let far = |init: &mut Value| {
        let mut state = chain::genesis(4).state.as_ref().clone();
        state.slot = u64::MAX;
        let mut block = anchor_block(&state);
        block.slot = u64::MAX;
        *init = json!({"anchorState": state, "anchorBlock": block});
    };
    refused(&with(&far), 400, "anchorBlock.slot: ");
}

#[test]
fn steps_that_cannot_be_are_refused_and_the_scenario_goes_on() {
    let served = served();
    assert_eq!(post(&served, "/fork_choice/init", &genesis()).status, 204);
    let before = snapshot(&served).json();
    let (block, _) =
        chain::build_on(&chain::genesis(4).state, 1, Vec::new()).expect("a valid block");
    let too_far = MAX_INTERVALS_A_STEP + 1;
    let known = |participants: Value| {
        let root = format!("0x{}", "22".repeat(32));
        json!({"knownAggregatedPayloads": [{"dataRoot": root, "participantSets": [participants]}]})
    };
    for (step, says) in [
        (json!({}), "no field stepType"),
        (json!({"stepType": "dance"}), "stepType: unknown step \"dance\""),
        (json!({"stepType": "tick", "hasProposal": true}), "no field time"),
        (json!({"stepType": "tick", "interval": 1}), "no field hasProposal"),
        (json!({"stepType": "tick", "interval": -1, "hasProposal": true}), "interval"),
        (
            json!({"stepType": "tick", "interval": too_far, "hasProposal": true}),
            "the clock is at interval 0",
        ),
        (
            json!({"stepType": "tick", "interval": u64::MAX, "hasProposal": true}),
            "the clock is at interval 0",
        ),
        (
            json!({"stepType": "tick", "time": u64::MAX, "hasProposal": true}),
            "the clock is at interval 0",
        ),
        (json!({"stepType": "block", "block": {}}), "block"),
        (json!({"stepType": "attestation", "attestation": []}), "attestation"),
        (
            json!({"stepType": "block", "block": block, "tickToSlot": false, "storeSnapshot": known(json!([0]))}),
            "no attestation over known blocks",
        ),
        (
            json!({"stepType": "block", "block": block, "tickToSlot": false, "storeSnapshot": known(json!("all"))}),
            "knownAggregatedPayloads",
        ),
    ] {
        refused(&post(&served, "/fork_choice/step", &step), 400, says);
    }
    let mut late = json!({"stepType": "block", "block": block, "tickToSlot": true});
    late["block"]["slot"] = json!(u64::MAX);
    refused(&post(&served, "/fork_choice/step", &late), 400, "the clock is at interval 0");
    assert_eq!(snapshot(&served).json(), before);
}

#[test]
fn requests_that_are_none_are_answered_with_the_right_status() {
    let served = served();
    for path in [
        "/fork_choice/init",
        "/fork_choice/step",
        "/state_transition/run",
        "/verify_signatures/run",
    ] {
        refused(&send(&served, path, &[JSON], b"{"), 400, "the body is not JSON: ");
        refused(&send(&served, path, &[JSON], b""), 400, "the body is not JSON: ");
        refused(&send(&served, path, &[JSON], b"[]"), 400, "no field ");
        refused(
            &send(&served, path, &["content-type: text/yaml"], b"{}"),
            415,
            "the body has to be",
        );
        assert_eq!(
            send(&served, path, &["content-type: application/JSON; charset=utf-8"], b"{}").status,
            400
        );
        let got = served.get(&format!("{PREFIX}{path}"));
        assert_eq!(got.status, 405, "{got:?}");
    }
    // A body is refused by what it says of its length, before it comes.
    let head = format!(
        "POST {PREFIX}/reset HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        MAX_BODY_BYTES + 1
    );
    let head = head.replace("/reset", "/fork_choice/init");
    refused(&exchange(served.address, head.as_bytes()), 413, "the body is larger than");
}

#[test]
fn as_many_bodies_are_awaited_as_there_is_room_for() {
    let served = served();
    let head = format!(
        "POST {PREFIX}/fork_choice/init HTTP/1.1\r\nhost: localhost\r\n{JSON}\r\ncontent-length: 9\r\n\r\n"
    );
    let until = |status| {
        (0..2_000).any(|_| {
            std::thread::sleep(Duration::from_millis(5));
            snapshot(&served).status == status
        })
    };
    let senders: Vec<_> = (0..MAX_REQUESTS).map(|_| connect(served.address)).collect();
    for mut sender in &senders {
        sender.write_all(head.as_bytes()).expect("it is open");
    }
    assert!(until(503), "every place is taken");
    refused(&snapshot(&served), 503, "too many requests at once");
    drop(senders);
    assert!(until(409), "there is room, and no scenario");
}

#[test]
fn proofs_of_blocks_are_checked() {
    let served = served();
    let anchor = chain::genesis(4);
    let (block, _) = chain::build_on(&anchor.state, 1, Vec::new()).expect("a valid block");
    let run = |change: &dyn Fn(&mut Value)| {
        let mut case = json!({"leanEnv": "test", "anchorState": *anchor.state, "signedBlock": chain::signed(block.clone())});
        change(&mut case);
        post(&served, "/verify_signatures/run", &case)
    };
    assert_eq!(run(&|_| {}).json(), json!({"succeeded": true, "error": null}));
    for (change, reason) in [
        (
            &(|case: &mut Value| {
                case["signedBlock"]["proof"]["proof"] = json!({"data": "0x00010203"});
            }) as &dyn Fn(&mut Value),
            "INVALID_BLOCK_PROOF: ",
        ),
        (
            &|case: &mut Value| case["signedBlock"]["block"]["proposerIndex"] = json!(4),
            "PROPOSER_INDEX_OUT_OF_RANGE: ",
        ),
    ] {
        let answer = run(change).json();
        assert_eq!(answer["succeeded"], false);
        assert!(
            answer["error"].as_str().is_some_and(|error| error.starts_with(reason)),
            "{answer}"
        );
    }
    refused(&run(&|case| case["leanEnv"] = json!("moon")), 400, "leanEnv: \"moon\"");
}

#[test]
fn proofs_are_checked_as_the_vector_says() {
    let served = served();
    let anchor = chain::genesis(4);
    let root = anchor.block.tree_hash_root();
    let genesis_block = Checkpoint { root, slot: 0 };
    let data = AttestationData {
        slot: 1,
        head: genesis_block,
        target: genesis_block,
        source: genesis_block,
    };
    let tick = json!({"stepType": "tick", "interval": 6, "hasProposal": false});
    let step = |proof: &dyn Fn(&mut Value)| {
        let mut step = json!({
            "stepType": "gossipAggregatedAttestation",
            "attestation": chain::aggregate(data, &[0, 2]),
        });
        proof(&mut step["attestation"]["proof"]["proof"]["data"]);
        step
    };
    let begin = |setting: Value| {
        let mut init = genesis();
        init["proofSetting"] = setting;
        init["leanEnv"] = json!("test");
        post(&served, "/fork_choice/init", &init)
    };
    let placeholder = step(&|_| {});
    // The envelope of a real proof, of which no signature is valid.
    let real = step(&|proof| {
        let keys = [[0; 52]; 2];
        let statement = Statement {
            slot: data.slot,
            message: data.tree_hash_root().0,
            public_keys: keys.iter().map(|key| &key[..]).collect(),
        };
        let scheme = scheme_of(SignaturePreset::Test);
        let signature = vec![0; scheme.signature_len()];
        let raw = [0, 1].map(|signer| RawSignature { signer, signature: &signature });
        let made = Multisig::new(scheme)
            .aggregate(&statement, &[], &raw, &CancelToken::default())
            .expect("of the right shape");
        *proof = json!(format!("0x{}", alloy_primitives::hex::encode(made)));
    });
    for (setting, step, error) in [
        (json!(0), &placeholder, None),
        (json!(0), &real, Some("not a placeholder")),
        (json!(1), &placeholder, Some("malformed proof")),
        (json!(2), &real, Some("signature of signer 0")),
        (Value::Null, &placeholder, None),
        (Value::Null, &real, Some("signature of signer 0")),
    ] {
        assert_eq!(begin(setting.clone()).status, 204);
        assert_eq!(post(&served, "/fork_choice/step", &tick).status, 200);
        let answer = post(&served, "/fork_choice/step", step).json();
        let Some(said) = error else {
            assert_eq!(answer["accepted"], true, "{setting}: {answer}");
            continue;
        };
        let text = answer["error"].as_str().unwrap_or_default();
        assert!(
            text.starts_with("INVALID_SIGNATURE: ") && text.contains(said),
            "{setting}: {text}"
        );
    }
    refused(&begin(json!(3)), 400, "proofSetting: 3 ");
    refused(&begin(json!("real")), 400, "proofSetting");
}
