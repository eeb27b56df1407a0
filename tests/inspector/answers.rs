//! The answers of the inspector, and who may have them.

use std::collections::BTreeSet;

use bevy_ecs::prelude::Resource;
use quintet_components::{
    chain::Head,
    clock::CurrentInterval,
    network::{Agent, PeerScore},
};
use quintet_plugins::{InspectorPlugin, http::AdminToken, inspector::InspectorAppExt};
use serde_json::{Value, json};

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
    let tree = |name: &str| named(&peer["components"], name)["tree"].clone();
    let part = |name: &str, text: String| json!({ "text": name, "parts": [{ "text": text }] });
    assert_eq!(tree("PeerScore"), part("PeerScore", "-0.5".into()));
    assert_eq!(tree("Agent"), part("Agent", format!("{HOSTILE:?}")));
    let world = served.node.world();
    let entity = world.query::<(bevy_ecs::entity::Entity, &Agent)>().single(world).expect("one").0;
    assert_eq!(entity.to_bits().to_string(), id);
    world.despawn(entity);
    let gone = ask(&mut served, &format!("/entities/{id}"));
    assert_eq!((gone.status, gone.error().as_str()), (404, "the entity is gone"));
}

#[test]
fn resources_show_their_values_only_when_somebody_said_so() {
    #[derive(Resource)]
    struct Unseen;
    let mut served = busy();
    served.node.app.insert_resource(Unseen);
    let resources = told(&mut served, "/resources");
    let value = |name: &str| named(&resources["resources"], name)["value"].clone();
    let head = *served.node.world().resource::<Head>();
    assert_eq!(value("Head"), format!("{head:?}"));
    let interval = *served.node.world().resource::<CurrentInterval>();
    assert_eq!(value("CurrentInterval"), format!("{interval:?}"));
    // What holds keys could be one of these.
    assert_eq!(value("Unseen"), Value::Null);
    // Of the node's own everything is shown.
    let is_hidden = |each: &&Value| each["is_bevys"] == false && each["value"].is_null();
    let hidden = list(&resources["resources"]).iter().filter(is_hidden);
    assert_eq!(hidden.map(|each| &each["name"]).collect::<Vec<_>>(), ["Unseen"]);
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
    let minute = list(&blocks["minute"]);
    assert_eq!((minute.len(), minute.iter().all(Value::is_u64)), (60, true), "{blocks}");
    // The question that is being answered has waited.
    let asked = list(&queue("questions of the inspector")["minute"]);
    assert!(asked.last().is_some_and(|most| most.as_u64() >= Some(1)), "{asked:?}");
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
fn systems_have_their_times_and_what_they_touch() {
    let mut served = busy();
    let answer = told(&mut served, "/schedules");
    let system = |schedule: &str, name: &str| {
        named(&named(&answer["schedules"], schedule)["systems"], name).clone()
    };
    let drain = system("PreUpdate", "drain_lane<BlockReceived>");
    let times = &drain["times"];
    let runs = times["runs"].as_u64().expect("it has run");
    assert!(runs > 5, "{drain}");
    let number = |name: &str| times[name].as_f64().expect("a number");
    assert!(number("mean_us") > 0.0 && number("mean_us") <= number("max_us"), "{drain}");
    assert!(number("p99_us") <= number("max_us") && number("last_us") <= number("max_us"));
    assert!((number("total_us") / number("mean_us") - runs as f64).abs() < 0.01, "{drain}");
    assert_eq!(drain["reads"], json!(["Lane<BlockReceived>"]));
    assert_eq!(drain["writes"], json!(["Messages<BlockReceived>"]));
    let walk = system("RunIntervals", "walk_intervals");
    assert_eq!((&walk["is_exclusive"], &walk["reads"]), (&true.into(), &json!([])));
    // An update is as long as what runs in it, and the walk is a part.
    let updates = &answer["updates"];
    assert!(updates["total_us"].as_f64() > walk["times"]["total_us"].as_f64(), "{updates}");
    assert!(updates["share"].as_f64().is_some_and(|share| share > 0.0), "{updates}");
    // Where systems of a node run, no order is open.
    for schedule in ["First", "PreUpdate", "Update", "PostUpdate", "OnInterval(Attest)"] {
        assert_eq!(named(&answer["schedules"], schedule)["ambiguous"], json!([]), "{schedule}");
    }
}

#[test]
fn what_bevy_keeps_for_itself_is_marked() {
    let mut served = busy();
    let resources = told(&mut served, "/resources");
    let is_bevys = |name: &str| named(&resources["resources"], name)["is_bevys"].clone();
    assert_eq!(
        (is_bevys("Head"), is_bevys("Messages<BlockReceived>")),
        (false.into(), true.into())
    );
}

#[test]
fn an_entity_leads_to_those_that_it_is_related_to() {
    let mut served = busy();
    let page = told(&mut served, &format!("/entities?with={SIGNATURE}"));
    let id = page["entities"][0]["id"].as_str().expect("an id").to_owned();
    let signature = told(&mut served, &format!("/entities/{id}"));
    let of = &named(&signature["components"], "SignatureOf")["tree"]["parts"][0]["entity"];
    let attestation = told(&mut served, &format!("/entities/{}", of.as_str().expect("an id")));
    named(&attestation["components"], "PooledAttestation");
    // And back.
    let back = &named(&attestation["components"], "AttestationSignatures")["tree"];
    assert!(back.to_string().contains(&format!("\"entity\":\"{id}\"")), "{back}");
}

#[test]
fn an_entity_that_is_followed_tells_what_has_changed() {
    let mut served = busy();
    let world = served.node.world();
    let peer = world.query::<(bevy_ecs::entity::Entity, &Agent)>().single(world).expect("one").0;
    let path = format!("/entities/{}/changes", peer.to_bits());
    assert_eq!(told(&mut served, &path)["changes"], json!([]));
    let slot = served.node.world().resource::<CurrentInterval>().slot();
    served.node.world().entity_mut(peer).insert(PeerScore(-7.5));
    served.node.update();
    let changes = told(&mut served, &path);
    let change = &changes["changes"][0];
    assert_eq!((&change["component"], &change["what"]), (&"PeerScore".into(), &"changed".into()));
    assert_eq!((&change["value"], &change["slot"]), (&"PeerScore(-7.5)".into(), &slot.into()));
}

#[test]
fn a_client_has_tabs_of_its_own() {
    let setup = Setup::new(chain::genesis(4)).with(|app| {
        app.add_plugins(InspectorPlugin).show_tab(
            "mine",
            "Mine",
            |world| json!([{ "head": world.resource::<Head>().0.slot }]),
        );
    });
    let mut served = Served::start(setup);
    let tabs = told(&mut served, "/tabs");
    assert_eq!(tabs["tabs"], json!([{ "name": "mine", "title": "Mine" }]));
    assert_eq!(told(&mut served, "/tabs/mine"), json!([{ "head": 0 }]));
    let none = ask(&mut served, "/tabs/other");
    assert_eq!((none.status, none.error().as_str()), (404, "no tab has this name"));
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
        ("/entities/x/changes", 400, "this is no id of an entity"),
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
    for path in [
        "/kinds",
        "/entities/1",
        "/entities/1/changes",
        "/resources",
        "/queues",
        "/schedules",
        "/tabs",
        "/tabs/mine",
    ] {
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
