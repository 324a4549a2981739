// The defects of a verdict. A defect that is pointed at or focused here is marked in the picture.

import { defectKind } from "./outlines.js";
import { h } from "./dom.js";
import { number, percent, score } from "./format.js";
import { section } from "./fact-list.js";

/**
 * Creates the section.
 * @param {Object} verdict with defects
 * @param {function(number|null): void} onPoint receives the index of the defect
 * @returns {{element: HTMLElement, mark: function(number|null): void}}
 */
export function defectSection(verdict, onPoint) {
  const rows = verdict.regions.map((region, index) => defectRow(region, index, verdict, onPoint));
  const columns = ["Defect", "Peak", "Area", "Left, top, size"];
  const table = h("table", { class: "small defects" },
    h("caption", { class: "only-spoken" }, "Defects, largest peak first"),
    h("thead", {}, h("tr", {}, columns.map((name, index) => h("th", { scope: "col", class: index ? "number" : null }, name)))),
    h("tbody", {}, rows));
  const mark = (marked) => rows.forEach((row, index) => row.classList.toggle("marked", index === marked));
  return { element: section("Defects", table), mark };
}

function defectRow(region, index, { width, height }, onPoint) {
  const { box } = region;
  const pixels = (share, size) => number(share * size);
  const place = `${pixels(box.left, width)}, ${pixels(box.top, height)}, ${pixels(box.width, width)} x ${pixels(box.height, height)} px`;
  const kind = defectKind(region);
  const button = h("button", {
    type: "button", class: "quiet", title: "Mark in the picture",
    onfocus: () => onPoint(index), onblur: () => onPoint(null), onclick: () => onPoint(index),
  }, h("span", { class: `legend-line ${kind}`, "aria-hidden": "true" }), `${index + 1} ${kind}`);
  return h("tr", { onpointerenter: () => onPoint(index), onpointerleave: () => onPoint(null) },
    h("th", { scope: "row" }, button, region.region && h("span", { class: "tag" }, region.region)),
    h("td", { class: "number" }, score(region.peak)),
    h("td", { class: "number" }, percent(region.area, 2)),
    h("td", { class: "number" }, place));
}
