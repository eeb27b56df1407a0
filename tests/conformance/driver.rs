//! The same vectors through the HTTP test driver, as a simulator posts them to a node.

use libtest_mimic::Failed;
use quintet_components::{
    containers::{Root, Slot},
    preset::SignaturePreset,
};
use quintet_plugins::driver::TestDriverPlugin;
use serde_json::{Value, json};

use crate::{
    support::{
        chain,
        http::{Answer, Served, exchange, request},
        node::Setup,
    },
    vectors::{field, optional, same},
};

const PREFIX: &str = "/lean/v0/test_driver";

/// A node of another chain, with the driver beside its API.
fn served() -> Served {
    Served::start(Setup::new(chain::genesis(1)).with(|app| {
        app.add_plugins(TestDriverPlugin { preset: SignaturePreset::Test });
    }))
}

fn post(served: &Served, path: &str, body: &Value) -> Answer {
    let body = body.to_string();
    let media_type = ["content-type: application/json"];
    let path = format!("{PREFIX}{path}");
    exchange(served.address, &request("POST", &path, &media_type, body.as_bytes()))
}

/// The answer's JSON, if its status is this one.
fn with_status(answer: &Answer, status: u16) -> Result<Value, Failed> {
    let text = String::from_utf8_lossy(&answer.body);
    same(&format!("status of {text}"), &answer.status, &status)?;
    Ok(if text.is_empty() { Value::Null } else { answer.json() })
}

/// An error text begins with the reason that the vector names.
fn names_reason(answer: &Value, reason: Option<&str>) -> Result<(), Failed> {
    let error: Option<String> = optional(answer, "error")?;
    let named = error.as_deref().and_then(|error| error.split(':').next());
    same("the reason in the error", &named, &reason)
}

pub fn fork_choice(case: &Value) -> Result<(), Failed> {
    let served = served();
    let head = served.get("/lean/v0/head").body;
    let init = json!({
        "anchorState": case["anchorState"],
        "anchorBlock": case["anchorBlock"],
        "genesisTime": case["anchorState"]["config"]["genesisTime"],
    });
    let answer = post(&served, "/fork_choice/init", &init);
    if let Some(reason) = optional::<String>(case, "rejectionReason")? {
        return names_reason(&with_status(&answer, 422)?, Some(&reason));
    }
    with_status(&answer, 204)?;
    for (index, step) in field::<Vec<Value>>(case, "steps")?.iter().enumerate() {
        fork_choice_step(&served, step).map_err(|failed| {
            Failed::from(format!("step {index}: {}", failed.message().unwrap_or("failed")))
        })?;
    }
    same("the node's own head", &served.get("/lean/v0/head").body, &head)
}

fn fork_choice_step(served: &Served, step: &Value) -> Result<(), Failed> {
    let answer = with_status(&post(served, "/fork_choice/step", step), 200)?;
    same("accepted", &field::<bool>(&answer, "accepted")?, &field(step, "valid")?)?;
    names_reason(&answer, optional::<String>(step, "rejectionReason")?.as_deref())?;
    let (actual, expected) = (&answer["snapshot"], &step["storeSnapshot"]);
    for (ours, theirs) in [
        ("headRoot", "headRoot"),
        ("time", "time"),
        ("justifiedCheckpoint", "latestJustified"),
        ("finalizedCheckpoint", "latestFinalized"),
        ("safeTarget", "safeTargetRoot"),
    ] {
        same(ours, &actual[ours], &expected[theirs])?;
    }
    if let Some(slot) = optional::<Slot>(&step["checks"], "headSlot")? {
        same("headSlot", &field(actual, "headSlot")?, &slot)?;
    }
    let told = served.get(&format!("{PREFIX}/fork_choice/snapshot"));
    same("the snapshot told again", &with_status(&told, 200)?, actual)
}

pub fn state_transition(case: &Value) -> Result<(), Failed> {
    let served = served();
    let answer = with_status(&post(&served, "/state_transition/run", case), 200)?;
    let reason = optional::<String>(case, "rejectionReason")?;
    same("succeeded", &field::<bool>(&answer, "succeeded")?, &reason.is_none())?;
    names_reason(&answer, reason.as_deref())?;
    let post = &answer["post"];
    same("a post-state", &post.is_object(), &reason.is_none())?;
    let expected = &case["post"];
    for name in ["slot", "latestBlockHeaderSlot", "historicalBlockHashesCount"] {
        if let Some(number) = optional::<u64>(expected, name)? {
            same(name, &field(post, name)?, &number)?;
        }
    }
    if let Some(root) = optional::<Root>(expected, "latestBlockHeaderStateRoot")? {
        same("latestBlockHeaderStateRoot", &field(post, "latestBlockHeaderStateRoot")?, &root)?;
    }
    Ok(())
}

/// Vectors of block proofs.
pub fn verify_signatures(case: &Value) -> Result<(), Failed> {
    let answer = with_status(&post(&served(), "/verify_signatures/run", case), 200)?;
    let reason = optional::<String>(case, "rejectionReason")?;
    same("succeeded", &field::<bool>(&answer, "succeeded")?, &reason.is_none())?;
    names_reason(&answer, reason.as_deref())
}
