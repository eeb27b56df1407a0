"use strict";
// Asks the world once a second for what the open tab shows, and draws it.

const BASE = "/quintet/v0/inspector";
const ASK_EVERY_MS = 1000;
const ANSWER_TIMEOUT_MS = 6000;
// How far back the prover's timeline goes.
const TIMELINE_MS = 32000;

let token = "";
let isHeld = false;
let asked = 0;
let isBusy = false;
// The newest answer and where it is from: what has not changed is not drawn again.
let last = null;
// Whether Bevy's own components, resources and systems are shown.
let showsBevys = false;

async function ask(path) {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), ANSWER_TIMEOUT_MS);
  try {
    const headers = { accept: "application/json", ...(token && { authorization: `Bearer ${token}` }) };
    const answer = await fetch(path, { headers, signal: abort.signal, cache: "no-store" });
    const body = await answer.json();
    if (answer.ok) return body;
    const error = new Error(body.error || `${path} answers ${answer.status}`);
    error.status = answer.status;
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

const ours = (each) => showsBevys || !each.is_bevys;

// Entities.

function drawKinds({ entities, kinds, left_out }) {
  const shown = kinds.map((kind) => ({ ...kind, components: kind.components.filter(ours) })).filter((kind) => kind.components.length);
  return [
    h("p", { class: "soft" }, `${entities} entities of ${kinds.length + left_out} kinds. A component's name leads to the entities that have it.`),
    table([["Entities", "num"], ["Components"]], shown.map((kind) => h("tr", {},
      h("td", { class: "num" }, String(kind.count)),
      h("td", {}, h("span", { class: "chips value" }, ...kind.components.map((each) => h("a", { href: entitiesOf(each.path), title: each.path }, each.name)))))), "No entities."),
    leftOut(left_out),
  ];
}

function drawEntities({ count, entities, next }, [path, from]) {
  const first = from && h("a", { href: entitiesOf(path) }, "First");
  const more = next && h("a", { href: `${entitiesOf(path)}/${next}` }, "Next");
  return [
    h("div", { class: "tools" }, link("#entities", "All kinds"), h("span", {}, `${count} with `, h("code", {}, path)), first, more),
    table([["Entity"], ["Components"]], entities.map((entity) => h("tr", {},
      h("td", {}, link(`#entity/${entity.id}`, entity.name)),
      h("td", { class: "value" }, ...entity.components.filter(ours).map((each) => h("div", { title: each.path }, each.value ?? each.name))))), "None now."),
  ];
}

function drawEntity({ id, name, components }) {
  return [
    h("div", { class: "tools" }, link("#entities", "All kinds"), h("strong", {}, `Entity ${name}`), link(`#follow/${id}`, "Follow it")),
    ...components.filter(ours).map((each) => h("section", {},
      h("h2", {}, h("a", { href: entitiesOf(each.path) }, each.name), " ", h("span", { class: "soft" }, each.path)),
      each.tree ? h("div", { class: "tree value" }, drawTree(each.tree, `${id} ${each.path}`)) : h("p", { class: "soft" }, hidden(each)))),
  ];
}

function drawChanges({ changes }, [id]) {
  return [
    h("div", { class: "tools" }, link(`#entity/${id}`, "The entity"), h("span", { class: "soft" }, "What has changed since it is followed, in the last 16 slots. It is followed as long as somebody asks.")),
    table([["Slot", "num"], ["Component"], ["What"], ["Value"]], changes.map((each) => h("tr", {},
      h("td", { class: "num" }, `${each.slot}.${each.interval}`),
      h("td", {}, each.component || "the entity"),
      h("td", {}, each.what),
      h("td", { class: "value" }, each.value))), "Nothing has changed yet."),
  ];
}

// Resources and queues.

function drawResources({ resources, left_out }) {
  return [
    table([["Resource"], ["Value"]], resources.filter(ours).map((each) => h("tr", {},
      h("td", { title: each.path }, link(`#entity/${each.id}`, each.name)),
      h("td", { class: "value" }, each.value ?? h("span", { class: "soft" }, hidden(each))))), "No resources."),
    leftOut(left_out),
  ];
}

// A bar for each second of the last minute, as high as what waited of what may, or of the most.
function minuteOf(each) {
  const most = Math.max(each.limit ?? 0, ...each.minute, 1);
  return s("svg", { class: "minute", viewBox: "0 0 120 20", role: "img", "aria-label": `the most in the last minute: ${Math.max(0, ...each.minute)}` },
    ...each.minute.map((depth, at) => depth ? s("rect", { class: "aggregation", x: at * 2, width: 1.5, y: 20 - Math.max(1, 20 * depth / most), height: Math.max(1, 20 * depth / most) }) : null),
    s("line", { class: "hair", x1: 0, x2: 120, y1: 19.5, y2: 19.5 }));
}

function drawQueues({ queues }) {
  const share = (each) => each.limit ? Math.min(1, each.depth / each.limit) : 0;
  return [table([["Queue"], ["Waiting", "num"], ["Limit", "num"], ["Full"], ["Last minute"], ["Dropped", "num"]], queues.map((each) => h("tr", {},
    h("td", {}, each.name),
    h("td", { class: "num" }, String(each.depth)),
    h("td", { class: "num" }, each.limit == null ? "–" : String(each.limit)),
    h("td", {}, each.limit == null ? null : h("span", { class: "fill", role: "img", "aria-label": `${Math.round(share(each) * 100)} %` }, h("i", { style: `width:${share(each) * 100}%` }))),
    h("td", {}, minuteOf(each)),
    h("td", { class: `num ${each.dropped ? "warn" : ""}` }, each.dropped == null ? "–" : String(each.dropped)))), "No queues.")];
}

// A tab of the client's own: a table of a list of objects, a tree of anything else.

function drawOwn(answer, [name]) {
  const isTable = Array.isArray(answer) && answer.length && answer.every((each) => each && typeof each === "object" && !Array.isArray(each));
  if (!isTable) return [h("div", { class: "tree value" }, drawTree(treeOfJson(answer), `tab ${name}`))];
  const columns = [...new Set(answer.flatMap((each) => Object.keys(each)))];
  const text = (each) => each == null ? "" : typeof each === "object" ? JSON.stringify(each) : String(each);
  return [table(columns.map((column) => [column, answer.every((each) => typeof (each[column] ?? 0) === "number") ? "num" : ""]), answer.map((each) => h("tr", {},
    ...columns.map((column) => h("td", { class: typeof each[column] === "number" ? "num" : "value" }, text(each[column]))))), "Nothing.")];
}

// The prover.

// A phase ends when the next one begins, or with its job.
function phasesOf(job, now) {
  const end = job.ended_ms ?? now;
  return job.phases.map((phase, at) => ({ ...phase, ended_ms: Math.min(end, job.phases[at + 1]?.began_ms ?? end) }));
}

function drawProver(overview) {
  const now = Math.max(overview.clock.time_ms, ...overview.sessions.flatMap((session) => session.jobs.flatMap((job) => [job.asked_ms, job.ended_ms ?? 0])));
  const from = now - TIMELINE_MS;
  const jobs = overview.sessions.flatMap((session) => session.jobs.map((job) => ({ ...job, slot: session.slot })))
    .filter((job) => (job.ended_ms ?? now) >= from).sort((a, b) => a.asked_ms - b.asked_ms);
  const [left, width, row] = [200, 1000, 16];
  const x = (at) => left + ((Math.max(from, Math.min(now, at)) - from) / TIMELINE_MS) * (width - left - 60);
  const height = 26 + jobs.length * row;
  const ticks = Array.from({ length: 9 }, (_, at) => now - at * 4000);
  const tone = (job) => ({ failed: "bad", late: "warn", given_up: "warn" })[job.status] ?? job.kind;
  const took = (job) => job.started_ms && job.ended_ms ? `${job.ended_ms - job.started_ms} ms` : job.status;
  const phases = (job) => phasesOf(job, now).map((phase) => `, ${phase.name} ${phase.ended_ms - phase.began_ms} ms`).join("");
  const text = (job) => `slot ${job.slot}: ${job.kind} of ${job.signatures} signatures and ${job.children} proofs, ${job.status}, ${took(job)}${phases(job)}`;
  return [
    h("p", { class: "soft" }, "The proofs of the last 32 s. A dotted line is waiting, a bar is proving, and its shades are the proof's phases. The axis has seconds before now."),
    jobs.length ? h("div", { class: "card" }, s("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": jobs.map(text).join("; ") },
      ...ticks.map((at) => s("g", {}, s("line", { class: "hair", x1: x(at), x2: x(at), y1: 18, y2: height }), s("text", { x: x(at), y: 12, "text-anchor": "middle" }, at === now ? "now" : `−${(now - at) / 1000}`))),
      ...jobs.map((job, at) => {
        const y = 26 + at * row;
        const begin = job.started_ms ?? job.ended_ms ?? now;
        return s("g", {}, s("title", {}, text(job)),
          s("text", { x: 0, y: y + 9 }, `${job.slot} ${job.kind}`),
          s("line", { class: "wait", x1: x(job.asked_ms), x2: x(begin), y1: y + 5, y2: y + 5 }),
          job.started_ms ? s("rect", { class: tone(job), x: x(job.started_ms), y, width: Math.max(2, x(job.ended_ms ?? now) - x(job.started_ms)), height: 10, rx: 2 }) : null,
          ...phasesOf(job, now).map((phase, at) => s("rect", { class: `phase ${at % 2 ? "odd" : "even"}`, x: x(phase.began_ms), y, width: Math.max(1, x(phase.ended_ms) - x(phase.began_ms)), height: 10 }, s("title", {}, `${phase.name}: ${phase.ended_ms - phase.began_ms} ms`))),
          s("text", { x: x(job.ended_ms ?? now) + 5, y: y + 9 }, took(job)));
      }))) : h("p", {}, "Nothing. Only a node that aggregates or proposes asks the prover."),
  ];
}

