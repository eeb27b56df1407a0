// Everything but the tree.

// Lateness in milliseconds from which an interval looks worse: the last is a duty at risk.
const LATE_STEPS = [10, 50, 200];
const lateLevel = (late) => LATE_STEPS.filter((step) => late >= step).length;
const lateClass = (late) => ["", "", "level-warn", "level-bad"][lateLevel(late)];

function drawLink() {
  const link = $("link");
  const [level, text] = view.failingSince ? ["bad", "unreachable"] : !view.overview ? ["none", "connecting"] : view.live ? ["ok", "live"] : ["warn", "polling"];
  link.dataset.level = level;
  say($("link-text"), text);
  link.title = { live: "The node tells the page what happens", polling: "No event stream; asking every two seconds", unreachable: "The node does not answer", connecting: "" }[text];
}

function drawState() {
  const [level, sentence, detail] = state();
  $("state").dataset.level = level;
  say($("state-glyph"), { ok: "✓", warn: "!", bad: "✕", none: "·" }[level]);
  say($("state-text"), sentence);
  say($("state-detail"), detail);
  document.documentElement.classList.toggle("stale", Boolean(view.failingSince));
}

function drawIdentity({ node, peers }) {
  say($("name"), node.name || "Quintet");
  const validators = node.validators.length > 6 ? count(node.validators.length, "validator") : node.validators.length ? `validator${node.validators.length > 1 ? "s" : ""} ${node.validators.join(", ")}` : "observer";
  const role = node.is_aggregator ? `aggregator of subnet${node.subnets.length > 1 ? "s" : ""} ${node.subnets.join(", ")}` : "no aggregator";
  say($("identity"), [node.agent || `quintet/${node.version}`, `${validators} of ${node.validator_count}`, role, count(peers.length, "peer"), `up ${seconds(nodeNow() - node.start_time_ms)}`].join(" · "));
}

const FACTS = [["Head", "head", "●"], ["Safe target", "safe_target", "◆"], ["Justified", "justified", "◐"], ["Finalized", "finalized", "■"]];

function swatch(key) {
  const shapes = {
    head: s("circle", { cx: 5, cy: 5, r: 5, style: "fill:var(--accent)" }),
    safe_target: s("path", { d: "M5 0 10 5 5 10 0 5Z", style: "fill:none;stroke:var(--accent);stroke-width:1.6" }),
    justified: s("circle", { cx: 5, cy: 5, r: 4.2, style: "fill:none;stroke:var(--ink);stroke-width:1.6" }),
    finalized: s("rect", { width: 10, height: 10, style: "fill:var(--ink)" }),
  };
  return shapes[key];
}

function drawProgress(overview) {
  const { slot } = clock();
  const rows = FACTS.map(([name, key]) => {
    const at = overview[key] ?? {};
    const behind = at.slot == null ? "–" : String(Math.max(0, slot - at.slot));
    return h("tr", {},
      h("th", { scope: "row" }, s("svg", { class: "swatch", viewBox: "-1 -1 12 12", "aria-hidden": "true" }, swatch(key)), name),
      h("td", { class: "num" }, at.slot == null ? "–" : String(at.slot)),
      h("td", { class: "num" }, behind),
      h("td", { class: "root", title: at.root ?? "" }, short(at.root)));
  });
  replace($("facts").tBodies[0], rows);
  drawRail(overview, slot);
}

