// A table of counts with bars, largest first, and the share of each and of all up to it (Pareto).

import { h, svg } from "./dom.js";
import { number, percent } from "./format.js";

/**
 * Creates the table.
 * @param {string} caption
 * @param {string} what the heading of the names
 * @param {Array<{name: (string|Node), count: number}>} rows largest first
 * @param {string} kind of the bars, such as "reject"
 * @returns {HTMLElement}
 */
export function barTable(caption, what, rows, kind) {
  const all = rows.reduce((sum, { count }) => sum + count, 0);
  const largest = rows[0].count;
  let sum = 0;
  const row = ({ name, count }) => {
    sum += count;
    return h("tr", {}, h("th", { scope: "row" }, name), h("td", { class: "bar-cell" }, bar(count / largest, kind)),
      h("td", { class: "number" }, number(count)), h("td", { class: "number" }, percent(count / all, 0)), h("td", { class: "number" }, percent(sum / all, 0)));
  };
  return h("table", { class: "small bars" }, h("caption", { class: "only-spoken" }, caption),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, what), h("td", {}),
      ["Number", "Share", "Cumulative"].map((name) => h("th", { scope: "col", class: "number" }, name)))),
    h("tbody", {}, rows.map(row)));
}

function bar(share, kind) {
  return svg("svg", { class: `share-bar ${kind}`, viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("rect", { width: Math.max(0.5, share * 100), height: 10 }));
}
