//! The page of nodes as an operator runs them: live, then stalled.

use std::{fs, process::Command, time::Duration};

use crate::{
    folder::Folder,
    launchers::process::{self, Place, Process},
    page::browser::{self, Browser},
};

/// For two nodes to begin and to finalize.
const FINALIZING: Duration = Duration::from_secs(120);
/// For finality to be twelve slots behind.
const STALLING: Duration = Duration::from_secs(150);

fn node(folder: &Folder, index: usize, place: &Place) -> Process {
    let mut command = Command::new(process::QUINTET);
    command
        .args(["node", "--network-dir"])
        .arg(folder.join("network"))
        .args(["--node-id", &format!("quintet_{index}"), "--data-dir"])
        .arg(folder.join(format!("data-{index}")))
        .args(["--http-address", &place.ip.to_string(), "--api-port", &place.api.to_string()])
        .args(["--metrics-port", &place.metrics.to_string()]);
    Process::start(&mut command, folder.join(format!("log-{index}")))
}

#[test]
fn a_network_is_seen_to_finalize_and_to_stall() {
    if !browser::is_there() {
        return;
    }
    let folder = Folder::new("page-live");
    process::network(&folder.join("network"));
    let places = [Place::new(), Place::new()];
    let mut one = node(&folder, 0, &places[0]);
    let other = node(&folder, 1, &places[1]);
    one.wait(places[0].api(), "/v0/health");

    let browser = Browser::start("node");
    browser.look(1600, 1000, "light");
    browser.open(&format!("http://{}/", places[0].api()));
    browser.wait_state(FINALIZING, "Finalizing");
    browser.wait("document.getElementById('link-text').textContent === 'live'");
    assert_eq!(browser.text("name"), "quintet_0");
    browser.wait("document.querySelectorAll('#peers tbody td[title]').length === 1");
    browser.wait("view.overview.finalized.slot > 0");
    assert!(browser.number("document.querySelectorAll('.item').length") > 1.0);
    browser.wait("document.querySelectorAll('#heat i[data-level]').length >= 10");
    browser.wait("document.querySelectorAll('#sessions rect.job').length > 0");
    browser.wait("document.getElementById('duties').textContent.includes('done')");
    assert_eq!(browser.complaints(), Vec::<String>::new());
    browser.picture("node-live");
    // The description of the API, drawn, and a path of it asked from there.
    browser.open(&format!("http://{}/docs", places[0].api()));
    browser.wait("document.querySelectorAll('#paths details').length > 20");
    browser.wait("document.getElementById('paths').textContent.includes('/lean/v0/blocks/{id}')");
    assert_eq!(browser.complaints(), Vec::<String>::new());
    browser.picture("node-api");
    browser.open(&format!("http://{}/", places[0].api()));
    browser.wait_state(FINALIZING, "Finalizing");
    // Progress without a question from here: events alone bring it.
    let slot = browser.number("view.overview.head.slot");
    browser.wait(&format!("view.overview.head.slot > {slot}"));

    // Half of the validators are gone.
    drop(other);
    browser.wait_state(STALLING, "Finality has stalled");
    browser.wait("document.getElementById('peers').textContent.includes('No peers')");
    assert_eq!(browser.complaints(), Vec::<String>::new());
    browser.picture("node-stalled");

    drop(one);
    browser.wait_state(FINALIZING, "The node does not answer");
    browser.picture("node-away");
}

#[test]
fn a_node_alone_in_an_old_network_says_that_it_is_stalled() {
    if !browser::is_there() {
        return;
    }
    let folder = Folder::new("page-stalled");
    process::network(&folder.join("network"));
    // Slot 0 was 30 slots ago, and nothing has happened since.
    let path = folder.join("network/config.yaml");
    let config = fs::read_to_string(&path).expect("it was made");
    let moved: Vec<String> = config
        .lines()
        .map(|line| {
            match line.strip_prefix("GENESIS_TIME: ").and_then(|time| time.parse::<u64>().ok()) {
                Some(time) => format!("GENESIS_TIME: {}", time - 120),
                None => line.to_owned(),
            }
        })
        .collect();
    assert_ne!(moved.join("\n"), config.trim_end());
    fs::write(&path, moved.join("\n")).expect("it can be written");

    let place = Place::new();
    let mut alone = node(&folder, 0, &place);
    alone.wait(place.api(), "/v0/health");
    let browser = Browser::start("alone");
    browser.look(360, 800, "dark");
    browser.open(&format!("http://{}/lean/v0/fork_choice/ui", place.api()));
    browser.wait_state(FINALIZING, "Finality has stalled");
    assert!(browser.text("state-detail").starts_with("Finalized slot 0 is "));
    browser.wait("document.getElementById('peers').textContent.includes('No peers')");
    assert_eq!(browser.complaints(), Vec::<String>::new());
    browser.picture("node-alone-360");
}
