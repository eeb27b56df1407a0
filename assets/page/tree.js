// The fork choice, drawn.

const COLUMN = 64;
const LANE = 62;
// Below this zoom blocks are dots.
const FAR = .42;
const ROLE_NAMES = { head: "head", safe: "safe", justified: "justified", finalized: "finalized" };

const treeView = { zoom: 1, fold: true, opened: new Set(), picked: null, stick: true, laid: null };

function drawTree() {
  const box = $("tree-view");
  const tree = view.tree;
  if (!tree || !tree.nodes.length) {
    say($("tree-note"), "");
    if (!box.querySelector(".empty")) box.replaceChildren(h("p", { class: "empty", style: "padding:16px" }, "No blocks yet."));
    return;
  }
  const laid = place(items(tree, treeView.fold, treeView.opened));
  treeView.laid = laid;
  const forks = laid.items.filter((item) => item.children.length > 1).length;
  const folded = laid.items.filter((item) => item.run.length).length;
  say($("tree-note"), `${count(laid.size, "block")} from the finalized one on, ${count(forks, "fork")}${folded ? `, ${count(folded, "run")} folded` : ""}; ${count(tree.validator_count, "validator")}`);
  const width = COLUMN * treeView.zoom;
  const lane = LANE * Math.max(.62, treeView.zoom);
  // The head's chain carries the names of its blocks below it.
  const names = Math.max(1, ...laid.items.filter((item) => item.lane === 0).map((item) => item.block.roles.length));
  const tall = 44 + (laid.lanes - 1) * lane + names * 12 + 34;
  // A small tree stands in the middle.
  const top = 44 + Math.max(0, (box.clientHeight - tall) / 2 - 8);
  const x = (item) => 34 + item.column * width;
  const y = (item) => top + (item.lane ? (names - 1) * 12 + item.lane * lane : 0);
  const fullWidth = 68 + Math.max(0, laid.slots.length - 1) * width;
  const fullHeight = Math.max(tall, box.clientHeight - 1);
  const [left, scrolledTop] = [box.scrollLeft, box.scrollTop];
  const ids = new Map(laid.items.map((item, at) => [item.key, `block-${at}`]));
  const drawing = s("svg", { width: fullWidth, height: fullHeight, role: "presentation" },
    axis(laid, width, fullHeight),
    s("g", {}, ...laid.items.filter((item) => item.parent).map((item) => edge(item, x, y))),
    s("g", {}, ...laid.items.map((item) => drawItem(item, x(item), y(item), tree, ids.get(item.key)))));
  box.replaceChildren(drawing);
  if (!laid.items.some((item) => item.key === treeView.picked)) treeView.picked = null;
  markPicked();
  box.scrollTop = scrolledTop;
  box.scrollLeft = treeView.stick ? box.scrollWidth : left;
}

function axis(laid, width, height) {
  // No closer than a label is wide.
  const every = Math.max(1, Math.ceil(30 / width));
  return s("g", { "aria-hidden": "true" }, ...laid.slots.flatMap((slot, at) => at % every ? [] : [
    s("line", { class: "hair", x1: 34 + at * width, x2: 34 + at * width, y1: 20, y2: height - 4 }),
    s("text", { x: 34 + at * width, y: 14, "text-anchor": "middle" }, String(slot)),
  ]));
}

function edge(item, x, y) {
  const [x1, y1, x2, y2] = [x(item.parent), y(item.parent), x(item), y(item)];
  const bend = Math.min(x2, x1 + 26);
  const path = y1 === y2 ? `M${x1} ${y1}H${x2}` : `M${x1} ${y1}C${bend} ${y1} ${x1 + 6} ${y2} ${bend} ${y2}H${x2}`;
  return s("path", { class: item.canonical ? "edge" : "edge off", d: path });
}

function drawItem(item, x, y, tree, id) {
  const { block, run } = item;
  const share = Math.min(1, block.weight / Math.max(1, tree.validator_count));
  const classes = item.canonical ? "item" : "item off";
  const common = { class: classes, id, role: "treeitem", "data-key": item.key, "data-slot": block.slot, "aria-label": describe(item, tree), "aria-level": item.column + 1 };
  if (run.length) {
    const half = treeView.zoom < FAR ? 5 : 19;
    return s("g", { ...common, "aria-expanded": "false", "data-run": run.length },
      treeView.zoom >= FAR && s("rect", { class: "halo", x: x - 22, y: y - 15, width: 44, height: 30, rx: 15 }),
      s("rect", { class: "pill", x: x - half, y: y - half * .58, width: 2 * half, height: half * 1.16, rx: half * .58 }),
      s("text", { class: "ink", x, y: y + 4 }, treeView.zoom < FAR ? "" : `×${run.length}`),
      s("text", { x, y: y + 27 }, treeView.zoom < .8 ? "" : `–${run[run.length - 1].slot}`));
  }
  // Far away a block is a dot, and only the ends of the story keep their names.
  const far = treeView.zoom < FAR;
  const roles = far ? block.roles.filter((role) => role === "head" || role === "finalized") : block.roles;
  const turn = 2 * Math.PI * 8;
  return s("g", common,
    s("circle", { class: "halo", cx: x, cy: y, r: far ? 7 : 14 }),
    !far && s("circle", { class: "gauge", cx: x, cy: y, r: 8 }),
    !far && share > 0 && s("circle", { class: "weight", cx: x, cy: y, r: 8, "stroke-dasharray": `${share * turn} ${turn}`, transform: `rotate(-90 ${x} ${y})` }),
    s("circle", { class: "core", cx: x, cy: y, r: far ? Math.max(1, Math.min(2.5, COLUMN * treeView.zoom * .4)) + (block.roles.length ? 2 : 0) : block.roles.length ? 4 : 2.5 }),
    treeView.zoom >= .8 && s("text", { class: item.canonical ? "ink" : null, x, y: y - 14 }, String(block.weight)),
    ...roles.map((role, at) => s("text", { class: `role ${role}`, x, y: y + 23 + at * 12 }, ROLE_NAMES[role])));
}

