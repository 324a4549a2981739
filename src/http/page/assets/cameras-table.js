// The table of the cameras, kept up to date.

import { cameraBadge } from "./shapes.js";
import { confirmButton } from "./confirm-button.js";
import { dateTime, number } from "./format.js";
import { h, replaceIfChanged, setText } from "./dom.js";

const COLUMNS = [["Camera"], ["State"], ["Source"], ["Size", "number"], ["Frames", "number"], ["Pause or last error"]];

/**
 * Creates the table.
 * @param {(function(string): Promise<void>)|null} remove removes a camera, and does not fail; null: the person may not
 * @returns {{element: HTMLElement, show: function(Object[]): void}}
 */
export function cameraTable(remove) {
  const body = h("tbody", {});
  const rows = new Map();
  const table = h("table", { class: "cameras" },
    h("caption", { class: "only-spoken" }, "Cameras"),
    h("thead", {}, h("tr", {}, COLUMNS.map(([name, kind]) => h("th", { scope: "col", class: kind }, name)), remove && h("td", {}))),
    body);
  const element = h("div", { class: "table-scroll", tabindex: 0, role: "region", "aria-label": "Table of cameras" }, table);

  body.addEventListener("click", (event) => {
    const link = event.target.closest("tr")?.querySelector("a");
    if (link && !event.target.closest("a, .row-actions") && !getSelection().toString()) link.click();
  });

  function show(cameras) {
    const known = new Set(cameras.map((camera) => camera.id));
    for (const [id, row] of rows) {
      if (known.has(id)) continue;
      row.element.remove();
      rows.delete(id);
    }
    cameras.forEach((camera, index) => {
      if (!rows.has(camera.id)) {
        rows.set(camera.id, createRow(camera.id, remove));
        body.insertBefore(rows.get(camera.id).element, body.children[index] ?? null);
      }
      rows.get(camera.id).show(camera);
    });
  }

  return { element, show };
}

function createRow(id, remove) {
  const state = h("td", {});
  const source = h("td", {});
  const size = h("td", { class: "number" });
  const rate = h("td", { class: "number" });
  const note = h("td", { class: "note" });
  const link = h("a", { href: `/cameras?camera=${encodeURIComponent(id)}` }, id);
  const removal = remove && confirmButton({
    title: "Remove", spoken: `Remove ${id}`, quiet: true, question: () => `Stop ${id} and remove it from the configuration?`, run: () => remove(id),
  });
  const element = h("tr", {}, h("th", { scope: "row" }, link), state, source, size, rate, note, removal && h("td", { class: "row-actions" }, removal.element));
  return {
    element,
    show(camera) {
      replaceIfChanged(state, camera.state, () => cameraBadge(camera.state));
      setText(source, camera.source);
      setText(size, sizeText(camera));
      setText(rate, `${number(camera.frames_per_second, 1)} /s`);
      setText(note, noteText(camera));
    },
  };
}

/** The size of a camera's frames. @param {Object} camera @returns {string} */
export const sizeText = ({ width, height }) => (width > 0 ? `${width} x ${height} px` : "no frame yet");

/** Who paused a camera, why and since when. @param {Object} pause a CameraPause @returns {string} */
export function pauseText({ who, reason, since_time }) {
  return `Paused by ${who || "unknown"} since ${dateTime(since_time)}: ${reason || "no reason stated"}`;
}

/** The last error of a camera with its time, empty without one. @param {Object} camera @returns {string} */
export function errorText({ last_error, last_error_time }) {
  return last_error ? `${dateTime(last_error_time)}: ${last_error}` : "";
}

const noteText = (camera) => (camera.pause ? pauseText(camera.pause) : errorText(camera));
