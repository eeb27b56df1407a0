// Puts it together.

function draw() {
  drawLink();
  drawState();
  const overview = view.overview;
  if (!overview) return;
  const parts = [drawIdentity, drawProgress, drawSlot, drawTree, drawSessions, drawDuties, drawPeers, drawWarnings];
  // A field that one part does not understand does not take the others along.
  for (const part of parts) {
    try { part(overview); } catch (error) { console.error(part.name, error); }
  }
  drawHand();
  document.title = `${overview.node.name || "Quintet"} · slot ${overview.clock.slot} · ${$("state-text").textContent.toLowerCase()}`;
}

const THEMES = { auto: "automatic", light: "light", dark: "dark" };

function setTheme(theme) {
  const name = THEMES[theme] ? theme : "auto";
  if (name === "auto") delete document.documentElement.dataset.theme; else document.documentElement.dataset.theme = name;
  say($("theme"), `Theme: ${THEMES[name]}`);
  try { localStorage.setItem("quintet-theme", name); } catch { /* the choice lasts as long as the page */ }
}

function setUp() {
  let theme = "auto";
  try { theme = localStorage.getItem("quintet-theme") ?? "auto"; } catch { /* no storage */ }
  setTheme(theme);
  $("theme").onclick = () => {
    const names = Object.keys(THEMES);
    setTheme(names[(names.indexOf(document.documentElement.dataset.theme ?? "auto") + 1) % names.length]);
  };
  setUpTree();
  if (location.pathname.endsWith("/fork_choice/ui")) {
    // The same page, opened on its tree.
    document.documentElement.dataset.view = "tree";
    $("state").after($("tree-panel"));
    $("tree-view").focus();
  }
  let resized = 0;
  addEventListener("resize", () => { clearTimeout(resized); resized = setTimeout(draw, 120); });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
  setInterval(drawHand, matchMedia("(prefers-reduced-motion: reduce)").matches ? 800 : 80);
  setInterval(() => { drawState(); drawLink(); }, 1000);
  refresh();
  listen();
}

setUp();
