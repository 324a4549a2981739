// The numbers of the histogram: of one bar, and of all as a table.

import { counted } from "./tuning-text.js";
import { detailsTable } from "./details-table.js";
import { number, score } from "./format.js";

const FIELDS = [
  ["pass", "PASS"],
  ["review", "REVIEW"],
  ["reject", "REJECT"],
  ["calibration", "Calibration"],
  ["labelled_good", "Labelled good"],
  ["labelled_defective", "Labelled defective"],
];

/** Creates the table. @returns {{element: HTMLElement, show: function(Object[]): void}} `show` takes ScoreBins */
export function binTable() {
  const table = detailsTable("Numbers of the histogram", ["Score", ...FIELDS.map(([, name]) => name)]);
  const row = (bins) => (_, index) => [range(bins, index), ...FIELDS.map(([field]) => number(bins[index][field]))];
  return { element: table.element, show: (bins) => table.show(() => bins.map(row(bins))) };
}

// The first and the last bin also contain the scores beyond.
function range(bins, index) {
  const { from, to } = bins[index];
  if (index === 0) return `below ${score(to)}`;
  return index === bins.length - 1 ? `from ${score(from)}` : `${score(from)} to ${score(to)}`;
}

/** Describes a bar. @param {Object[]} bins @param {number} index @returns {string} */
export function describeBin(bins, index) {
  const parts = FIELDS.filter(([field]) => bins[index][field] > 0).map(([field, name]) =>
    field === "calibration" ? counted(bins[index][field], "validation image") : `${number(bins[index][field])} ${name[0] === "L" ? name.toLowerCase() : name}`);
  return `Score ${range(bins, index)}: ${parts.join(", ") || "none"}`;
}
