// Lists of facts and small tables.

import { h } from "./dom.js";

/**
 * A list of facts; those without a value are left out.
 * @param {Array<[string, (string|Node|null|undefined|false)]>} facts
 * @returns {HTMLElement}
 */
export function factList(facts) {
  const present = facts.filter(([, value]) => value !== null && value !== undefined && value !== false && value !== "");
  return h("dl", { class: "fact-list" }, present.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

/**
 * A table.
 * @param {string} caption
 * @param {string[]} columns
 * @param {Array<Array<string|Node>>} rows the first cell of each is its heading
 * @returns {HTMLElement}
 */
export function smallTable(caption, columns, rows) {
  return h("table", { class: "small" },
    h("caption", { class: "only-spoken" }, caption),
    h("thead", {}, h("tr", {}, columns.map((name, index) => h("th", { scope: "col", class: index ? "number" : null }, name)))),
    h("tbody", {}, rows.map(([first, ...rest]) => h("tr", {}, h("th", { scope: "row" }, first), rest.map((cell) => h("td", { class: "number" }, cell))))));
}

/**
 * A part of a page with a heading.
 * @param {string} title
 * @param {...(Node|null|false)} children
 * @returns {HTMLElement}
 */
export const section = (title, ...children) => h("section", { class: "card" }, h("h2", {}, title), children);
