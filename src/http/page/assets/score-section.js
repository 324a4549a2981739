// The score of a verdict: its composition, and the parts of the frame with their thresholds.

import { decisionBadge, decisionKind } from "./shapes.js";
import { h } from "./dom.js";
import { score as text, percent } from "./format.js";
import { scoreBar } from "./score-bar.js";
import { section, smallTable } from "./fact-list.js";

/** Creates the section. @param {Object} verdict with a score @returns {HTMLElement} */
export function scoreSection(verdict) {
  const { score } = verdict;
  const bar = scoreBar();
  bar.show(score, decisionKind(verdict.decision));
  const review = score.review_from !== null && score.review_from !== undefined;
  return section("Score", bar.element,
    review && h("p", { class: "soft" }, `REVIEW from ${text(score.review_from)}`),
    composition(score),
    score.regions.length > 0 && regionTable(score));
}

function composition({ structural, logical, value }) {
  const all = structural + logical;
  const share = all > 0 ? structural / all : 0;
  const part = (kind, size, width) => [h("span", { class: `legend-swatch ${kind}`, "aria-hidden": "true" }), `${kind} ${text(size)} (${percent(width, 0)})`];
  return h("div", { class: "composition" },
    h("div", { class: "stack", "aria-hidden": "true" },
      h("span", { class: "structural", style: { width: `${share * 100}%` } }),
      h("span", { class: "logical", style: { width: `${(1 - share) * 100}%` } })),
    h("p", {}, h("span", {}, part("structural", structural, share)), h("span", {}, part("logical", logical, 1 - share)),
      all > 0 ? null : h("span", {}, `score ${text(value)}`)));
}

function regionTable(score) {
  const rows = score.regions.map((region) => [
    h("span", {}, region.region || "rest of the frame", region.region === score.decided_by && h("span", { class: "tag" }, "decides")),
    text(region.value),
    text(region.threshold),
    text(region.review_from),
    decisionBadge(region.decision),
  ]);
  return smallTable("Parts of the frame", ["Region", "Score", "Threshold", "Review", "Decision"], rows);
}
