// The defects of a verdict as rectangles over its picture. Structural defects have solid lines, logical ones dashed.

import { h, svg } from "./dom.js";
import { number, percent, plain, score } from "./format.js";

const isLogical = (region) => region.kind === "ANOMALY_KIND_LOGICAL";

/** The kind of a defect. @param {Object} region @returns {string} */
export const defectKind = (region) => plain(region.kind, "ANOMALY_KIND_");

/** A defect in words. @param {Object} region @param {number} index @returns {string} */
export function describeDefect(region, index) {
  const where = region.region ? `, in region ${region.region}` : "";
  return `Defect ${index + 1}: ${defectKind(region)}, peak ${score(region.peak)}, area ${percent(region.area, 2)} of the frame${where}`;
}

/**
 * Draws the outlines.
 * @param {Object} verdict
 * @param {function(number|null): void} [onPoint] makes the outlines focusable; receives the index of the one that is
 *   pointed at or focused
 * @returns {SVGElement}
 */
export function drawOutlines(verdict, onPoint) {
  const { width, height, regions } = verdict;
  const drawing = svg("svg", { class: "outlines", viewBox: `0 0 ${width || 1} ${height || 1}` });
  if (!onPoint) drawing.setAttribute("aria-hidden", "true");
  // Smaller ones last, so that they can be pointed at inside larger ones.
  const order = regions.map((_, index) => index).sort((a, b) => areaOf(regions[b]) - areaOf(regions[a]));
  for (const index of order) drawing.append(outline(verdict, index, onPoint));
  return drawing;
}

const areaOf = ({ box }) => box.width * box.height;

function outline({ width, height, regions }, index, onPoint) {
  const region = regions[index];
  const margin = Math.max(width, height) * 0.006;
  const left = Math.max(0, region.box.left * width - margin);
  const top = Math.max(0, region.box.top * height - margin);
  const place = {
    x: left,
    y: top,
    width: Math.min(width - left, region.box.width * width + 2 * margin),
    height: Math.min(height - top, region.box.height * height + 2 * margin),
  };
  const group = svg("g", { class: `outline ${isLogical(region) ? "logical" : "structural"}`, "data-index": index },
    svg("rect", { ...place, class: "halo" }), svg("rect", { ...place, class: "edge" }));
  if (onPoint) {
    const point = () => onPoint(index);
    const leave = () => onPoint(null);
    const attributes = { tabindex: 0, role: "img", "aria-label": describeDefect(region, index) };
    for (const [name, value] of Object.entries(attributes)) group.setAttribute(name, value);
    group.addEventListener("pointerenter", point);
    group.addEventListener("pointerleave", leave);
    group.addEventListener("focus", point);
    group.addEventListener("blur", leave);
  }
  return group;
}

/**
 * How many defects of each kind there are, with the line that marks them.
 * @param {Object[]} regions
 * @returns {HTMLElement}
 */
export function outlineLegend(regions) {
  const logical = regions.filter(isLogical).length;
  const entry = (kind, count) => count > 0 && h("span", { class: "legend-entry" },
    h("span", { class: `legend-line ${kind}`, "aria-hidden": "true" }), `${number(count)} ${kind}`);
  return h("span", { class: "legend" }, entry("structural", regions.length - logical), entry("logical", logical));
}
