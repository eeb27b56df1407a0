//! The admin surface.

use quintet_components::chain::IsAggregator;
use serde_json::json;

use crate::support::{
    chain,
    http::{Served, request},
    node::Setup,
};

const PATH: &str = "/lean/v0/admin/aggregator";

fn set(enabled: bool) -> Vec<u8> {
    let body = json!({ "enabled": enabled }).to_string();
    request("POST", PATH, &["content-type: application/json"], body.as_bytes())
}

#[test]
fn the_role_is_changed_in_the_world_and_shows_at_once() {
    let mut served = Served::start(Setup::new(chain::genesis(4)));
    for (enabled, previous) in [(true, false), (true, true), (false, true)] {
        let answer = served.ask(&set(enabled));
        assert_eq!(answer.json(), json!({ "is_aggregator": enabled, "previous": previous }));
        assert_eq!(served.node.world().resource::<IsAggregator>().0, enabled);
        assert_eq!(served.get(PATH).json(), json!({ "is_aggregator": enabled }));
    }
}
