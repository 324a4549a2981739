// The patterns that fill regions and masks, so that they differ by more than a colour.

import { svg } from "./dom.js";

/** How many patterns there are for regions; later regions repeat them. */
const TONES = 6;

// Lines and dots in a square of 12 by 12.
const REGION_MARKS = ["M0 6H12", "M6 0V12", "M4 6h4M6 4v4", "M0 6H12M6 0V12", "M3 3l6 6M9 3l-6 6", "M2 8l4-4 4 4"];
const MASK_MARKS = "M-3 3L3-3M0 12L12 0M9 15L15 9";

/** The class with the colour of an area. @param {"regions"|"masks"} kind @param {number} index @returns {string} */
export const toneClass = (kind, index) => (kind === "masks" ? "tone-mask" : `tone-${index % TONES}`);

const patternId = (kind, index) => (kind === "masks" ? "pattern-mask" : `pattern-${index % TONES}`);

/** The fill of an area. @param {"regions"|"masks"} kind @param {number} index @returns {string} */
export const fillOf = (kind, index) => `url(#${patternId(kind, index)})`;

/** The patterns, to be put into one drawing of the page. @returns {SVGElement} */
export function patternDefinitions() {
  const pattern = (kind, index, marks) => svg("pattern", {
    id: patternId(kind, index), class: `pattern ${toneClass(kind, index)}`, width: 12, height: 12, patternUnits: "userSpaceOnUse",
  }, svg("path", { d: marks }));
  return svg("defs", {}, ...REGION_MARKS.map((marks, index) => pattern("regions", index, marks)), pattern("masks", 0, MASK_MARKS));
}

/** A small sample of the fill, for lists. @returns {{element: SVGElement, show: function(string, number): void}} */
export function patternSample() {
  const fill = svg("rect", { class: "area-fill", width: 36, height: 24 });
  const edge = svg("rect", { class: "area-edge", x: 1.5, y: 1.5, width: 33, height: 21 });
  const element = svg("svg", { viewBox: "0 0 36 24", "aria-hidden": "true" }, fill, edge);
  function show(kind, index) {
    element.setAttribute("class", `sample ${kind} ${toneClass(kind, index)}`);
    fill.style.setProperty("fill", fillOf(kind, index));
  }
  return { element, show };
}
