// The overview page and the wall page.

import { blendControl } from "./blend-control.js";
import { createCounters } from "./counters.js";
import { createTiles } from "./tiles.js";
import { h } from "./dom.js";
import { listVerdicts } from "./api.js";
import { onLive } from "./live.js";
import { recentStrip } from "./recent-strip.js";
import { showLine } from "./line.js";
import { startPage } from "./shell.js";

const wall = document.body.dataset.page === "wall";
const tiles = createTiles(wall);
const strip = recentStrip(wall);
const counters = createCounters();

onLive("status", (status) => {
  tiles.showStatus(status);
  counters.show(status);
});
onLive("verdicts", ({ verdicts, missed }) => {
  tiles.showVerdicts(verdicts);
  strip.add(verdicts, missed);
});

const main = document.getElementById("main");
const title = h("h1", { class: "only-spoken" }, wall ? "Wall" : "Overview");
if (wall) {
  const line = h("div", { class: "line" });
  showLine(line);
  main.append(title, h("div", { class: "wall-head" }, line, counters.element), tiles.element, strip.element);
  const heat = Number(new URLSearchParams(location.search).get("heat"));
  if (heat > 0 && heat <= 1) tiles.blend(heat);
} else {
  const toolbar = h("div", { class: "toolbar" }, counters.element, blendControl("blend", 0, tiles.blend));
  main.append(title, toolbar, tiles.element, strip.element);
}

await startPage();

// What was decided before this page opened. Without a journal there is nothing to show.
const past = (body) => listVerdicts(body).then((page) => page.verdicts, () => []);
past({ page_size: 40 }).then((verdicts) => tiles.showVerdicts(verdicts.reverse(), true));
past({ page_size: 12, decisions: ["DECISION_REJECT", "DECISION_FAULT"] }).then((verdicts) => strip.add(verdicts));
