// Where the blocks of a tree go: columns by slot, lanes by branch, long runs folded.

// A tree this small is always drawn whole.
const WHOLE_UP_TO = 32;
// A run shorter than this is not worth folding.
const FOLD_FROM = 4;
// Blocks at the head that are never folded.
const KEEP_AT_HEAD = 6;

// The blocks by root, with children in the order of drawing: the head's chain first.
function index(tree) {
  const blocks = new Map();
  for (const node of tree.nodes) {
    blocks.set(node.root, { ...node, children: [], parent: null, canonical: false, roles: [] });
  }
  const roots = [];
  for (const block of blocks.values()) {
    const parent = blocks.get(block.parent_root);
    if (parent && parent !== block) { block.parent = parent; parent.children.push(block); } else roots.push(block);
  }
  for (let at = blocks.get(tree.head); at; at = at.parent) at.canonical = true;
  const order = (a, b) => b.canonical - a.canonical || b.weight - a.weight || a.slot - b.slot || (a.root < b.root ? -1 : 1);
  for (const block of blocks.values()) block.children.sort(order);
  roots.sort(order);
  const role = (root, name) => blocks.get(root)?.roles.push(name);
  role(tree.head, "head");
  role(tree.safe_target, "safe");
  role(tree.justified?.root, "justified");
  role(tree.finalized?.root, "finalized");
  return { blocks, roots };
}

// Blocks and folded runs, as a tree of items.
function items(tree, fold, opened) {
  const { blocks, roots } = index(tree);
  const kept = new Set();
  let at = blocks.get(tree.head);
  for (let n = 0; at && n < KEEP_AT_HEAD; n++, at = at.parent) kept.add(at);
  const folding = fold && blocks.size > WHOLE_UP_TO;
  const plain = (block) => block.children.length === 1 && block.parent && block.parent.children.length === 1 && !block.roles.length && !kept.has(block);
  const all = [];
  const stack = roots.map((block) => [block, null]).reverse();
  while (stack.length) {
    let [block, parent] = stack.pop();
    let run = [];
    if (folding) for (let next = block; plain(next) && !opened.has(next.root); next = next.children[0]) run.push(next);
    if (run.length < FOLD_FROM) run = [];
    const last = run.length ? run[run.length - 1] : block;
    const item = {
      key: block.root, block: last, run, parent, children: [],
      first: block.slot, slot: last.slot, canonical: block.canonical,
    };
    all.push(item);
    if (parent) parent.children.push(item);
    for (const child of [...last.children].reverse()) stack.push([child, item]);
  }
  return { items: all, roots: all.filter((item) => !item.parent), size: blocks.size };
}

// Gives every item its column and lane.
function place(laid) {
  const slots = [...new Set(laid.items.map((item) => item.first))].sort((a, b) => a - b);
  const column = new Map(slots.map((slot, at) => [slot, at]));
  for (const item of laid.items) item.column = column.get(item.first);
  // A branch is a path of first children; a lane takes branches that do not touch.
  const branches = [];
  const begin = (item) => {
    const path = [];
    for (let at = item; at; at = at.children[0]) path.push(at);
    branches.push(path);
    for (const each of path) each.children.slice(1).forEach(begin);
  };
  laid.roots.forEach(begin);
  branches.sort((a, b) => b[0].canonical - a[0].canonical || a[0].column - b[0].column);
  const lanes = [];
  for (const path of branches) {
    const from = path[0].parent ? path[0].parent.column : path[0].column;
    const to = path[path.length - 1].column;
    let lane = 0;
    while (lanes[lane]?.some(([a, b]) => from <= b && a <= to)) lane++;
    (lanes[lane] ??= []).push([from, to]);
    for (const item of path) item.lane = lane;
  }
  return { ...laid, slots, lanes: lanes.length };
}