// The four checkpoints and the clock on one line of slots.
function drawRail(overview, slot) {
  const box = $("rail");
  const width = Math.max(200, box.clientWidth);
  const points = FACTS.map(([name, key]) => ({ name, key, slot: overview[key]?.slot })).filter((point) => point.slot != null);
  if (!points.length) return;
  const from = Math.max(0, Math.min(...points.map((point) => point.slot), slot - 8));
  const to = Math.max(slot, from + 8, ...points.map((point) => point.slot)) + .6;
  const x = (at) => 14 + ((at - from) / Math.max(1, to - from)) * (width - 46);
  const step = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000].find((each) => (to - from) / each <= width / 44) ?? 20000;
  const ticks = [];
  for (let at = Math.ceil(Math.max(0, from) / step) * step; at <= to; at += step) ticks.push(at);
  const level = { finalized: 44, justified: 44, safe_target: 28, head: 28 };
  const finalized = overview.finalized?.slot ?? from;
  const drawing = s("svg", { width, height: 92, "aria-hidden": "true" },
    ...ticks.flatMap((at) => [
      s("line", { class: "hair", x1: x(at), x2: x(at), y1: 14, y2: 66 }),
      s("text", { x: x(at), y: 82, "text-anchor": "middle" }, String(at)),
    ]),
    s("line", { x1: x(from), x2: x(finalized), y1: 52, y2: 52, style: "stroke:var(--ink);stroke-width:3" }),
    s("line", { x1: x(finalized), x2: x(overview.head?.slot ?? from), y1: 52, y2: 52, style: "stroke:var(--accent);stroke-width:3;opacity:.55" }),
    ...points.reverse().map(({ key, slot: at }) => s("g", { transform: `translate(${x(at) - 5} ${key === "head" || key === "safe_target" ? 26 : 47})` }, swatch(key))),
    ...points.filter(({ key }) => level[key] === 28).map(({ slot: at }) => s("line", { x1: x(at), x2: x(at), y1: 37, y2: 52, style: "stroke:var(--accent);opacity:.6" })),
    s("line", { x1: x(slot), x2: x(slot), y1: 10, y2: 66, style: "stroke:var(--accent);stroke-width:1.5;stroke-dasharray:2 2" }),
    s("text", { class: "ink", x: Math.min(x(slot), width - 30), y: 9, "text-anchor": "middle" }, "now"));
  box.setAttribute("aria-label", `${points.map((point) => `${point.name.toLowerCase()} at slot ${point.slot}`).join(", ")}; the clock is at slot ${slot}`);
  box.replaceChildren(drawing);
}

function drawSlot(overview) {
  const { slot } = clock();
  const shown = overview.clock.slot;
  const recent = new Map(overview.slots.map((each) => [each.slot, each.intervals]));
  const now = new Map((recent.get(shown) ?? []).map((each) => [each.interval, each]));
  say($("slot-number"), String(shown));
  const step = (overview.clock.seconds_per_slot || 4) * 200;
  replace($("intervals"), INTERVALS.map((name, at) => {
    const ran = now.get(at);
    const isNow = overview.clock.interval === at && slot === shown;
    const late = ran ? h("p", { class: `late ${lateClass(ran.late_ms)}` }, `${ms(ran.late_ms)} late`) : h("p", { class: "late" }, at > overview.clock.interval ? "to come" : "–");
    return h("li", { "data-now": String(isNow), "data-state": ran ? "ran" : "ahead", "aria-current": isNow ? "step" : null },
      h("p", { class: "at" }, at ? `+${at * step} ms` : "0 ms"),
      h("p", { class: "name" }, name),
      late,
      h("p", { class: "systems", title: ran ? `${(ran.systems ?? []).join(", ")}, in ${ms(ran.ran_ms)}` : "" }, ran ? `${(ran.systems ?? []).join(", ") || "nothing due"} · ${ms(ran.ran_ms)}` : ""));
  }));
  const slots = Array.from({ length: 16 }, (_, at) => shown - 15 + at);
  const rows = INTERVALS.map((name, interval) => h("tr", {}, h("th", { scope: "row" }, name), ...slots.map((each) => {
    const ran = recent.get(each)?.find((one) => one.interval === interval);
    const text = ran ? `Slot ${each}, ${name}: ${ms(ran.late_ms)} late` : `Slot ${each}, ${name}: no record`;
    return h("td", { title: text }, h("i", { "data-level": ran ? lateLevel(ran.late_ms) : null }), h("span", { class: "hidden" }, ran ? ms(ran.late_ms) : "–"));
  })));
  const head = h("tr", {}, h("td", {}), ...slots.map((each, at) => h("th", { scope: "col" }, each < 0 ? "" : (15 - at) % 5 === 0 ? String(each) : h("span", { class: "hidden" }, String(each)))));
  replace($("heat").tBodies[0], [...rows, head]);
  if (!$("heat-legend").childElementCount) {
    const [a, b, c] = LATE_STEPS;
    $("heat-legend").append(...[`under ${a} ms`, `${a} to ${b} ms`, `${b} to ${c} ms`, `over ${c} ms`].map((text, level) => h("span", {}, h("i", { "data-level": level }), text)), h("span", {}, h("i", {}), "no record"));
  }
}

// The hand goes round between answers, from the node's clock.
function drawHand() {
  if (!view.overview) return;
  const { slot, part, sinceGenesis } = clock();
  $("hand").style.transform = `scaleX(${sinceGenesis < 0 || view.failingSince ? 0 : part})`;
  say($("slot-now"), sinceGenesis < 0 ? "–" : String(slot));
  const interval = sinceGenesis < 0 || view.failingSince ? -1 : Math.floor(part * 5);
  $("mark").querySelectorAll("rect").forEach((bar, at) => bar.classList.toggle("on", at === interval));
}

