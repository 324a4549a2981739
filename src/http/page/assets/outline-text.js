// Drawn outlines of defects in words.

import { percent } from "./format.js";

/** @typedef {import("./polygon-geometry.js").Corner} Corner */

/** What a polygon covers of the frame. @param {Corner[]} corners @returns {number} 0 to 1 */
function areaOf(corners) {
  const twice = corners.reduce((sum, { x, y }, index) => {
    const next = corners[(index + 1) % corners.length];
    return sum + x * next.y - next.x * y;
  }, 0);
  return Math.abs(twice) / 2;
}

// Small defects need more digits.
const decimalsOf = (share) => (share >= 0.01 ? 1 : share >= 0.001 ? 2 : 3);

/**
 * An outline in words, such as "Outline 1, 5 corners, 1.2 % of the frame".
 * @param {import("./outline-layer.js").DrawnOutline} outline
 * @param {number} index
 * @returns {string}
 */
export function describeOutline({ corners, saved }, index) {
  const area = areaOf(corners);
  // What is not saved need not be a polygon with an area: its sides may cross.
  return `Outline ${index + 1}, ${corners.length} corners, ${saved ? `${percent(area, decimalsOf(area))} of the frame` : "not saved"}`;
}

/** Whether two polygons have the same corners. @param {Corner[]} one @param {Corner[]} other @returns {boolean} */
export const isSameOutline = (one, other) =>
  one.length === other.length && one.every(({ x, y }, index) => x === other[index].x && y === other[index].y);
