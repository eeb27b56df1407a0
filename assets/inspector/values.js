"use strict";
// Tables, links, and values as trees.

const table = (columns, rows, empty) => h("div", { class: "scroll" }, h("table", {},
  h("thead", {}, h("tr", {}, ...columns.map(([name, kind]) => h("th", { scope: "col", class: kind }, name)))),
  h("tbody", {}, ...(rows.length ? rows : [h("tr", {}, h("td", { colspan: columns.length, class: "soft" }, empty))]))));

const link = (hash, text) => h("a", { href: hash }, text);
const entitiesOf = (path) => `#entities/${encodeURIComponent(path)}`;
const leftOut = (count) => count ? h("p", { class: "soft" }, `${count} more are not shown.`) : null;

// A value that nobody shows has a size.
const hidden = (component) => component.bytes ? `${component.bytes} bytes, not shown` : "no value";

// What the reader has opened and closed, by the place in the tree: drawing anew keeps it.
const opened = new Map();
// More parts are closed at first.
const OPEN_PARTS = 24;

function drawTree(tree, place, depth = 0) {
  if (!tree.parts) return tree.entity ? link(`#entity/${tree.entity}`, tree.text) : h("span", {}, tree.text);
  if (!tree.parts.length) return h("span", {}, tree.text ? `${tree.text} (empty)` : "(empty)");
  // A type with one part and no name for it is that part.
  if (tree.parts.length === 1 && tree.parts[0].key == null && !tree.parts[0].parts) {
    return h("span", {}, tree.text ? `${tree.text} ` : "", drawTree(tree.parts[0], place, depth));
  }
  const isOpen = opened.get(place) ?? (depth < 3 && tree.parts.length <= OPEN_PARTS);
  const details = h("details", isOpen ? { open: "" } : {},
    h("summary", {}, tree.text || "", h("span", { class: "soft" }, ` ${tree.parts.length} ${tree.parts.length === 1 ? "part" : "parts"}`)),
    h("ul", {}, ...tree.parts.map((part, at) => h("li", {},
      part.key == null ? null : h("span", { class: "key" }, `${part.key}: `),
      drawTree(part, `${place} ${part.key ?? at}`, depth + 1)))));
  details.ontoggle = () => { if (details.isConnected) opened.set(place, details.open); };
  return details;
}

function treeOfJson(value) {
  if (value === null || typeof value !== "object") return { text: typeof value === "string" ? value : JSON.stringify(value) ?? "" };
  const part = ([key, each]) => ({ ...(Array.isArray(value) ? {} : { key }), ...treeOfJson(each) });
  return { text: "", parts: Object.entries(value).map(part) };
}
