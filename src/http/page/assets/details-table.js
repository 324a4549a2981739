// The numbers of a chart as a table that is opened on request.

import { h } from "./dom.js";
import { smallTable } from "./fact-list.js";

/**
 * Creates the table.
 * @param {string} caption
 * @param {string[]} columns
 * @returns {{element: HTMLDetailsElement, show: function(function(): Array<Array<string|Node>>): void}} `show` takes a
 *   function that creates the rows when they are needed
 */
export function detailsTable(caption, columns) {
  const place = h("div", { class: "table-scroll details-table", role: "region", "aria-label": caption, tabindex: 0 });
  const element = h("details", {}, h("summary", {}, caption), place);
  let rows = () => [];
  const fill = () => element.open && place.replaceChildren(smallTable(caption, columns, rows()));
  element.addEventListener("toggle", fill);
  return {
    element,
    show(next) {
      rows = next;
      fill();
    },
  };
}
