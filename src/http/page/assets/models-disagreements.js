// The verdicts that the shadow decides otherwise, newest first, in pages.

import { call } from "./api.js";
import { COLUMNS, disagreementRow } from "./models-disagreement-row.js";
import { arrange, emptyState, errorState, h, setText } from "./dom.js";

const PAGE_SIZE = 20;

/**
 * Creates the card.
 * @param {string} first the id of the camera to begin with, empty: all cameras
 * @param {function(string): void} onCamera receives the chosen camera
 * @returns {{element: HTMLElement, showCameras: function(string[]): void, refresh: function(Object): Promise<void>,
 *   restart: function(): void}} `refresh` takes a Shadow, and does not fail; `restart` shows the newest page
 */
export function disagreementCard(first, onCamera) {
  const camera = h("select", { id: "disagreement-camera", onchange: changeCamera });
  const summary = h("span", { class: "soft", role: "status" });
  const newer = h("button", { type: "button", disabled: true, onclick: () => turn(befores.slice(0, -1)) }, "Newer");
  const older = h("button", { type: "button", disabled: true, onclick: () => turn([...befores, last]) }, "Older");
  const body = h("tbody", {});
  const table = h("div", { class: "table-scroll", tabindex: 0, role: "region", "aria-label": "Table of disagreements", hidden: true },
    h("table", { class: "disagreements" }, h("caption", { class: "only-spoken" }, "Disagreements"),
      h("thead", {}, h("tr", {}, COLUMNS.map((name) => h("th", { scope: "col" }, name)))), body));
  const message = h("div", {}, emptyState("Loading the disagreements"));
  const element = h("section", { class: "card", "aria-labelledby": "disagreements-title" },
    h("div", { class: "section-head" }, h("h2", { id: "disagreements-title" }, "Disagreements"), summary,
      h("div", { class: "buttons" }, h("label", { for: camera.id }, "Camera"), camera, newer, older)),
    table, message, h("p", { class: "hint" }, "Newest first. The last 1,000 are kept. Scores are shown with their thresholds; those of two models cannot be compared."));
  /** Each page shows disagreements before a sequence; 0: the newest. */
  let befores = [0];
  /** The sequence of the last row. */
  let last = 0;
  /** The rows by sequence, so that those that stay keep their pictures and the focus. @type {Map<number, HTMLElement>} */
  let rows = new Map();
  let loading = 0;
  /** @type {Object|null} a Shadow */
  let newest = null;
  /** What the shown page depends on. */
  let shownKey = "";

  // Newer disagreements change the first page only.
  const keyOf = () => [newest?.since_time, befores.length > 1 ? "" : newest?.disagreements, befores.at(-1), camera.value].join();

  async function refresh(shadow) {
    if (shadow.since_time !== newest?.since_time) rows = new Map();
    newest = shadow;
    if (keyOf() !== shownKey) await load();
  }

  async function load() {
    const turnNumber = ++loading;
    const key = keyOf();
    try {
      // One more than is shown says whether there is another page.
      const { disagreements } = await call("ModelService", "ListDisagreements",
        { page_size: PAGE_SIZE + 1, before_sequence: befores.at(-1), camera_id: camera.value });
      if (turnNumber !== loading) return;
      show(disagreements.slice(0, PAGE_SIZE), disagreements.length > PAGE_SIZE);
      shownKey = key;
    } catch (error) {
      if (turnNumber === loading) showError(error);
    }
  }

  function show(disagreements, hasMore) {
    last = disagreements.at(-1)?.sequence ?? 0;
    rows = new Map(disagreements.map((one) => [one.sequence, rows.get(one.sequence) ?? disagreementRow(one)]));
    arrange(body, [...rows.values()]);
    const isEmpty = disagreements.length === 0;
    table.hidden = isEmpty;
    newer.disabled = befores.length < 2;
    older.disabled = !hasMore;
    setText(summary, isEmpty ? "" : `Page ${befores.length}: ${disagreements.length === 1 ? "1 disagreement" : `${disagreements.length} disagreements`}`);
    message.replaceChildren(...(isEmpty ? [emptyState(camera.value ? `No disagreement of camera ${camera.value}` : "No disagreements yet")] : []));
  }

  function showError(error) {
    table.hidden = true;
    setText(summary, "");
    message.replaceChildren(errorState("The disagreements cannot be loaded", error));
  }

  function turn(next) {
    befores = next;
    load();
  }

  function changeCamera() {
    onCamera(camera.value);
    turn([0]);
  }

  function showCameras(ids) {
    const chosen = camera.options.length > 0 ? camera.value : first;
    const all = [...new Set([...ids, chosen].filter(Boolean))];
    if ([...camera.options].slice(1).map((option) => option.value).join() === all.join() && camera.options.length > 0) return;
    camera.replaceChildren(h("option", { value: "" }, "all cameras"), ...all.map((id) => h("option", { value: id }, id)));
    camera.value = chosen;
  }

  showCameras([]);
  return { element, showCameras, refresh, restart: () => turn([0]) };
}
