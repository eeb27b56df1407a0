"use strict";
// Schedules: their systems in order, how long they take, what they read and write.

const micros = (us) => us >= 100000 ? `${Math.round(us / 1000)} ms` : us >= 1000 ? `${(us / 1000).toFixed(1)} ms` : us >= 10 ? `${Math.round(us)} µs` : `${us.toFixed(1)} µs`;

// What a system touches, to be opened.
function accessOf(system, place) {
  if (system.is_exclusive) return h("span", { class: "soft" }, "the whole world");
  const count = system.reads.length + system.writes.length;
  if (!count) return h("span", { class: "soft" }, "nothing");
  const details = h("details", opened.get(place) ? { open: "" } : {},
    h("summary", {}, `${system.reads.length} read, ${system.writes.length} written`),
    system.reads.length ? h("p", {}, h("span", { class: "key" }, "reads "), system.reads.join(", ")) : null,
    system.writes.length ? h("p", {}, h("span", { class: "key" }, "writes "), system.writes.join(", ")) : null);
  details.ontoggle = () => { if (details.isConnected) opened.set(place, details.open); };
  return details;
}

const SYSTEM_COLUMNS = [["System"], ["Runs", "num"], ["Mean", "num"], ["p99", "num"], ["Longest", "num"], ["Last", "num"], ["Of all", "num"], ["Touches"]];

function systemRow(system, place, total) {
  const times = system.times;
  const cells = times
    ? [String(times.runs), micros(times.mean_us), micros(times.p99_us), micros(times.max_us), micros(times.last_us), total ? `${(100 * times.total_us / total).toFixed(1)} %` : "–"]
    : ["–", "–", "–", "–", "–", "–"];
  return h("tr", {},
    h("td", { class: "value", title: system.path }, system.name),
    ...cells.map((text) => h("td", { class: "num" }, text)),
    h("td", { class: "value" }, accessOf(system, place)));
}

const ambiguityOf = ({ one, other, on }) => h("p", { class: "warn" }, `Order open: ${one} and ${other}${on.length ? `, on ${on.join(", ")}` : ""}.`);

function drawSchedules({ schedules, updates }) {
  const total = updates?.total_us;
  return [
    updates ? h("p", {}, `${updates.runs} updates: mean ${micros(updates.mean_us)}, p99 ${micros(updates.p99_us)}, longest ${micros(updates.max_us)}, last ${micros(updates.last_us)}; ${(100 * updates.share).toFixed(2)} % of a core.`) : null,
    h("p", { class: "soft" }, "Systems in the order in which they run. Numbered schedules run in every update, in that order; the others when they are called, or at the start. A share is of the time of all updates. Systems of intervals and exclusive systems are timed at every run, others in one of 32 updates."),
    ...schedules.map((schedule) => ({ ...schedule, systems: schedule.systems.filter(ours) })).filter((schedule) => schedule.systems.length).map((schedule) => h("section", { class: "schedule" },
      h("h2", {}, schedule.place == null ? "" : `${schedule.place}. `, schedule.name),
      ...schedule.ambiguous.map(ambiguityOf),
      table(SYSTEM_COLUMNS, schedule.systems.map((system, at) => systemRow(system, `${schedule.name} ${at}`, total)), ""),
      leftOut(schedule.left_out))),
  ];
}
