//! The inspector's page in a browser.

use quintet_plugins::{InspectorPlugin, inspector::InspectorAppExt};
use serde_json::json;

use crate::{
    HOSTILE, VALIDATORS,
    browser::{self, Browser},
    busy,
    support::{chain, http::Served, node::Setup},
};

const TAB: char = '\u{e004}';
const ENTER: char = '\u{e007}';

/// Opens the page, and goes through it while the node goes on.
fn look(name: &str, served: &mut Served, steps: impl FnOnce(&Browser) + Send) {
    if !browser::is_there() {
        return;
    }
    let url = format!("http://{}/inspector", served.address);
    served.while_updating(|| {
        let browser = Browser::start(name);
        browser.look(1280, 900, "light");
        browser.open(&url);
        browser.wait("document.getElementById('state').textContent === 'live'");
        steps(&browser);
        let [page, window] =
            ["document.documentElement.scrollWidth", "innerWidth"].map(|each| browser.number(each));
        assert!(page <= window, "{page} pixels wide in a window of {window}");
        assert_eq!(browser.complaints(), Vec::<String>::new());
    });
}

/// Waits until the view has this text.
fn wait_for(browser: &Browser, text: &str) {
    browser.wait(&format!("document.getElementById('view').textContent.includes({text:?})"));
}

fn tab(browser: &Browser, name: &str) {
    browser.run(&format!("document.querySelector('[data-tab={name}]').click()"));
    browser.wait(&format!(
        "document.querySelector('[data-tab={name}]').getAttribute('aria-current') === 'page'"
    ));
}

#[test]
fn every_tab_shows_the_world() {
    let mut served = busy();
    look("inspector-tabs", &mut served, |browser| {
        wait_for(browser, "AttestationSignature");
        browser.picture("inspector-entities");
        tab(browser, "resources");
        wait_for(browser, "CurrentInterval");
        browser.picture("inspector-resources");
        tab(browser, "queues");
        wait_for(browser, "proofs in line");
        browser.picture("inspector-queues");
        tab(browser, "schedules");
        wait_for(browser, "OnInterval(Aggregate)");
        wait_for(browser, "drain_lane<BlockReceived>");
        wait_for(browser, "of a core");
        wait_for(browser, "1 read, 1 written");
        browser.picture("inspector-schedules");
        browser.look(1280, 900, "dark");
        browser.picture("inspector-schedules-dark");
        browser.look(390, 800, "light");
        browser.picture("inspector-schedules-narrow");
    });
}

#[test]
fn the_provers_timeline_has_the_sessions_proofs() {
    let mut served = busy();
    served.node.tick_to(9, false);
    look("inspector-prover", &mut served, |browser| {
        tab(browser, "prover");
        wait_for(browser, "1 aggregation");
        assert!(
            browser.number("document.querySelectorAll('#view rect.aggregation').length") >= 1.0
        );
        browser.picture("inspector-prover");
    });
}

/// The node of this test proves in no time, so the answer that the page gets is given phases here.
#[test]
fn the_provers_timeline_has_the_phases_of_a_proof() {
    let mut served = busy();
    served.node.tick_to(9, false);
    look("inspector-phases", &mut served, |browser| {
        browser.run(
            "const get = window.fetch;
            window.fetch = async (address, options) => {
                const answer = await get(address, options);
                if (!String(address).includes('overview')) return answer;
                const overview = await answer.json();
                const job = overview.sessions.flatMap((session) => session.jobs)[0];
                if (job) {
                    job.ended_ms = overview.clock.time_ms;
                    job.started_ms = job.asked_ms = job.ended_ms - 900;
                    job.phases = [['tables', 900], ['openings', 300]]
                        .map(([name, before]) => ({ name, began_ms: job.ended_ms - before }));
                }
                return new Response(JSON.stringify(overview));
            };",
        );
        tab(browser, "prover");
        browser.wait("document.querySelectorAll('#view rect.phase').length === 2");
        wait_for(browser, "tables: 600 ms");
        wait_for(browser, "openings: 300 ms");
        let [tables, openings] = [0, 1].map(|at| {
            browser.number(&format!(
                "document.querySelectorAll('#view rect.phase')[{at}].getBoundingClientRect().width"
            ))
        });
        assert!((tables / openings - 2.0).abs() < 0.1, "{tables} and {openings} pixels");
        browser.picture("inspector-phases");
    });
}

