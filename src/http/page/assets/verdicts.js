// The page with the table of verdicts.

import { call, listVerdicts } from "./api.js";
import { datasetPanel } from "./dataset-panel.js";
import { emptyState, errorState, h, setText } from "./dom.js";
import { filterForm } from "./filter-form.js";
import { readFilter, toRequest, writeFilter } from "./filter.js";
import { listLabels } from "./labels.js";
import { onLive } from "./live.js";
import { startPage } from "./shell.js";
import { useKeys } from "./keys.js";
import { verdictTable } from "./verdict-table.js";

const PAGE_SIZE = 50;
const FOLLOW_INTERVAL_MS = 1000;

let filter = readFilter(location.search);
/** @type {string[]} the token of each page up to the shown one; the first page has the token "" */
let tokens = history.state?.tokens ?? [""];
let nextToken = "";
let loading = 0;

const { main } = await startPage();

const form = filterForm(filter, changeFilter);
const dataset = datasetPanel(() => filter);
const table = verdictTable();
const message = h("div", {}, emptyState("Loading verdicts"));
const summary = h("p", { class: "soft", role: "status" });
const newer = h("button", { type: "button", onclick: () => turn(-1) }, "Newer");
const older = h("button", { type: "button", onclick: () => turn(1) }, "Older");
const follow = h("input", { type: "checkbox", role: "switch" });
const keys = useKeys([
  { keys: ["j", "ArrowDown"], shown: "j ↓", text: "next verdict", run: () => table.move(1) },
  { keys: ["k", "ArrowUp"], shown: "k ↑", text: "previous verdict", run: () => table.move(-1) },
  { keys: [], shown: "Enter", text: "open the verdict", run: () => false },
  { keys: ["/"], shown: "/", text: "filter by part", run: () => form.partField.focus() },
  { keys: ["n"], shown: "n", text: "newer verdicts", run: () => turn(-1) },
  { keys: ["o"], shown: "o", text: "older verdicts", run: () => turn(1) },
  { keys: ["f"], shown: "f", text: "follow new verdicts", run: () => follow.click() },
]);
table.element.hidden = true;
main.replaceChildren(
  h("h1", {}, "Verdicts"),
  form.element,
  h("div", { class: "toolbar" }, summary,
    h("div", { class: "buttons" }, h("label", { class: "check" }, follow, "Follow new verdicts"), newer, older, dataset.button, keys)),
  dataset.element,
  table.element,
  message);

follow.addEventListener("change", () => {
  if (follow.checked) open([""]);
});

function changeFilter(next) {
  filter = next;
  open([""]);
}

function turn(by) {
  if (by > 0 && nextToken) open([...tokens, nextToken]);
  if (by < 0 && tokens.length > 1) open(tokens.slice(0, -1));
}

function open(next) {
  tokens = next;
  if (tokens.length > 1) follow.checked = false;
  history.replaceState({ tokens }, "", location.pathname + writeFilter(filter));
  load();
}

async function load() {
  const turnNumber = ++loading;
  table.element.setAttribute("aria-busy", "true");
  try {
    const page = await listVerdicts({ ...toRequest(filter), page_size: PAGE_SIZE, page_token: tokens.at(-1) });
    if (turnNumber !== loading) return;
    nextToken = page.next_page_token;
    showPage(page);
    const labels = await listLabels(page.verdicts.map((verdict) => verdict.sequence));
    if (turnNumber === loading) table.showLabels(labels);
  } catch (error) {
    if (turnNumber === loading) showError(error);
  } finally {
    if (turnNumber === loading) table.element.removeAttribute("aria-busy");
  }
}

function showPage(page) {
  const { verdicts } = page;
  table.show(verdicts, writeFilter(filter));
  table.element.hidden = verdicts.length === 0;
  newer.disabled = tokens.length < 2;
  older.disabled = !nextToken;
  setText(summary, `Page ${tokens.length}: ${verdicts.length} verdicts`);
  message.replaceChildren(...(verdicts.length ? [] : [nothing()]));
}

function nothing() {
  if (writeFilter(filter)) return emptyState("No verdict matches the filters");
  return emptyState("No verdicts yet", "Verdicts appear here when a camera has delivered a frame.");
}

function showError(error) {
  table.element.hidden = true;
  newer.disabled = tokens.length < 2;
  older.disabled = true;
  setText(summary, "");
  const expired = tokens.length > 1 && (error.code === "INVALID_ARGUMENT" || error.code === "OUT_OF_RANGE");
  if (expired) return open([""]);
  message.replaceChildren(error.code === "FAILED_PRECONDITION"
    ? emptyState("Verdicts are not stored", `${error.message} See [journal] in docs/configuration.md.`)
    : errorState("The verdicts cannot be loaded", error));
}

let lastReload = 0;
let reload = 0;
onLive("verdicts", () => {
  if (!follow.checked || reload) return;
  const wait = Math.max(0, lastReload + FOLLOW_INTERVAL_MS - performance.now());
  reload = setTimeout(async () => {
    await load();
    lastReload = performance.now();
    reload = 0;
  }, wait);
});

call("LineService", "ListCameras").then(({ cameras }) => form.showCameras(cameras.map((camera) => camera.id)), () => null);
open(tokens);
