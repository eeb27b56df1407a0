//! The page of a simulated network.

use std::{fs, process::Command};

use crate::{
    folder::Folder,
    launchers::process,
    page::browser::{self, Browser},
};

/// A node that crashes, links that are cut, and a proposer that sends two blocks.
const SCENARIO: &str = r#"
seed = 3
slots = 15
nodes = 4
validators = 4

[[faults]]
from_ms = 10000
for_ms = 9000
kind = "crash"
node = 1

[[faults]]
from_ms = 32000
for_ms = 8000
kind = "partition"
groups = [[0, 1], [2, 3]]

[[adversaries]]
node = 3
script = "equivocating-proposer"
"#;

fn count(browser: &Browser, selector: &str) -> u64 {
    let count = browser.get(&format!("document.querySelectorAll('{selector}').length"));
    count.as_u64().expect("a count")
}

fn turn_to(browser: &Browser, at_ms: u64) {
    browser.run(&format!(
        "const cursor = document.getElementById('cursor'); cursor.value = {at_ms}; \
         cursor.dispatchEvent(new Event('input'))"
    ));
}

#[test]
fn a_simulated_network_is_seen_over_time() {
    if !browser::is_there() {
        return;
    }
    let folder = Folder::new("page-simulation");
    let (scenario, page) = (folder.join("scenario.toml"), folder.join("page.html"));
    fs::write(&scenario, SCENARIO).expect("it can be written");
    let mut command = Command::new(process::QUINTET);
    command.arg("sim").arg("--scenario").arg(&scenario).arg("--trace").arg(&page);
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{output:?}");

    let browser = Browser::start("simulation");
    browser.look(1280, 900, "light");
    browser.open(&format!("file://{}", page.display()));
    browser.wait("document.documentElement.dataset.ready === 'true'");
    assert_eq!(browser.text("verdict"), "No rule was broken.");
    browser.picture("simulation");

    // At the end: every node has a row, and what it did in the last slots.
    assert_eq!((count(&browser, "#lanes text.row"), count(&browser, "#nodes tbody tr")), (4, 4));
    for (what, least) in [("block", 10), ("vote", 40), ("proof", 10), ("aggregate", 10)] {
        let drawn = count(&browser, &format!("#lanes .{what}"));
        assert!(drawn >= least, "{drawn} of {what}");
    }
    assert_eq!(count(&browser, "#lanes rect.fault"), 1 + 4, "the partition strikes all of them");
    assert_eq!(count(&browser, "#faults tbody tr"), 2);
    assert!(browser.text("nodes").contains("equivocating-proposer"));
    // Two blocks of one slot stand below one another.
    let rows = "new Set([...document.querySelectorAll('#tree rect')].map((each) => each.y.baseVal.value)).size";
    assert!(browser.number(rows) >= 2.0);
    let blocks = count(&browser, "#tree rect");
    assert_eq!(count(&browser, "#tree text.head"), 1, "all have one head");

    // While a node is down there are fewer blocks, and the node says so.
    turn_to(&browser, 16_100);
    assert!(count(&browser, "#tree rect") < blocks);
    assert_eq!(
        browser.get("document.querySelectorAll('#nodes tbody tr')[1].cells[1].textContent"),
        "down"
    );
    assert_eq!((count(&browser, "#lanes rect.down"), count(&browser, "#lanes text.stop")), (1, 1));
    browser.look(1280, 900, "dark");
    browser.picture("simulation-down-dark");

    // A fault leads to its time.
    browser.run("document.querySelector('#faults tbody tr:nth-child(2) button').click()");
    assert_eq!(browser.text("now"), "slot 8, 32.0 s");
    let [wide, window] =
        ["document.documentElement.scrollWidth", "innerWidth"].map(|each| browser.number(each));
    assert!(wide <= window, "{wide} pixels wide in a window of {window}");
    assert_eq!(browser.get("performance.getEntriesByType('resource').length"), 0);
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