function describe(item, tree) {
  const { block, run } = item;
  if (run.length) return `${count(run.length, "block")} without a fork, slots ${item.first} to ${item.slot}`;
  const roles = block.roles.length ? `, ${block.roles.map((role) => ({ safe: "safe target" })[role] ?? role).join(", ")}` : "";
  return `Slot ${block.slot}, weight ${block.weight} of ${tree.validator_count}${roles}${item.canonical ? "" : ", not on the head’s chain"}`;
}

const itemOf = (key) => treeView.laid?.items.find((item) => item.key === key);
const headItem = () => treeView.laid?.items.find((item) => item.block.roles.includes("head"));

function pick(item, scroll = true) {
  if (!item) return;
  treeView.picked = item.key;
  markPicked();
  if (scroll) $("tree-view").querySelector(".picked")?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

function markPicked() {
  const box = $("tree-view");
  box.querySelector(".picked")?.classList.remove("picked");
  const item = itemOf(treeView.picked) ?? headItem();
  const group = item && box.querySelector(`[data-key="${CSS.escape(item.key)}"]`);
  if (!group) { box.removeAttribute("aria-activedescendant"); return; }
  group.classList.add("picked");
  group.setAttribute("aria-selected", "true");
  box.setAttribute("aria-activedescendant", group.id);
  const { block, run } = item;
  const fact = (name, value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));
  const facts = run.length
    ? [fact("Run", `${count(run.length, "block")} without a fork`), fact("Slots", `${item.first}–${item.slot}`), fact("Weight", `${run[0].weight} to ${block.weight}`), fact("Enter", "opens it")]
    : [fact("Slot", String(block.slot)), fact("Weight", `${block.weight} of ${view.tree.validator_count}`), fact("Proposer", String(block.proposer_index)),
      block.roles.length ? fact("Is", block.roles.map((role) => ({ safe: "safe target" })[role] ?? role).join(", ")) : null,
      fact("Root", h("a", { href: `/lean/v0/blocks/${block.root}`, "data-key": "picked-root" }, h("code", {}, block.root))), fact("Parent", h("code", {}, short(block.parent_root)))].filter(Boolean);
  const said = facts.map((each) => each.textContent).join();
  if ($("picked").dataset.said !== said) {
    replace($("picked"), facts);
    $("picked").dataset.said = said;
  }
}

function toggleRun(item) {
  if (!item?.run.length) return;
  for (const block of item.run) treeView.opened.add(block.root);
  treeView.stick = false;
  treeView.picked = item.key;
  drawTree();
}

// The item of a lane above or below that begins nearest.
function beside(item, step) {
  const candidates = treeView.laid.items.filter((each) => Math.sign(each.lane - item.lane) === step);
  const far = (each) => Math.abs(each.lane - item.lane) * 1000 + Math.abs(each.column - item.column);
  return candidates.sort((a, b) => far(a) - far(b))[0];
}

function zoomTo(zoom) {
  const box = $("tree-view");
  const middle = (box.scrollLeft + box.clientWidth / 2) / box.scrollWidth;
  treeView.zoom = Math.min(2.5, Math.max(.02, zoom));
  treeView.stick = false;
  drawTree();
  box.scrollLeft = middle * box.scrollWidth - box.clientWidth / 2;
}

function fitTree() {
  const columns = treeView.laid?.slots.length ?? 1;
  zoomTo((($("tree-view").clientWidth - 72) / Math.max(1, columns - 1)) / COLUMN);
  $("tree-view").scrollLeft = 0;
}

function setUpTree() {
  const box = $("tree-view");
  // Whoever looks at the end sees what comes; whoever looks elsewhere is left alone.
  box.addEventListener("scroll", () => { treeView.stick = box.scrollLeft + box.clientWidth >= box.scrollWidth - 40; });
  box.addEventListener("click", (event) => {
    const group = event.target.closest?.(".item");
    if (!group) return;
    const item = itemOf(group.dataset.key);
    if (item?.run.length) toggleRun(item); else pick(item, false);
  });
  box.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    zoomTo(treeView.zoom * (event.deltaY < 0 ? 1.15 : 1 / 1.15));
  }, { passive: false });
  box.addEventListener("keydown", (event) => {
    if (!treeView.laid) return;
    const item = itemOf(treeView.picked) ?? headItem() ?? treeView.laid.items[0];
    const keys = {
      ArrowLeft: () => pick(item.parent),
      ArrowRight: () => pick(item.children[0]),
      ArrowUp: () => pick(beside(item, -1)),
      ArrowDown: () => pick(beside(item, 1)),
      Home: () => pick(treeView.laid.roots[0]),
      End: () => pick(headItem()),
      Enter: () => toggleRun(item),
      " ": () => toggleRun(item),
      "+": () => zoomTo(treeView.zoom * 1.25),
      "-": () => zoomTo(treeView.zoom / 1.25),
    };
    if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[event.key]();
  });
  $("tree-in").onclick = () => zoomTo(treeView.zoom * 1.25);
  $("tree-out").onclick = () => zoomTo(treeView.zoom / 1.25);
  $("tree-fit").onclick = fitTree;
  $("tree-head").onclick = () => { pick(headItem()); treeView.picked = null; box.scrollLeft = box.scrollWidth; };
  $("tree-runs").onclick = () => {
    treeView.fold = !treeView.fold;
    treeView.opened.clear();
    $("tree-runs").setAttribute("aria-pressed", treeView.fold);
    drawTree();
  };
}