function drawSessions({ sessions }) {
  const list = $("sessions");
  if (!$("sessions-legend").childElementCount) {
    $("sessions-legend").append(...["aggregation", "proposal", "reaggregation", "running", "late", "failed"].map((kind) => h("span", {}, h("i", { class: `k-${kind}` }), kind)));
  }
  if (!sessions.length) {
    $("sessions-axis").replaceChildren();
    replace(list, [h("li", { class: "empty", style: "display:block;border:0" }, "No session in the last 16 slots. Only an aggregator opens them.")]);
    return;
  }
  const relative = (session, at) => at - session.boundary_ms;
  const times = sessions.flatMap((session) => [session.opened_ms, session.deadline_ms, ...session.jobs.flatMap((job) => [job.asked_ms, job.ended_ms])].filter(Boolean).map((at) => relative(session, at)));
  const from = Math.max(-1600, Math.min(-200, ...times) - 60);
  const to = Math.min(6000, Math.max(900, ...times) + 120);
  const width = Math.max(80, list.clientWidth - (innerWidth <= 620 ? 154 : 216));
  const x = (at) => ((Math.min(to, Math.max(from, at)) - from) / (to - from)) * width;
  const step = [100, 200, 400, 800, 1600].find((each) => (to - from) / each <= width / 62) ?? 3200;
  const ticks = [];
  for (let at = Math.ceil(from / step) * step; at < to; at += step) ticks.push(at);
  $("sessions-axis").replaceChildren(h("span", { class: "label" }, "slot"),
    s("svg", { width, height: 22 }, ...ticks.filter((at) => x(at) > 16 && x(at) < width - 20).map((at) => s("text", { x: x(at), y: 15, "text-anchor": "middle" }, at === 0 ? "boundary" : `${at > 0 ? "+" : "−"}${Math.abs(at)}`))),
    h("span", { class: "outcome label", style: "text-align:right" }, "ms"));
  replace(list, [...sessions].sort((a, b) => b.slot - a.slot || (a.id < b.id ? 1 : -1)).map((session) => {
    const height = Math.max(24, session.jobs.length * 9 + 8);
    const bars = session.jobs.map((job, at) => {
      const begin = job.started_ms ? x(relative(session, job.started_ms)) : null;
      const end = job.ended_ms ? x(relative(session, job.ended_ms)) : x(relative(session, Math.min(nodeNow(), session.boundary_ms + to)));
      const top = (height - session.jobs.length * 9) / 2 + at * 9 + 1;
      const look = ["late", "failed", "given_up"].includes(job.status) ? job.status : job.status === "running" ? `running` : "";
      return s("g", {}, s("title", {}, jobText(job)),
        job.asked_ms && s("line", { class: "wait", x1: x(relative(session, job.asked_ms)), x2: begin ?? end, y1: top + 3.5, y2: top + 3.5 }),
        begin != null && s("rect", { class: `job ${job.kind} ${look}`, x: begin, y: top, width: Math.max(2, end - begin), height: 7, rx: 1.5 }));
    });
    const own = session.jobs.filter((job) => job.kind === "aggregation");
    const done = (own.length ? own : session.jobs).map((job) => job.ended_ms).filter(Boolean);
    const after = done.length ? relative(session, Math.max(...done)) : null;
    const outcome = `${session.outcome}${after != null && session.outcome !== "empty" ? ` ${after >= 0 ? "+" : "−"}${Math.abs(Math.round(after))}` : ""}`;
    const tone = { late: "level-warn", cut: "level-warn", failed: "level-bad" }[session.outcome] ?? "";
    return h("li", { "data-outcome": session.outcome },
      h("span", {}, String(session.slot)),
      s("svg", { width, height, role: "img", "aria-label": session.jobs.length ? session.jobs.map(jobText).join("; ") : "no jobs" },
        ...ticks.map((at) => s("line", { class: "hair", x1: x(at), x2: x(at), y1: 0, y2: height })),
        s("line", { class: "boundary", x1: x(0), x2: x(0), y1: 0, y2: height }),
        session.deadline_ms && s("line", { class: "deadline", x1: x(relative(session, session.deadline_ms)), x2: x(relative(session, session.deadline_ms)), y1: 0, y2: height }),
        ...bars),
      h("span", { class: `outcome ${tone}`, title: `session ${session.id}` }, outcome));
  }));
}

