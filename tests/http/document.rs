//! The API's description against what is served.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{
    chain,
    http::{Served, exchange, get, request},
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

#[test]
fn every_answer_is_described_as_it_comes() {
    let served = Served::start(Setup::new(chain::genesis(4)));
    let document = served.get("/openapi.json").json();
    for (path, item) in document["paths"].as_object().expect("paths") {
        let Some(content) = item["get"]["responses"]["200"]["content"].as_object() else {
            continue;
        };
        if path.starts_with("/debug") || path == "/metrics" || path.ends_with("/events") {
            continue;
        }
        let answer = get(served.address, &path.replace("{id}", "head"));
        assert_eq!(answer.status, 200, "{path}");
        let essence = |kind: &str| kind.split(';').next().map(str::to_owned);
        let actual = answer.header("content-type").and_then(essence);
        let kinds: Vec<_> = content.keys().map(|kind| essence(kind)).collect();
        assert!(kinds.contains(&actual), "{path}: {actual:?} of {kinds:?}");
        let schema = &content.values().next().expect("a schema")["schema"];
        let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) else {
            continue;
        };
        let properties = document["components"]["schemas"][name]["properties"].as_object();
        let properties: BTreeSet<_> = properties.expect("an object").keys().cloned().collect();
        let body = answer.json();
        let fields: BTreeSet<_> = body.as_object().expect("an object").keys().cloned().collect();
        assert_eq!(fields, properties, "{path}");
    }
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
