//! The admin surface: who may use it, and what it changes.

use std::net::Ipv4Addr;

use quintet_components::chain::IsAggregator;
use quintet_plugins::http::AdminToken;
use serde_json::json;

use crate::support::{
    chain,
    http::{Served, exchange, request},
    node::Setup,
};

const PATH: &str = "/lean/v0/admin/aggregator";
const TOKEN: &str = "0123456789abcdef";

fn set(enabled: bool, headers: &[&str]) -> Vec<u8> {
    let body = json!({ "enabled": enabled }).to_string();
    let headers = [&["content-type: application/json"], headers].concat();
    request("POST", PATH, &headers, body.as_bytes())
}

/// A node that listens on every address.
fn exposed(token: Option<&str>) -> Served {
    let mut served = Served::with(Setup::new(chain::genesis(4)), |config| {
        config.api = Some((Ipv4Addr::UNSPECIFIED, 0).into());
        config.admin_token = token.map(|text| AdminToken::new(text).expect("a token"));
    });
    served.address = (Ipv4Addr::LOCALHOST, served.address.port()).into();
    served
}

#[test]
fn the_role_is_changed_in_the_world_and_shows_at_once() {
    let mut served = Served::start(Setup::new(chain::genesis(4)));
    for (enabled, previous) in [(true, false), (true, true), (false, true)] {
        let answer = served.ask(&set(enabled, &[]));
        assert_eq!(answer.json(), json!({ "is_aggregator": enabled, "previous": previous }));
        assert_eq!(served.node.world().resource::<IsAggregator>().0, enabled);
        assert_eq!(served.get(PATH).json(), json!({ "is_aggregator": enabled }));
    }
    let body = b"{\"enabled\":true}";
    let without_type = served.ask(&request("POST", PATH, &[], body));
    assert_eq!(without_type.status, 200, "a body without a type is JSON");
    let typed = ["content-type: application/json; charset=utf-8"];
    assert_eq!(served.ask(&request("POST", PATH, &typed, body)).status, 200);
}

#[test]
fn beyond_loopback_there_is_no_admin_without_a_token() {
    let mut served = exposed(None);
    let answer = served.get(PATH);
    assert_eq!(answer.status, 403);
    assert!(answer.error().contains("admin token"));
    assert_eq!(exchange(served.address, &set(true, &[])).status, 403);
    assert!(!served.node.world().resource::<IsAggregator>().0);
    assert_eq!(served.get("/lean/v0/health").status, 200, "the rest is served");
    assert_eq!(
        exchange(served.metrics, &request("GET", "/debug/pprof/heap", &[], b"")).status,
        403
    );
}

#[test]
fn the_token_is_needed_and_no_other_will_do() {
    let mut served = exposed(Some(TOKEN));
    for header in [
        "x: y",
        "authorization: Bearer",
        "authorization: Bearer ",
        "authorization: Bearer 0123456789abcdeg",
        "authorization: Bearer 0123456789abcdef0",
        "authorization: Bearer 0123456789abcde",
        "authorization: 0123456789abcdef",
        "authorization: Basic 0123456789abcdef",
        "authorization: \u{e9}",
    ] {
        let answer = exchange(served.address, &set(true, &[header]));
        assert_eq!(answer.status, 401, "{header}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        assert!(!answer.error().contains(TOKEN));
    }
    assert!(!served.node.world().resource::<IsAggregator>().0);
    for header in
        [format!("authorization: Bearer {TOKEN}"), format!("Authorization: bearer {TOKEN}")]
    {
        assert_eq!(served.ask(&set(true, &[&header])).status, 200);
    }
    assert!(served.node.world().resource::<IsAggregator>().0);
}

#[test]
fn a_page_of_another_origin_changes_nothing() {
    let mut served = Served::start(Setup::new(chain::genesis(4)));
    let answer = exchange(served.address, &set(true, &["origin: http://evil.example"]));
    assert_eq!(answer.status, 403);
    answer.error();
    assert!(!served.node.world().resource::<IsAggregator>().0);
    assert_eq!(served.ask(&set(true, &["origin: http://localhost"])).status, 200);
}

#[test]
fn origins_are_allowed_by_configuration_only() {
    let plain = Served::start(Setup::new(chain::genesis(4)));
    let ask = |served: &Served| {
        let asked = request("GET", "/lean/v0/head", &["origin: http://a.example"], b"");
        exchange(served.address, &asked)
    };
    assert_eq!(ask(&plain).header("access-control-allow-origin"), None);
    for (origins, expected) in [
        (vec!["*"], Some("*")),
        (vec!["http://b.example", "http://a.example"], Some("http://a.example")),
        (vec!["http://b.example"], None),
    ] {
        let served = Served::with(Setup::new(chain::genesis(4)), |config| {
            config.cors_origins = origins.iter().map(|origin| (*origin).into()).collect();
        });
        assert_eq!(ask(&served).header("access-control-allow-origin"), expected, "{origins:?}");
    }
}