const tabs = [
  ["entities", "Entities", () => `${BASE}/kinds`, drawKinds],
  ["resources", "Resources", () => `${BASE}/resources`, drawResources],
  ["queues", "Queues", () => `${BASE}/queues`, drawQueues],
  ["schedules", "Schedules", () => `${BASE}/schedules`, drawSchedules],
  ["prover", "Prover", () => "/quintet/v0/overview", drawProver],
];

// A part of the address; one that is malformed is as it is.
function decoded(part) {
  try { return decodeURIComponent(part); } catch { return part; }
}

// What the address says is open.
function open() {
  const [name, ...rest] = location.hash.slice(1).split("/").map(decoded);
  if (name === "follow") return { tab: "entities", path: `${BASE}/entities/${encodeURIComponent(rest[0] ?? "")}/changes`, draw: drawChanges, rest };
  if (name === "entity") return { tab: "entities", path: `${BASE}/entities/${encodeURIComponent(rest[0] ?? "")}`, draw: drawEntity, rest };
  if (name === "entities" && rest[0]) {
    const query = new URLSearchParams({ with: rest[0], ...(rest[1] && { from: rest[1] }) });
    return { tab: "entities", path: `${BASE}/entities?${query}`, draw: drawEntities, rest };
  }
  const [tab, , path, draw] = tabs.find((each) => each[0] === name) ?? tabs[0];
  return { tab, path: path(), draw, rest: [tab, ...rest] };
}

