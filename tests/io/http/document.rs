//! The API's description against what is served.

use std::collections::BTreeSet;

use bevy_app::App;
use quintet_components::{
    containers::{AttestationData, Checkpoint, Status},
    network::{Agent, Direction, LastStatus, Peer, PeerScore, PeersById},
};
use serde_json::Value;
use tree_hash::TreeHash;

use crate::support::{
    chain,
    http::{Served, exchange, get_as, request},
    node::Setup,
};

/// Every path and method, as the reference of the clients names them, and ours.
const SERVED: [(&str, &str); 27] = [
    ("GET", "/"),
    ("GET", "/docs"),
    ("GET", "/debug/pprof/allocs"),
    ("GET", "/debug/pprof/heap"),
    ("GET", "/lean/v0/admin/aggregator"),
    ("POST", "/lean/v0/admin/aggregator"),
    ("GET", "/lean/v0/blocks/{id}"),
    ("GET", "/lean/v0/blocks/{id}/header"),
    ("GET", "/lean/v0/checkpoints/justified"),
    ("GET", "/lean/v0/config/spec"),
    ("GET", "/lean/v0/events"),
    ("GET", "/lean/v0/fork_choice"),
    ("GET", "/lean/v0/fork_choice/ui"),
    ("GET", "/lean/v0/genesis"),
    ("GET", "/lean/v0/head"),
    ("GET", "/lean/v0/headers/{id}"),
    ("GET", "/lean/v0/health"),
    ("GET", "/lean/v0/node/identity"),
    ("GET", "/lean/v0/node/peer_count"),
    ("GET", "/lean/v0/node/peers"),
    ("GET", "/lean/v0/node/syncing"),
    ("GET", "/lean/v0/node/version"),
    ("GET", "/lean/v0/states/{id}"),
    ("GET", "/metrics"),
    ("GET", "/openapi.json"),
    ("GET", "/quintet/v0/overview"),
    ("GET", "/v0/health"),
];

/// Paths and methods of the description.
fn described(document: &Value) -> BTreeSet<(String, String)> {
    let paths = document["paths"].as_object().expect("paths");
    let methods = |(path, item): (&String, &Value)| {
        let item = item.as_object().expect("methods").clone();
        let path = path.clone();
        item.into_iter().map(move |(method, _)| (method.to_uppercase(), path.clone()))
    };
    paths.iter().flat_map(methods).collect()
}

#[test]
fn what_is_served_is_described_and_the_other_way_round() {
    let served = Served::start(Setup::new(chain::genesis(4)));
    let document = served.get("/openapi.json");
    assert_eq!(document.header("content-type"), Some("application/json; charset=utf-8"));
    let described = described(&document.json());
    let expected: BTreeSet<_> =
        SERVED.iter().map(|(method, path)| ((*method).into(), (*path).into())).collect();
    assert_eq!(described, expected);
    for (method, path) in described {
        let path = path.replace("{id}", "head");
        let on = match path.split('/').nth(1) {
            Some("debug" | "metrics") => served.metrics,
            _ => served.address,
        };
        // A body that is no role, so that nobody has to change it.
        let status = exchange(on, &request(&method, &path, &[], b"")).status;
        assert!(!matches!(status, 404 | 405), "{method} {path}: {status}");
        let other = exchange(on, &request("DELETE", &path, &[], b""));
        assert_eq!(other.status, 405, "{path}");
        let allowed = other.header("allow").unwrap_or_default();
        assert!(allowed.split(',').any(|each| each == method), "{path}: {allowed}");
        other.error();
    }
}

