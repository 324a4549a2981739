// A disagreement as a row of the table: both decisions with their scores, the picture, and the map of the shadow.

import { score, shortTime } from "./format.js";
import { decisionBadge, decisionKind } from "./shapes.js";
import { h } from "./dom.js";
import { showFrame } from "./thumbnail.js";

const SIDE = 320;

/** The headings of the columns. */
export const COLUMNS = ["Verdict", "Captured", "Camera and part", "Line", "Shadow", "Picture", "Map of the shadow"];

/** Creates the row. @param {Object} one a Disagreement @returns {HTMLElement} */
export function disagreementRow(one) {
  const { sequence } = one;
  const picture = h("span", { class: "thumbnail-picture" });
  const link = (content) => (sequence ? h("a", { href: `/verdicts/${sequence}` }, content) : content);
  const row = h("tr", { class: decisionKind(one.shadow), "data-sequence": sequence },
    h("th", { scope: "row" }, link(sequence ? String(sequence) : "not stored")),
    h("td", {}, shortTime(one.capture_time)),
    h("td", {}, one.camera_id, one.part_id && h("span", { class: "cell-note soft" }, `part ${one.part_id}`)),
    decisionCell(one.active, one.active_score, one.active_threshold),
    decisionCell(one.shadow, one.shadow_score, one.shadow_threshold, one.shadow_region),
    h("td", { class: "picture-cell" }, picture),
    h("td", { class: "picture-cell" }, heatmap(one)));
  showFrame(picture, sequence, SIDE, `Verdict ${sequence}`);
  return row;
}

function decisionCell(decision, value, threshold, region = "") {
  return h("td", {}, decisionBadge(decision),
    h("span", { class: "cell-note" }, h("strong", {}, score(value)), h("span", { class: "soft" }, ` / ${score(threshold)}`)),
    region && h("span", { class: "cell-note soft" }, `region ${region}`));
}

function heatmap({ heatmap: jpeg, sequence }) {
  return h("span", { class: "thumbnail-picture" }, jpeg
    ? h("img", { src: `data:image/jpeg;base64,${jpeg}`, alt: `Verdict ${sequence}, map of the shadow` })
    : "Not kept");
}
