// The durations between capture and verdict, as a stacked bar and a table.

import { h } from "./dom.js";
import { milliseconds, ms, percent } from "./format.js";
import { section, smallTable } from "./fact-list.js";

const STAGES = [
  ["queue", "Queue"],
  ["preprocess", "Preprocess"],
  ["inference", "Inference"],
  ["judge", "Judge"],
];

/**
 * Creates the section.
 * @param {Object} timings
 * @param {number} batchSize
 * @returns {HTMLElement|null} null without a total
 */
export function timingSection(timings, batchSize) {
  const total = milliseconds(timings?.total);
  if (total === null) return null;
  const stages = STAGES.map(([key, name]) => [key, name, milliseconds(timings[key])]).filter(([, , value]) => value !== null);
  const rest = total - stages.reduce((sum, [, , value]) => sum + value, 0);
  if (stages.length > 0 && rest > total * 0.005) stages.push(["rest", "Other", rest]);
  const share = (value) => (total > 0 ? value / total : 0);
  const swatch = (key, name) => h("span", {}, h("span", { class: `legend-swatch ${key}`, "aria-hidden": "true" }), name);
  return section("Time from capture to verdict",
    stages.length > 0 && h("div", { class: "stack", "aria-hidden": "true" },
      stages.map(([key, , value]) => h("span", { class: key, style: { width: `${share(value) * 100}%` } }))),
    smallTable("Time from capture to verdict", ["Stage", "Time", "Share"], [
      ...stages.map(([key, name, value]) => [swatch(key, name), ms(value), percent(share(value), 0)]),
      ["Total", ms(total), ""],
    ]),
    batchSize > 1 && h("p", { class: "soft" }, `The inference is that of a batch of ${batchSize} frames.`));
}
