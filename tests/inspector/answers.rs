//! What the inspector answers, and to whom.

use std::collections::BTreeSet;

use quintet_components::{chain::Head, clock::CurrentInterval, network::Agent};
use quintet_plugins::{InspectorPlugin, http::AdminToken};
use serde_json::Value;

use crate::{
    HOSTILE, VALIDATORS, busy, idle,
    support::{
        chain,
        http::{Answer, Served, request},
        node::Setup,
    },
};

const BASE: &str = "/quintet/v0/inspector";
const SIGNATURE: &str = "quintet_components::attestations::AttestationSignature";

fn ask(served: &mut Served, path: &str) -> Answer {
    served.ask(&request("GET", &format!("{BASE}{path}"), &[], b""))
}

fn told(served: &mut Served, path: &str) -> Value {
    let answer = ask(served, path);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"));
    answer.json()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

/// The row of this name.
fn named<'a>(rows: &'a Value, name: &str) -> &'a Value {
    let found = list(rows).iter().find(|row| row["name"] == name);
    found.unwrap_or_else(|| panic!("{name} in {rows}"))
}

#[test]
fn kinds_of_entities_are_counted_without_resources() {
    let mut served = busy();
    let kinds = told(&mut served, "/kinds");
    let of = |name: &str| {
        let has = |kind: &&Value| {
            list(&kind["components"]).iter().any(|component| component["name"] == name)
        };
        let counts = list(&kinds["kinds"]).iter().filter(has).map(|kind| kind["count"].as_u64());
        counts.map(|count| count.expect("a number")).sum::<u64>()
    };
    assert_eq!(
        (of("AttestationSignature"), of("PooledAttestation"), of("Peer")),
        (VALIDATORS, 1, 1),
        "{kinds}"
    );
    assert_eq!((of("BlockNode"), of("Head"), of("IsResource")), (1, 0, 0), "{kinds}");
    let all: u64 = list(&kinds["kinds"]).iter().filter_map(|kind| kind["count"].as_u64()).sum();
    assert_eq!((kinds["entities"].as_u64(), kinds["left_out"].as_u64()), (Some(all), Some(0)));
}

#[test]
fn entities_come_page_by_page_with_short_values() {
    let mut served = busy();
    let (mut ids, mut from, mut pages) = (BTreeSet::new(), String::new(), Vec::new());
    loop {
        let page = told(&mut served, &format!("/entities?with={SIGNATURE}{from}"));
        assert_eq!(page["count"], VALIDATORS);
        pages.push(list(&page["entities"]).len());
        for entity in list(&page["entities"]) {
            assert!(ids.insert(entity["id"].as_str().expect("an id").to_owned()), "{entity}");
            let components = list(&entity["components"]);
            let signature = components.iter().find(|each| each["name"] == "AttestationSignature");
            let value = signature.and_then(|each| each["value"].as_str()).expect("it is shown");
            assert!(value.starts_with("AttestationSignature {") && value.len() < 210, "{value}");
        }
        match page["next"].as_str() {
            Some(next) => from = format!("&from={next}"),
            None => break,
        }
    }
    assert_eq!((pages, ids.len() as u64), (vec![64, 16], VALIDATORS));
}

#[test]
fn an_entity_is_shown_whole_until_it_is_gone() {
    let mut served = busy();
    let peers = told(&mut served, "/entities?with=quintet_components::network::peer::Peer");
    let id = peers["entities"][0]["id"].as_str().expect("an id").to_owned();
    let peer = told(&mut served, &format!("/entities/{id}"));
    let value = |name: &str| {
        let components = list(&peer["components"]);
        let found = components.iter().find(|component| component["name"] == name);
        found.and_then(|component| component["value"].as_str()).map(str::to_owned)
    };
    assert_eq!(value("PeerScore").as_deref(), Some("PeerScore(\n    -0.5,\n)"));
    assert_eq!(value("Agent"), Some(format!("{:#?}", Agent(HOSTILE.into()))));
    let world = served.node.world();
    let entity = world.query::<(bevy_ecs::entity::Entity, &Agent)>().single(world).expect("one").0;
    assert_eq!(entity.to_bits().to_string(), id);
    world.despawn(entity);
    let gone = ask(&mut served, &format!("/entities/{id}"));
    assert_eq!((gone.status, gone.error().as_str()), (404, "the entity is gone"));
}

#[test]
fn resources_show_their_values_only_when_somebody_said_so() {
    let mut served = busy();
    let resources = told(&mut served, "/resources");
    let value = |name: &str| named(&resources["resources"], name)["value"].clone();
    let head = *served.node.world().resource::<Head>();
    assert_eq!(value("Head"), format!("{head:?}"));
    let interval = *served.node.world().resource::<CurrentInterval>();
    assert_eq!(value("CurrentInterval"), format!("{interval:?}"));
    // What holds keys could be one of these.
    assert_eq!(value("Signatures"), Value::Null);
    let names: Vec<_> =
        list(&resources["resources"]).iter().map(|each| each["name"].as_str()).collect();
    assert!(names.is_sorted(), "{names:?}");
}

