//! The page against canned answers.

use std::time::Duration;

use serde_json::Value;

use crate::page::{
    browser::{self, Browser, PATIENCE},
    mock::Mock,
    scenes::Scene,
};

const LEFT: char = '\u{e012}';
const RIGHT: char = '\u{e014}';
const END: char = '\u{e010}';
const HOME: char = '\u{e011}';
const ENTER: char = '\u{e007}';
const TAB: char = '\u{e004}';

/// A page on a scene, once it is drawn; `None` without a browser.
fn opened(name: &str, scene: Scene) -> Option<(Browser, Mock)> {
    opened_at(name, scene, "/")
}

/// Has the page ask no more, so that what it shows stays as it is.
fn stop_asking(browser: &Browser) {
    browser.run("schedule = () => {}; clearTimeout(nextAsk)");
    browser.wait("!asking");
}

fn opened_at(name: &str, scene: Scene, path: &str) -> Option<(Browser, Mock)> {
    if !browser::is_there() {
        return None;
    }
    let (browser, mock) = (Browser::start(name), Mock::start(scene));
    browser.look(1600, 1000, "light");
    browser.open(&mock.url(path));
    browser.wait("document.querySelectorAll('.item').length > 0");
    Some((browser, mock))
}

/// The page fits the window, and nothing complained.
fn is_sound(browser: &Browser) {
    let [page, window] =
        ["document.documentElement.scrollWidth", "innerWidth"].map(|each| browser.number(each));
    assert!(page <= window, "{page} pixels wide in a window of {window}");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn a_live_network_is_shown_whole() {
    let Some((browser, mock)) = opened("live", Scene::LIVE) else { return };
    browser.wait_state(PATIENCE, "Finalizing");
    browser.wait("document.getElementById('link-text').textContent === 'live'");
    assert_eq!(browser.text("name"), "quintet_0");
    assert_eq!(
        browser.get(
            "[...document.querySelectorAll('#facts tbody th')].map((each) => each.textContent)"
        ),
        serde_json::json!(["Head", "Safe target", "Justified", "Finalized"])
    );
    let slot = "Number(document.querySelector('#facts tbody td').textContent)";
    assert!(browser.number(slot) >= 128.0);
    assert_eq!(browser.number("document.querySelectorAll('#intervals li').length"), 5.0);
    assert_eq!(browser.number("document.querySelectorAll('#heat tbody td i').length"), 80.0);
    assert!(browser.number("document.querySelectorAll('#heat i[data-level=\"3\"]').length") >= 2.0);
    // The last 16 slots of the record, each with two bars.
    assert_eq!(browser.number("document.querySelectorAll('#sessions li').length"), 16.0);
    assert_eq!(browser.number("document.querySelectorAll('#sessions rect.job').length"), 32.0);
    assert_eq!(browser.number("document.querySelectorAll('#peers tbody tr').length"), 3.0);
    assert_eq!(browser.number("document.querySelectorAll('#duties tbody tr').length"), 16.0);
    assert!(browser.text("duties").contains("the slot was over"));
    assert_eq!(browser.text("warnings"), "None.");
    for role in ["head", "safe", "justified", "finalized"] {
        let found =
            browser.number(&format!("document.querySelectorAll('.item .role.{role}').length"));
        assert_eq!(found, 1.0, "{role}");
    }
    assert!(
        browser
            .get("document.title")
            .as_str()
            .is_some_and(|title| title.starts_with("quintet_0 · slot 1"))
    );
    is_sound(&browser);
    browser.picture("live-light-1600");

    // An event is followed by a question, well before the page would have asked by itself.
    browser.wait("view.live && !asking");
    let before = mock.asked();
    mock.tell("head");
    let begin = std::time::Instant::now();
    while mock.asked() == before {
        assert!(begin.elapsed() < PATIENCE, "the event was not heard");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn nothing_of_another_origin_is_loaded_or_put_into_the_page() {
    let Some((browser, mock)) = opened("origin", Scene::STALLED) else { return };
    let origins = browser.get(
        "[...new Set(performance.getEntriesByType('resource').map((each) => new URL(each.name).origin))]",
    );
    assert_eq!(origins, serde_json::json!([format!("http://{}", mock.address)]));
    // What comes from the network is text.
    assert!(browser.text("warnings").contains("<b>Start one</b>"));
    assert_eq!(browser.number("document.querySelectorAll('#warnings b').length"), 0.0);
    is_sound(&browser);
}

#[test]
fn a_stalled_network_is_said_to_be_stalled() {
    let Some((browser, mock)) = opened("stalled", Scene::STALLED) else { return };
    browser.wait_state(PATIENCE, "Finality has stalled");
    let detail = browser.text("state-detail");
    assert!(detail.starts_with("Finalized slot 40 is ") && detail.contains(" slots ("), "{detail}");
    assert_eq!(browser.get("document.getElementById('state').dataset.level"), Value::from("bad"));
    assert_eq!(browser.text("warning-count"), "2");
    is_sound(&browser);
    browser.picture("stalled-light-1600");
    browser.look(1600, 1000, "dark");
    browser.picture("stalled-dark-1600");

    // And to have recovered.
    mock.show(Scene::LIVE);
    browser.wait_state(PATIENCE, "Finalizing");
    assert_eq!(browser.text("warnings"), "None.");
}

#[test]
fn five_hundred_blocks_stay_readable() {
    let Some((browser, _mock)) = opened("large", Scene::LARGE) else { return };
    stop_asking(&browser);
    let blocks = browser.number("view.tree.nodes.length");
    assert!(blocks >= 500.0, "{blocks}");
    let drawn = "document.querySelectorAll('.item').length";
    let folded = browser.number(drawn);
    let in_runs =
        browser.number("treeView.laid.items.reduce((sum, item) => sum + item.run.length, 0)");
    let runs = browser.number("document.querySelectorAll('.item[data-run]').length");
    assert_eq!(folded - runs + in_runs, blocks, "every block is drawn or in a run");
    assert!(folded < blocks * 0.7, "{folded} of {blocks} drawn");
    // Names do not touch: no two of a lane are nearer than they are wide.
    let apart = "(() => { const at = new Map(); \
        for (const item of treeView.laid.items) at.set(`${item.lane} ${item.column}`, item); \
        return at.size === treeView.laid.items.length; })()";
    assert_eq!(browser.get(apart), Value::Bool(true), "two blocks in one place");
    // The head is in sight.
    let seen = "(() => { const box = document.getElementById('tree-view').getBoundingClientRect(); \
        const head = document.querySelector('.role.head').getBoundingClientRect(); \
        return head.left >= box.left && head.right <= box.right; })()";
    assert_eq!(browser.get(seen), Value::Bool(true), "the head is scrolled away");
    is_sound(&browser);
    browser.picture("large-light-1600");

    browser.click("tree-runs");
    assert_eq!(browser.number(drawn), blocks, "unfolded, every block is drawn");
    browser.click("tree-fit");
    let fits = "document.getElementById('tree-view').scrollWidth <= document.getElementById('tree-view').clientWidth + 1";
    assert_eq!(browser.get(fits), Value::Bool(true), "the tree does not fit");
    browser.picture("large-fit-1600");
    is_sound(&browser);
}

#[test]
fn the_tree_is_walked_with_the_keyboard() {
    let Some((browser, _mock)) = opened("keyboard", Scene::LARGE) else { return };
    stop_asking(&browser);
    // From the page's beginning: the link past everything, the theme, five buttons, the tree.
    browser.press(&[TAB; 8]);
    assert_eq!(browser.get("document.activeElement.id"), Value::from("tree-view"));
    let picked =
        |what: &str| browser.get(&format!("document.querySelector('.item.picked').{what}"));
    browser.press(&[END]);
    assert_eq!(picked("dataset.slot"), browser.get("String(view.overview.head.slot)"));
    let head = picked("dataset.key");
    browser.press(&[LEFT]);
    assert_ne!(picked("dataset.key"), head);
    browser.press(&[RIGHT]);
    assert_eq!(picked("dataset.key"), head);
    assert_eq!(
        browser.get("document.getElementById('tree-view').getAttribute('aria-activedescendant')"),
        picked("id")
    );
    assert!(browser.text("picked").contains("Weight"));
    browser.press(&[HOME]);
    assert_eq!(picked("dataset.slot"), Value::from("25"));
    // On to the first run, which Enter opens.
    let items = browser.number("document.querySelectorAll('.item').length");
    for _ in 0..20 {
        if picked("dataset.run") != Value::Null {
            break;
        }
        browser.press(&[RIGHT]);
    }
    assert!(
        picked("getAttribute('aria-label')")
            .as_str()
            .is_some_and(|label| label.contains("without a fork"))
    );
    browser.press(&[ENTER]);
    assert!(browser.number("document.querySelectorAll('.item').length") > items);
    assert_eq!(
        browser.get("document.activeElement.id"),
        Value::from("tree-view"),
        "the focus stays"
    );
    is_sound(&browser);
}

#[test]
fn a_node_at_genesis_says_what_is_missing() {
    let Some((browser, _mock)) = opened("empty", Scene::EMPTY) else { return };
    browser.wait("document.getElementById('peers').textContent.includes('No peers')");
    assert!(browser.text("sessions").contains("No session"));
    assert!(browser.text("duties").contains("No duty"));
    assert_eq!(browser.number("document.querySelectorAll('.item').length"), 1.0);
    is_sound(&browser);
    browser.picture("empty-light-1600");
}

#[test]
fn a_node_that_does_not_answer_is_said_to_be_away() {
    let Some((browser, mock)) = opened("away", Scene::LIVE) else { return };
    browser.wait_state(PATIENCE, "Finalizing");
    mock.set_reachable(false);
    browser.wait_state(PATIENCE, "The node does not answer");
    assert_eq!(browser.text("link-text"), "unreachable");
    assert!(browser.text("state-detail").contains("Its last answer is"));
    // What was seen last is still there, and marked as old.
    assert!(browser.number("document.querySelectorAll('.item').length") > 0.0);
    assert_eq!(
        browser.get("document.documentElement.classList.contains('stale')"),
        Value::Bool(true)
    );
    browser.picture("away-light-1600");
    mock.set_reachable(true);
    browser.wait_state(PATIENCE, "Finalizing");
    assert_eq!(
        browser.get("document.documentElement.classList.contains('stale')"),
        Value::Bool(false)
    );
    browser.wait("document.getElementById('link-text').textContent === 'live'");
    assert!(mock.listeners() > 0);
}

/// Texts whose contrast is below what WCAG's level AA asks for.
const POOR_CONTRAST: &str = r"
const parse = (text) => { const n = text.match(/[\d.]+/g).map(Number); return text.startsWith('color(') ? n.map((v, i) => i < 3 ? v * 255 : v) : n; };
const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
const ground = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const colour = parse(getComputedStyle(at).backgroundColor);
    if (colour.length < 4 || colour[3] > 0) return colour;
  }
  return [255, 255, 255];
};
const poor = [];
for (const element of document.querySelectorAll('body *')) {
  const text = [...element.childNodes].filter((node) => node.nodeType === 3 && node.data.trim()).map((node) => node.data.trim()).join(' ');
  if (!text || element.closest('.hidden, noscript, script, style, title, .skip')) continue;
  const style = getComputedStyle(element);
  const [a, b] = [parse(element instanceof SVGElement ? style.fill : style.color), ground(element)].map(light).sort((x, y) => y - x);
  const large = parseFloat(style.fontSize) >= 24;
  if ((a + .05) / (b + .05) < (large ? 3 : 4.5)) poor.push(`${text}: ${((a + .05) / (b + .05)).toFixed(2)}`);
}
return poor;
";

#[test]
fn it_works_from_360_to_1600_pixels_in_both_themes() {
    let Some((browser, _mock)) = opened("sizes", Scene::STALLED) else { return };
    for scheme in ["light", "dark"] {
        for width in [360, 768, 1080, 1600] {
            browser.look(width, 900, scheme);
            browser.wait(&format!("innerWidth === {width}"));
            browser.wait("document.querySelector('#rail svg').clientWidth === document.getElementById('rail').clientWidth");
            is_sound(&browser);
            browser.picture(&format!("sizes-{scheme}-{width}"));
        }
        assert_eq!(browser.run(POOR_CONTRAST), serde_json::json!([]), "{scheme}");
    }
    // The button goes round: automatic, light, dark; the choice outlives a reload.
    browser.look(1600, 900, "light");
    let paper = "getComputedStyle(document.body).backgroundColor";
    let light = browser.get(paper);
    browser.click("theme");
    assert_eq!(browser.text("theme"), "Theme: light");
    browser.click("theme");
    assert_eq!(browser.text("theme"), "Theme: dark");
    assert_ne!(browser.get(paper), light);
    browser.run("location.reload()");
    browser.wait("document.readyState === 'complete' && document.getElementById('theme').textContent === 'Theme: dark'");
    assert_ne!(browser.get(paper), light);
}

#[test]
fn everything_has_a_name_for_those_who_do_not_see_it() {
    let Some((browser, _mock)) = opened("names", Scene::STALLED) else { return };
    let nameless = "[...document.querySelectorAll('button, a, [role], section, [tabindex=\"0\"]')] \
        .filter((each) => !(each.getAttribute('aria-label') || each.getAttribute('aria-labelledby') || each.textContent.trim() \
            || each.getAttribute('role') === 'presentation' || each.getAttribute('role') === 'status')) \
        .map((each) => each.outerHTML.slice(0, 120))";
    assert_eq!(browser.get(nameless), serde_json::json!([]));
    let dangling = "[...document.querySelectorAll('[aria-labelledby]')] \
        .filter((each) => !document.getElementById(each.getAttribute('aria-labelledby'))).length";
    assert_eq!(browser.number(dangling), 0.0);
    assert_eq!(browser.get("[document.documentElement.lang, document.querySelectorAll('h1').length, document.querySelectorAll('main').length]"), serde_json::json!(["en", 1, 1]));
    assert!(browser.number("document.querySelectorAll('h2').length") >= 7.0);
    let ids = "[...document.querySelectorAll('[id]')].map((each) => each.id)";
    assert_eq!(browser.get(&format!("new Set({ids}).size")), browser.get(&format!("{ids}.length")));
}

#[test]
fn an_update_moves_nothing() {
    let Some((browser, mock)) = opened("jumps", Scene::LIVE) else { return };
    browser.wait_state(PATIENCE, "Finalizing");
    let places = "[...document.querySelectorAll('section, .foot')].map((each) => Math.round(each.getBoundingClientRect().top)).join()";
    let before = browser.get(places);
    mock.show(Scene::STALLED);
    browser.wait_state(PATIENCE, "Finality has stalled");
    assert_eq!(browser.get(places), before, "the network's state moved a panel");
}

#[test]
fn the_tree_has_a_page_of_its_own() {
    let Some((browser, _mock)) = opened_at("ui", Scene::LARGE, "/lean/v0/fork_choice/ui") else {
        return;
    };
    assert_eq!(browser.get("document.activeElement.id"), Value::from("tree-view"));
    assert_eq!(
        browser.get("document.querySelector('main > .panel').id"),
        Value::from("tree-panel")
    );
    assert!(
        browser.number("document.getElementById('tree-view').clientHeight / innerHeight") > 0.5
    );
    is_sound(&browser);
    browser.picture("tree-light-1600");
}
