"use strict";
// What the page knows: the node's last answers, how old they are, and what they say together.

const OVERVIEW = "/quintet/v0/overview";
const FORK_CHOICE = "/lean/v0/fork_choice";
const EVENTS = "/lean/v0/events?topics=head,block,justified_checkpoint,finalized_checkpoint";
// Without events the page asks this often; with them this is only a fallback.
const POLL_MS = 2000;
const LIVE_POLL_MS = 4000;
// Events that come together cause one question.
const SETTLE_MS = 250;
const ANSWER_TIMEOUT_MS = 4000;
const INTERVALS = ["Propose", "Attest", "Aggregate", "Safe target", "Accept"];
// From this many slots behind the clock on finality lags, and then counts as stalled.
const LAGS_FROM = 7;
const STALLS_FROM = 12;
const SILENT_FROM = 4;
// From this many slots without an interval the node has stopped working.
const ASLEEP_FROM = 3;

const view = {
  overview: null,
  tree: null,
  offsetMs: 0,
  answeredAt: 0,
  failingSince: 0,
  failure: "",
  live: false,
};

async function ask(path) {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), ANSWER_TIMEOUT_MS);
  try {
    const answer = await fetch(path, { signal: abort.signal, cache: "no-store", headers: { accept: "application/json" } });
    if (!answer.ok) throw new Error(`${path} answers ${answer.status}`);
    return await answer.json();
  } finally {
    clearTimeout(timer);
  }
}

// The node tells when its interval began, which is a while ago when the answer comes: never in the
// future, and at times just now. So the smallest delay shows how far the clocks differ.
let least = Infinity;
function offset(delay) {
  least = Math.min(least, delay);
  return least < 0 || least > 1000 ? -least : 0;
}

let asking = false;
let askAgain = false;
let nextAsk = 0;

// One question at a time; what comes up meanwhile is one more.
async function refresh() {
  if (asking) { askAgain = true; return; }
  asking = true;
  const begin = Date.now();
  try {
    const [overview, tree] = await Promise.all([ask(OVERVIEW), ask(FORK_CHOICE)]);
    const end = Date.now();
    view.overview = { slots: [], sessions: [], peers: [], warnings: [], ...overview };
    view.tree = tree;
    view.offsetMs = offset(end - overview.clock.time_ms);
    view.answeredAt = end;
    view.failingSince = 0;
  } catch (error) {
    if (!view.failingSince) view.failingSince = begin;
    view.failure = error.name === "AbortError" ? "it took too long to answer" : String(error.message || error);
  }
  asking = false;
  draw();
  schedule(askAgain ? SETTLE_MS : view.live && !view.failingSince ? LIVE_POLL_MS : POLL_MS);
  askAgain = false;
}

function schedule(delay) {
  clearTimeout(nextAsk);
  nextAsk = setTimeout(refresh, delay);
}

function listen() {
  const events = new EventSource(EVENTS);
  events.onopen = () => { view.live = true; drawLink(); };
  events.onerror = () => {
    view.live = false;
    drawLink();
    // A browser gives up on an answer that is no stream; it is asked for again later.
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, 5000);
  };
  for (const topic of ["head", "block", "justified_checkpoint", "finalized_checkpoint"]) {
    events.addEventListener(topic, () => { if (asking) askAgain = true; else schedule(SETTLE_MS); });
  }
}

// The node's time, wherever this browser's clock stands.
const nodeNow = () => Date.now() + view.offsetMs;

function clock() {
  const { node, clock } = view.overview;
  const slotMs = (clock.seconds_per_slot || 4) * 1000;
  const sinceGenesis = nodeNow() - node.genesis_time * 1000;
  const slot = Math.max(0, Math.floor(sinceGenesis / slotMs));
  return { sinceGenesis, slotMs, slot, part: Math.max(0, sinceGenesis - slot * slotMs) / slotMs };
}

// The one sentence about this node, and how bad it is.
function state() {
  if (view.failingSince) {
    const ago = view.answeredAt ? `Its last answer is ${seconds(Date.now() - view.answeredAt)} old and shown below.` : "It has not answered yet.";
    return ["bad", "The node does not answer", `${ago} Asking again every ${POLL_MS / 1000} s. (${view.failure})`];
  }
  if (!view.overview) return ["none", "Waiting for the node’s first answer", "\u00a0"];
  const { head, finalized, sync } = view.overview;
  const { sinceGenesis, slotMs, slot } = clock();
  if (sinceGenesis < 0) return ["none", `Genesis in ${seconds(-sinceGenesis)}`, "The node is up and waits for slot 0."];
  const asleep = slot - view.overview.clock.slot;
  if (asleep >= ASLEEP_FROM) return ["bad", "The node’s intervals stand still", `It answers, but the last interval it ran was in slot ${view.overview.clock.slot}, ${seconds(asleep * slotMs)} ago.`];
  const behind = slot - finalized.slot;
  const finality = `Finalized slot ${finalized.slot} is ${count(behind, "slot")} (${seconds(behind * slotMs)}) behind the clock; the head is at slot ${head.slot}.`;
  if (sync.state === "syncing") return ["warn", `Syncing: slot ${head.slot} of ${sync.target_slot ?? slot}`, "Duties wait until the head is the network’s."];
  if (behind >= STALLS_FROM) return ["bad", "Finality has stalled", finality];
  if (slot - head.slot >= SILENT_FROM) return ["warn", `No new block for ${count(slot - head.slot, "slot")}`, finality];
  if (behind >= LAGS_FROM) return ["warn", "Finality lags", finality];
  if (sync.state !== "synced") return ["warn", "No peer has said what its chain is", finality];
  return ["ok", "Finalizing", finality];
}

// Text
const count = (n, noun) => `${n} ${noun}${n === 1 ? "" : "s"}`;
const short = (root) => (root ? `${root.slice(0, 8)}…${root.slice(-4)}` : "–");

function ms(value) {
  if (value == null || !isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size < 10) return `${Number.isInteger(value) ? value : value.toFixed(1)} ms`;
  if (size < 10000) return `${Math.round(value)} ms`;
  return `${(value / 1000).toFixed(1)} s`;
}

function seconds(value) {
  const total = Math.max(0, Math.round(value / 1000));
  if (total < 60) return `${total} s`;
  if (total < 3600) return `${Math.floor(total / 60)} min ${total % 60} s`;
  if (total < 86400) return `${Math.floor(total / 3600)} h ${Math.floor((total % 3600) / 60)} min`;
  return `${Math.floor(total / 86400)} d ${Math.floor((total % 86400) / 3600)} h`;
}