async function refresh() {
  const number = ++asked;
  const what = open();
  isBusy = true;
  mark(what.tab);
  try {
    const answer = await ask(what.path);
    // Another tab was opened meanwhile.
    if (number !== asked) return;
    $("token-form").hidden = true;
    draw(what, answer);
    tell(isHeld ? "held" : "live");
  } catch (error) {
    if (number !== asked) return;
    // What was open before is not what the address says.
    if (!last?.startsWith(`${what.path}{`)) { last = null; $("view").replaceChildren(); }
    const needsToken = error.status === 401;
    if (needsToken || error.status === 403) hold(true);
    if (needsToken && $("token-form").hidden) { $("token-form").hidden = false; $("token").focus(); }
    tell(error.name === "AbortError" ? "the node does not answer" : error.message, "bad");
  } finally {
    if (number === asked) isBusy = false;
  }
}

// What can have the keyboard.
const STOPS = "a, summary";

function draw(what, answer) {
  // Drawing anew would take the reader's place and the keyboard's away for nothing.
  const shown = `${what.path}{${showsBevys}${JSON.stringify(answer)}`;
  if (shown === last) return;
  const isSame = last?.startsWith(`${what.path}{`);
  last = shown;
  const view = $("view");
  const focused = view.contains(document.activeElement) ? document.activeElement : null;
  // What has the keyboard keeps it: found again by where it leads, or by its place.
  const place = focused ? [...view.querySelectorAll(STOPS)].indexOf(focused) : -1;
  const href = focused?.getAttribute("href");
  const scrolled = focused?.scrollTop;
  view.replaceChildren(...what.draw(answer, what.rest).filter((child) => child != null));
  if (!focused) return;
  if (!isSame) {
    view.focus({ preventScroll: true });
    scrollTo(0, 0);
    return;
  }
  const stops = [...view.querySelectorAll(STOPS)];
  const again = (href && stops.find((each) => each.getAttribute("href") === href)) || stops[place] || view;
  again.focus({ preventScroll: true });
  if (scrolled) again.scrollTop = scrolled;
}

function mark(open) {
  for (const tab of $("tabs").children) {
    if (tab.dataset.tab === open) tab.setAttribute("aria-current", "page"); else tab.removeAttribute("aria-current");
  }
}

function tell(text, tone) {
  say($("state"), text);
  $("state").className = tone ?? "";
}

function hold(isOn) {
  isHeld = isOn;
  $("hold").setAttribute("aria-pressed", String(isOn));
}

function addTab([tab, name]) {
  const button = h("button", { type: "button", "data-tab": tab }, name);
  button.onclick = () => { location.hash = tab; };
  $("tabs").append(button);
}

// The client's own tabs come after the node's.
async function addOwnTabs() {
  const { tabs: own } = await ask(`${BASE}/tabs`);
  for (const { name, title } of own) {
    if (tabs.some((each) => each[0] === name)) continue;
    const tab = [name, title, () => `${BASE}/tabs/${encodeURIComponent(name)}`, drawOwn];
    tabs.push(tab);
    addTab(tab);
  }
  if (own.length) refresh();
}

function setUp() {
  tabs.forEach(addTab);
  addOwnTabs().catch(() => {});
  $("bevys").onchange = () => { showsBevys = $("bevys").checked; refresh(); };
  $("hold").onclick = () => { hold(!isHeld); refresh(); };
  $("token-form").onsubmit = (event) => {
    event.preventDefault();
    token = $("token").value;
    hold(false);
    refresh();
    addOwnTabs().catch(() => {});
  };
  addEventListener("hashchange", refresh);
  document.addEventListener("visibilitychange", () => { if (!document.hidden && !isHeld) refresh(); });
  setInterval(() => { if (!document.hidden && !isHeld && !isBusy) refresh(); }, ASK_EVERY_MS);
  refresh();
}

setUp();