#[test]
fn queues_have_a_depth_a_limit_and_what_was_dropped() {
    let mut served = busy();
    let queues = told(&mut served, "/queues");
    let queue = |name: &str| named(&queues["queues"], name);
    let blocks = queue("blocks");
    assert_eq!(
        (&blocks["depth"], &blocks["limit"], &blocks["dropped"]),
        (&0.into(), &256.into(), &0.into())
    );
    assert_eq!(queue("attestations")["limit"], 8192);
    assert_eq!(queue("questions of the inspector")["limit"], 16);
    assert!(queue("proofs in line")["limit"].is_null());
}

#[test]
fn schedules_list_their_systems_in_order() {
    let mut served = idle();
    let schedules = told(&mut served, "/schedules");
    let names: Vec<_> = list(&schedules["schedules"])
        .iter()
        .filter(|schedule| !schedule["place"].is_null())
        .filter_map(|schedule| schedule["name"].as_str())
        .collect();
    let place = |name: &str| names.iter().position(|each| *each == name);
    assert!(place("PreUpdate") < place("RunIntervals"), "{names:?}");
    assert!(place("RunIntervals") < place("Update"), "{names:?}");
    assert!(place("Update") < place("PostUpdate") && place("PreUpdate").is_some(), "{names:?}");
    let systems = |name: &str| {
        list(&named(&schedules["schedules"], name)["systems"])
            .iter()
            .filter_map(|each| each["name"].as_str())
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    // What the interval did, as the overview tells it, is a part of what its schedule has.
    let all: Vec<_> = list(&schedules["schedules"]).iter().map(|each| &each["name"]).collect();
    let at = |name: &str| all.iter().position(|each| *each == name);
    assert!(at("OnInterval(Propose)") < at("OnInterval(Attest)"), "the slot's order: {all:?}");
    let aggregate = systems("OnInterval(Aggregate)");
    assert!(aggregate.iter().any(|name| name == "aggregate_slot"), "{aggregate:?}");
    let received = systems("PreUpdate");
    let drains =
        |kind: &str| received.iter().position(|name| *name == format!("drain_lane<{kind}>"));
    assert!(drains("BlockReceived") < drains("AggregateReceived"), "{received:?}");
    assert!(drains("BlockReceived").is_some(), "{received:?}");
}

#[test]
fn questions_that_make_no_sense_are_told_so() {
    let mut served = idle();
    for (path, status, says) in [
        ("/entities", 400, "`with` names a component by its path"),
        ("/entities?with=Nonsense", 404, "no component has this name"),
        ("/entities?with=Nonsense&from=x", 400, "`from` is the id of an entity"),
        ("/entities?with=%ff", 404, "no component has this name"),
        ("/entities/x", 400, "this is no id of an entity"),
        ("/entities/0", 400, "this is no id of an entity"),
        ("/entities/99999999999999999999", 400, "this is no id of an entity"),
        ("/entities/4290000000", 404, "the entity is gone"),
        ("/nonsense", 404, "there is no such path; /openapi.json lists them"),
    ] {
        let answer = ask(&mut served, path);
        assert_eq!((answer.status, answer.error().as_str()), (status, says), "{path}");
    }
    let posted = served.ask(&request("POST", &format!("{BASE}/kinds"), &[], b""));
    assert_eq!(posted.status, 405);
    posted.error();
}

#[test]
fn a_world_that_does_not_go_on_is_no_reason_to_wait_for_ever() {
    let served = idle();
    let answer = served.get(&format!("{BASE}/kinds"));
    assert_eq!((answer.status, answer.error().as_str()), (503, "the node does not answer"));
}

#[test]
fn the_world_is_shown_to_who_may_administer_the_node_and_the_page_to_all() {
    let token = "a-token-of-thirty-two-characters";
    let setup = Setup::new(chain::genesis(4)).with(|app| _ = app.add_plugins(InspectorPlugin));
    let mut served = Served::with(setup, |config| {
        config.admin_token = Some(AdminToken::new(token).expect("a token"));
    });
    for path in ["/kinds", "/entities/1", "/resources", "/queues", "/schedules"] {
        let answer = ask(&mut served, path);
        assert_eq!(answer.status, 401, "{path}");
        answer.error();
    }
    let header = format!("authorization: Bearer {token}");
    let allowed = request("GET", &format!("{BASE}/kinds"), &[&header], b"");
    assert_eq!(served.ask(&allowed).status, 200);
    let page = served.get("/inspector");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    // A page of another origin may not have a browser ask for it.
    let mut open = idle();
    let foreign = ["origin: http://elsewhere.example"];
    assert_eq!(open.ask(&request("GET", &format!("{BASE}/kinds"), &foreign, b"")).status, 403);
}
