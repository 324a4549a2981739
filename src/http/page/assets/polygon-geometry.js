// Polygons as lists of corners. Coordinates are fractions of the frame: 0 is its left or upper side, 1 the other one.

/** @typedef {{x: number, y: number}} Corner */

/** Fewer corners enclose no area. */
export const MIN_CORNERS = 3;

const rounded = (value) => Math.round(value * 1e6) / 1e6;
const clamped = (value, low = 0, high = 1) => Math.min(high, Math.max(low, value));

/** The corner at a place, moved into the frame, to a hundredth of a percent. @param {number} x @param {number} y @returns {Corner} */
export const cornerAt = (x, y) => ({ x: Math.round(clamped(x) * 1e4) / 1e4, y: Math.round(clamped(y) * 1e4) / 1e4 });

/** A corner, moved but within the frame. @param {Corner} corner @param {number} dx @param {number} dy @returns {Corner} */
export const moveCorner = ({ x, y }, dx, dy) => ({ x: rounded(clamped(x + dx)), y: rounded(clamped(y + dy)) });

/**
 * A polygon, moved as a whole, as far as the frame permits.
 * @param {Corner[]} corners
 * @param {number} dx
 * @param {number} dy
 * @returns {Corner[]}
 */
export function movePolygon(corners, dx, dy) {
  const x = within(corners.map((corner) => corner.x), dx);
  const y = within(corners.map((corner) => corner.y), dy);
  return corners.map((corner) => ({ x: rounded(corner.x + x), y: rounded(corner.y + y) }));
}

// Corners outside of the frame, which only a text can have, may move inwards.
function within(values, by) {
  const low = Math.min(0, -Math.min(...values));
  const high = Math.max(0, 1 - Math.max(...values));
  return Math.round(clamped(by, low, high) * 1e4) / 1e4;
}

/** The list with a corner inserted after another one. @param {Corner[]} corners @param {number} after @param {Corner} corner @returns {Corner[]} */
export const insertCorner = (corners, after, corner) => [...corners.slice(0, after + 1), corner, ...corners.slice(after + 1)];

/** The middle of the side that starts at a corner. @param {Corner[]} corners @param {number} index @returns {Corner} */
export function middleOfSide(corners, index) {
  const [from, to] = [corners[index], corners[(index + 1) % corners.length]];
  return cornerAt((from.x + to.x) / 2, (from.y + to.y) / 2);
}

/** The place for the name of a polygon: its corner that is nearest to the upper left. @param {Corner[]} corners @returns {Corner} */
export const nameCorner = (corners) => corners.reduce((best, corner) => (corner.x + corner.y < best.x + best.y ? corner : best));

/** A coordinate as percent. @param {number} value @returns {string} */
export const inPercent = (value) => `${(value * 100).toFixed(1)} %`;

/** A corner in words. @param {Corner} corner @returns {string} */
export const placeOf = ({ x, y }) => `x ${inPercent(x)}, y ${inPercent(y)}`;