function jobText(job) {
  const took = job.started_ms && job.ended_ms ? ` in ${ms(job.ended_ms - job.started_ms)}` : "";
  const from = [job.signatures ? count(job.signatures, "signature") : null, job.children ? count(job.children, "proof") : null].filter(Boolean).join(" and ");
  return `${job.kind}${job.subnet != null ? ` of subnet ${job.subnet}` : ""}: ${job.phase ?? job.status.replace("_", " ")}${took}${from ? `, from ${from}` : ""}`;
}

function drawDuties({ duties }) {
  const figure = (name, value, bad) => h("div", { class: bad ? "bad" : null }, h("dt", {}, name), h("dd", {}, String(value ?? "–")));
  replace($("duty-counts"), [figure("Proposed", duties.proposed), figure("Attested", duties.attested), figure("Aggregated", duties.aggregated), figure("Missed", duties.missed, duties.missed > 0)]);
  const slots = new Map();
  for (const duty of duties.recent ?? []) {
    if (!slots.has(duty.slot)) slots.set(duty.slot, []);
    slots.get(duty.slot).push(duty);
  }
  const kinds = [["propose", "proposed"], ["attest", "attested"], ["aggregate", "aggregated"]];
  const alias = { proposal: "propose", vote: "attest", attestation: "attest", aggregation: "aggregate" };
  const rows = [...slots].sort(([a], [b]) => b - a).map(([slot, all]) => h("tr", { "data-slot": slot },
    h("td", { class: "num" }, String(slot)),
    ...kinds.map(([kind]) => {
      const of = all.filter((duty) => (alias[duty.duty] ?? duty.duty) === kind);
      if (!of.length) return h("td", {}, h("span", { class: "label" }, "–"));
      const done = of.filter((duty) => duty.outcome === "done").length;
      const text = of.length === 1 ? (done ? "✓ done" : "✕ missed") : `${done === of.length ? "✓" : "✕"} ${done} of ${of.length}`;
      return h("td", { class: done === of.length ? "" : "level-bad", title: of.map((duty) => `${duty.validator == null ? "the node" : `validator ${duty.validator}`}: ${duty.outcome}${duty.late_ms != null ? `, ${ms(duty.late_ms)} late` : ""}`).join("\n") }, text);
    }),
    h("td", { class: "wide" }, [...new Set(all.filter((duty) => duty.outcome !== "done").map((duty) => duty.reason || "no reason given"))].join("; "))));
  replace($("duties").tBodies[0], rows.length ? rows : [h("tr", {}, h("td", { colspan: 5, class: "empty" }, view.overview.node.validators.length ? "No duty in the last 16 slots." : "The node has no validators."))]);
}

function drawPeers({ peers, head }) {
  say($("peer-count"), peers.length ? String(peers.length) : "");
  const rows = [...peers].sort((a, b) => (a.name || a.peer_id) < (b.name || b.peer_id) ? -1 : 1).map((peer) => {
    const away = peer.head_slot == null ? 0 : peer.head_slot - head.slot;
    return h("tr", {},
      h("td", { title: peer.peer_id }, peer.name || h("code", {}, `…${peer.peer_id.slice(-10)}`)),
      h("td", { class: "num" }, peer.head_slot == null ? "–" : `${peer.head_slot}${away ? ` (${away > 0 ? "+" : "−"}${Math.abs(away)})` : ""}`),
      h("td", { class: "num" }, peer.finalized_slot == null ? "–" : String(peer.finalized_slot)),
      h("td", { class: `num ${peer.score < 0 ? "level-warn" : ""}` }, peer.score == null ? "–" : peer.score.toFixed(1)),
      h("td", {}, peer.direction || "–"),
      h("td", { class: "num" }, peer.connected_ms ? seconds(nodeNow() - peer.connected_ms) : "–"),
      h("td", { class: "wide" }, peer.agent || "–"));
  });
  replace($("peers").tBodies[0], rows.length ? rows : [h("tr", {}, h("td", { colspan: 7, class: "empty" }, "No peers. A node without peers proposes and attests only for itself."))]);
}

function drawWarnings({ warnings }) {
  say($("warning-count"), warnings.length ? String(warnings.length) : "");
  const said = JSON.stringify(warnings);
  if ($("warnings").dataset.said === said) return;
  $("warnings").dataset.said = said;
  replace($("warnings"), warnings.length
    ? warnings.map((warning) => h("li", { "data-code": warning.code }, h("p", {}, warning.text), warning.since_slot != null && h("p", { class: "since" }, `${warning.code.replaceAll("_", " ")}, since slot ${warning.since_slot}`)))
    : [h("li", { class: "empty" }, "None.")]);
}
