//! The dashboards and what shows them: every metric that they name exists, every file is there.
//! Neither Grafana nor Prometheus runs here.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use quintet_plugins::PeerNames;

use crate::{
    metrics::{
        network::{network, run},
        quic,
    },
    support::scrape::Scrape,
};

fn assets() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets")
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn json(name: &str) -> Value {
    serde_json::from_str(&text(&assets().join("grafana").join(name))).expect("JSON")
}

fn yaml(name: &str) -> Value {
    serde_norway::from_str(&text(&assets().join("compose").join(name))).expect("YAML")
}

/// The panels of a dashboard, without its rows.
fn panels(dashboard: &Value) -> Vec<&Value> {
    let panels = dashboard["panels"].as_array().expect("panels");
    panels.iter().filter(|panel| panel["type"] != "row").collect()
}

fn expressions(dashboard: &Value) -> Vec<String> {
    let targets = panels(dashboard).into_iter().flat_map(|panel| {
        panel["targets"].as_array().expect("targets").iter().map(|target| &target["expr"])
    });
    let variables = dashboard["templating"]["list"].as_array().expect("variables");
    let queries = variables.iter().map(|variable| &variable["query"]["query"]);
    targets.chain(queries).filter_map(Value::as_str).map(ToOwned::to_owned).collect()
}

/// The metrics that an expression names, a histogram's by its own name.
fn metrics(expression: &str, scrape: &Scrape) -> BTreeSet<String> {
    // What is in quotes and braces are labels.
    let mut bare = String::new();
    let mut depth = 0;
    for c in expression.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            c if depth == 0 => bare.push(c),
            _ => {}
        }
    }
    let words = bare.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let named = words.filter(|word| {
        ["lean_", "quintet_", "process_"].iter().any(|prefix| word.starts_with(prefix))
    });
    named
        .map(|word| {
            let stem = word.strip_suffix("_bucket").unwrap_or(word);
            let is_histogram =
                scrape.families.get(stem).is_some_and(|family| family.kind == "histogram");
            if is_histogram { stem.to_owned() } else { word.to_owned() }
        })
        .collect()
}

fn check(expression: &str, scrape: &Scrape) {
    let named = metrics(expression, scrape);
    for name in &named {
        assert!(scrape.families.contains_key(name), "{expression:?} names {name}");
    }
    assert!(!named.is_empty() || expression.contains("up{"), "{expression:?} names no metric");
}

#[test]
fn every_metric_of_the_dashboards_exists() {
    let mut nodes = network();
    run(&mut nodes, 0, 1, |_| false);
    let mut scrape = Scrape::of(&nodes[0]);
    // Those of the network's threads are there with the network.
    let networked = quic::start(9, &[], PeerNames::default());
    scrape.families.extend(Scrape::of(&networked.node.app).families);
    for name in ["node.json", "network.json"] {
        let dashboard = json(name);
        let expressions = expressions(&dashboard);
        assert!(expressions.len() > 20, "{name} shows something");
        for expression in expressions {
            check(&expression, &scrape);
        }
    }
}

#[test]
fn panels_have_titles_places_and_numbers_of_their_own() {
    let mut uids = BTreeSet::new();
    for name in ["node.json", "network.json"] {
        let dashboard = json(name);
        assert!(uids.insert(dashboard["uid"].to_string()));
        let (mut ids, mut places) = (BTreeSet::new(), BTreeSet::new());
        for panel in dashboard["panels"].as_array().expect("panels") {
            assert!(ids.insert(panel["id"].as_u64().expect("a number")), "{name}");
            let place = &panel["gridPos"];
            let at = ["y", "x", "w"].map(|part| place[part].as_u64().expect("a place"));
            assert!(places.insert((at[0], at[1])) && at[1] + at[2] <= 24, "{name}: {panel}");
            assert!(panel["title"].as_str().is_some_and(|title| !title.is_empty()));
        }
    }
}

#[test]
fn the_compose_file_pins_its_images_and_mounts_what_is_there() {
    let compose = yaml("compose.yaml");
    let services = compose["services"].as_object().expect("services");
    assert_eq!(services.keys().collect::<Vec<_>>(), ["grafana", "prometheus"]);
    for (name, service) in services {
        let image = service["image"].as_str().expect("an image");
        let (_, tag) = image.rsplit_once(':').expect("a tag");
        assert!(tag != "latest" && tag.contains('.'), "{image}");
        for volume in service["volumes"].as_array().expect("volumes") {
            let (source, _) = volume.as_str().expect("text").split_once(':').expect("a target");
            if source.starts_with('.') {
                let path = assets().join("compose").join(source);
                assert!(path.exists(), "{name} mounts {source}");
            } else {
                assert!(compose["volumes"].get(source).is_some(), "{name} mounts {source}");
            }
        }
    }
}

#[test]
fn grafana_finds_prometheus_and_the_dashboards() {
    let compose = yaml("compose.yaml");
    let mounts: Vec<&str> = compose["services"]["grafana"]["volumes"]
        .as_array()
        .expect("volumes")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let provider = yaml("grafana/dashboards/quintet.yaml");
    let path = provider["providers"][0]["options"]["path"].as_str().expect("a path");
    assert!(mounts.contains(&format!("../grafana:{path}:ro").as_str()), "{mounts:?}");
    let home =
        &compose["services"]["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"];
    let home = home.as_str().and_then(|home| home.strip_prefix(path)).expect("below it");
    assert!(assets().join("grafana").join(home.trim_start_matches('/')).exists());

    let source = yaml("grafana/datasources/prometheus.yaml");
    let url = source["datasources"][0]["url"].as_str().expect("a URL");
    let address = url.strip_prefix("http://").expect("plain");
    let command = compose["services"]["prometheus"]["command"].as_array().expect("arguments");
    assert!(command.contains(&Value::from(format!("--web.listen-address={address}"))));
}

#[test]
fn prometheus_asks_the_devnets_nodes_and_its_alerts_name_what_there_is() {
    let config = yaml("prometheus.yaml");
    assert_eq!(config["scrape_configs"][0]["metrics_path"], "/metrics");
    let files = &config["scrape_configs"][0]["file_sd_configs"][0]["files"];
    assert_eq!(files[0], "targets.yaml");
    let targets = yaml("targets.yaml");
    let targets: Vec<&str> = targets[0]["targets"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert_eq!(targets[0], "127.0.0.1:8081");
    assert_eq!(targets.len(), 4);

    let nodes = network();
    let scrape = Scrape::of(&nodes[0]);
    assert_eq!(config["rule_files"][0], "alerts.yaml");
    let alerts = yaml("alerts.yaml");
    let rules = alerts["groups"][0]["rules"].as_array().expect("rules");
    assert!(rules.len() >= 3);
    for rule in rules {
        check(rule["expr"].as_str().expect("an expression"), &scrape);
    }
}