/// Panics unless a value has the form that a schema describes, to its leaves.
fn assert_described(document: &Value, schema: &Value, value: &Value, at: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().expect("a name");
        return assert_described(document, &document["components"]["schemas"][name], value, at);
    }
    if let Some(options) = schema["oneOf"].as_array() {
        // Null, or something.
        let option = options.iter().find(|each| (each["type"] == "null") == value.is_null());
        return assert_described(document, option.unwrap_or_else(|| panic!("{at}")), value, at);
    }
    assert!(schema.is_object(), "{at}: nothing describes it");
    if schema.get("type").is_none() {
        // Any value.
        return;
    }
    let kinds = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        kind => Vec::from_iter(kind.as_str()),
    };
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) if kinds.contains(&"number") => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(values) => {
            for (place, value) in values.iter().enumerate() {
                assert_described(document, &schema["items"], value, &format!("{at}[{place}]"));
            }
            "array"
        }
        Value::Object(fields) => {
            let properties = schema["properties"].as_object();
            let properties = properties.unwrap_or_else(|| panic!("{at}: {schema}"));
            let names = |object: &serde_json::Map<_, _>| object.keys().cloned().collect();
            let (told, described): (BTreeSet<String>, BTreeSet<String>) =
                (names(fields), names(properties));
            // What is not always there is not required.
            let required = schema["required"].as_array().into_iter().flatten();
            let required: BTreeSet<String> =
                required.filter_map(Value::as_str).map(Into::into).collect();
            assert!(told.is_subset(&described), "{at}: {told:?}, described {described:?}");
            assert!(required.is_subset(&told), "{at}: {told:?}, required {required:?}");
            for (name, value) in fields {
                assert_described(document, &properties[name], value, &format!("{at}.{name}"));
            }
            "object"
        }
    };
    assert!(kinds.contains(&kind), "{at}: {value} is no {kinds:?}");
}

/// A node with something in its lists: a block, a session, a peer.
fn busy() -> Served {
    let anchor = chain::genesis(4);
    let plugins = |app: &mut App| _ = app.init_resource::<PeersById>();
    let mut served = Served::start(Setup::new(anchor.clone()).accepting_signatures().with(plugins));
    served.node.set_aggregator(true);
    served.node.tick_to(6, false);
    let (block, _) = chain::build_on(&anchor.state, 1, Vec::new()).expect("a valid block");
    served.node.block(chain::signed(block));
    let genesis = Checkpoint { root: anchor.block.tree_hash_root(), slot: 0 };
    let data = AttestationData { slot: 1, head: genesis, target: genesis, source: genesis };
    served.node.attestation(chain::attested_by(data, 0));
    let world = served.node.world();
    world.spawn((
        Peer { id: "16Uiu2HAm".into(), address: "/ip4/127.0.0.9/udp/9000/quic-v1".into() },
        (Direction::Outbound, Agent("quintet".into()), PeerScore(-0.5)),
        LastStatus { status: Status { finalized: genesis, head: genesis }, at_ms: 0 },
    ));
    served.node.tick_to(12, false);
    served
}

#[test]
fn every_answer_is_described_as_it_comes() {
    let served = busy();
    let document = served.get("/openapi.json").json();
    for (path, item) in document["paths"].as_object().expect("paths") {
        let Some(content) = item["get"]["responses"]["200"]["content"].as_object() else {
            continue;
        };
        if path.starts_with("/debug") || path == "/metrics" || path.ends_with("/events") {
            continue;
        }
        let path = path.replace("{id}", "head");
        for (kind, body) in content {
            let answer = get_as(served.address, &path, kind);
            assert_eq!(answer.status, 200, "{path}");
            let essence = |kind: &str| kind.split(';').next().map(str::to_owned);
            let actual = answer.header("content-type").and_then(essence);
            assert_eq!(actual, essence(kind), "{path}");
            if kind.starts_with("application/json") && path != "/openapi.json" {
                assert_described(&document, &body["schema"], &answer.json(), &path);
            }
        }
    }
    // The lists were not empty.
    let overview = served.get("/quintet/v0/overview").json();
    assert_eq!(overview["peers"], served.get("/lean/v0/node/peers").json()["peers"]);
    assert_eq!(overview["peers"][0]["direction"], "outbound");
    assert!(overview["sessions"].to_string().contains("aggregation"), "{overview}");
}

#[test]
fn the_description_names_everything_that_it_refers_to() {
    let served = Served::start(Setup::new(chain::genesis(4)));
    let document = served.get("/openapi.json").json();
    let text = document.to_string();
    let schemas = document["components"]["schemas"].as_object().expect("schemas");
    for (_, rest) in text.match_indices("#/components/schemas/").map(|(at, _)| text.split_at(at)) {
        let name = rest["#/components/schemas/".len()..].split('"').next().expect("a name");
        assert!(schemas.contains_key(name), "{name}");
    }
    assert!(document["components"]["securitySchemes"]["token"].is_object());
}