#[test]
fn a_component_leads_to_its_entities_and_an_entity_to_its_values() {
    let mut served = busy();
    look("inspector-entities", &mut served, |browser| {
        browser.run(
            "location.hash = 'entities/quintet_components::attestations::AttestationSignature'",
        );
        wait_for(browser, &format!("{VALIDATORS} with"));
        assert_eq!(browser.number("document.querySelectorAll('#view tbody tr').length"), 64.0);
        browser.run("[...document.querySelectorAll('#view a')].find((a) => a.textContent === 'Next').click()");
        browser.wait("document.querySelectorAll('#view tbody tr').length === 16");
        browser.run("location.hash = 'entities/quintet_components::network::peer::Peer'");
        wait_for(browser, "1 with");
        browser.run("document.querySelector('#view tbody a').click()");
        browser.wait("document.querySelectorAll('#view .tree').length > 0");
        wait_for(browser, "PeerScore");
        // What a peer says of itself is text.
        wait_for(browser, "<b id=");
        assert!(browser.get("document.getElementById('hostile')").is_null(), "{HOSTILE}");
        browser.picture("inspector-entity");
    });
}

#[test]
fn what_is_bevys_shows_when_it_is_asked_for() {
    let mut served = busy();
    look("inspector-bevys", &mut served, |browser| {
        tab(browser, "resources");
        wait_for(browser, "CurrentInterval");
        assert_eq!(browser.get("view.textContent.includes('MessageRegistry')"), false);
        browser.click("bevys");
        wait_for(browser, "MessageRegistry");
    });
}

#[test]
fn a_signature_leads_to_its_attestation_and_a_followed_peer_shows_what_changes() {
    let mut served = busy();
    look("inspector-links", &mut served, |browser| {
        browser.run(
            "location.hash = 'entities/quintet_components::attestations::AttestationSignature'",
        );
        wait_for(browser, &format!("{VALIDATORS} with"));
        browser.run("document.querySelector('#view tbody a').click()");
        wait_for(browser, "SignatureOf");
        browser.run("[...document.querySelectorAll('#view .tree a')][0].click()");
        wait_for(browser, "PooledAttestation");
        browser.picture("inspector-related");
        browser.run("[...document.querySelectorAll('#view a')].find((a) => a.textContent === 'Follow it').click()");
        wait_for(browser, "Nothing has changed yet.");
    });
}

#[test]
fn a_tab_of_the_clients_own_is_drawn_as_a_table_or_as_a_tree() {
    let setup = Setup::new(chain::genesis(4)).with(|app| {
        app.add_plugins(InspectorPlugin)
            .show_tab("rows", "Rows", |_| json!([{ "name": "<i>one</i>", "count": 1 }]))
            .show_tab("whole", "Whole", |_| json!({ "deep": { "er": [1, 2] } }));
    });
    let mut served = Served::start(setup);
    look("inspector-own", &mut served, |browser| {
        browser.wait("document.querySelectorAll('#tabs button').length === 7");
        tab(browser, "rows");
        wait_for(browser, "<i>one</i>");
        assert_eq!(browser.number("document.querySelectorAll('#view tbody tr').length"), 1.0);
        tab(browser, "whole");
        wait_for(browser, "deep");
        assert!(browser.number("document.querySelectorAll('#view details').length") >= 1.0);
    });
}

#[test]
fn the_keyboard_is_enough() {
    let mut served = busy();
    look("inspector-keyboard", &mut served, |browser| {
        browser.wait("document.querySelectorAll('#tabs button').length === 5");
        // The first stop is the first tab, the second one is for the resources.
        browser.press(&[TAB, TAB, ENTER]);
        wait_for(browser, "CurrentInterval");
        assert_eq!(browser.get("location.hash"), "#resources");
        // Beyond the other three tabs it can be held, and then it stands still.
        browser.press(&[TAB, TAB, TAB, TAB, ENTER]);
        browser.wait("document.getElementById('state').textContent === 'held'");
        assert_eq!(browser.get("document.getElementById('hold').ariaPressed"), "true");
    });
}
