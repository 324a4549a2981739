// The inspected area of a camera: its rotation and its crop, in pixels of the frame after rotation.

/**
 * @typedef {{left: number, top: number, right: number, bottom: number}} Crop right and bottom are the first column and
 *   row outside
 * @typedef {{width: number, height: number}} Size
 * @typedef {{rotate: number, crop: Crop|null}} Area without a crop, the whole frame
 */

// The smallest side of a crop that can be drawn, pixels.
const SMALLEST_SIDE = 8;

/** The size of a frame after rotation. @param {Size} size as captured @param {number} rotate degrees @returns {Size} */
export function rotatedSize({ width, height }, rotate) {
  return rotate % 180 === 0 ? { width, height } : { width: height, height: width };
}

/** The whole frame as a crop. @param {Size} size after rotation @returns {Crop} */
export const wholeFrame = ({ width, height }) => ({ left: 0, top: 0, right: width, bottom: height });

/** Whether two areas are the same. @param {Area} a @param {Area} b @returns {boolean} */
export function sameArea(a, b) {
  const text = ({ rotate, crop }) => [rotate, crop && [crop.left, crop.top, crop.right, crop.bottom]].join();
  return text(a) === text(b);
}

/**
 * Another rotation of the same part of the scene.
 * @param {Area} area
 * @param {number} rotate degrees
 * @param {Size} size as captured
 * @returns {Area}
 */
export function withRotation(area, rotate, size) {
  let { crop } = area;
  for (let angle = area.rotate; crop && angle !== rotate; angle = (angle + 90) % 360) {
    const { height } = rotatedSize(size, angle);
    crop = { left: height - crop.bottom, top: crop.left, right: height - crop.top, bottom: crop.right };
  }
  return { rotate, crop };
}

const clamp = (value, low, high) => Math.min(high, Math.max(low, Math.round(value)));

/**
 * Moves sides of a crop, each within the frame and the opposite side.
 * @param {Crop} crop
 * @param {Partial<Crop>} sides their new places
 * @param {Size} size after rotation
 * @returns {Crop}
 */
export function withSides(crop, sides, { width, height }) {
  const result = { ...crop };
  const least = Math.min(SMALLEST_SIDE, width, height);
  if (Number.isFinite(sides.left)) result.left = clamp(sides.left, 0, crop.right - least);
  if (Number.isFinite(sides.top)) result.top = clamp(sides.top, 0, crop.bottom - least);
  if (Number.isFinite(sides.right)) result.right = clamp(sides.right, result.left + least, width);
  if (Number.isFinite(sides.bottom)) result.bottom = clamp(sides.bottom, result.top + least, height);
  return result;
}

/** Moves a crop within the frame. @param {Crop} crop @param {number} x @param {number} y @param {Size} size @returns {Crop} */
export function moved(crop, x, y, { width, height }) {
  const [wide, high] = [crop.right - crop.left, crop.bottom - crop.top];
  const left = clamp(crop.left + x, 0, width - wide);
  const top = clamp(crop.top + y, 0, height - high);
  return { left, top, right: left + wide, bottom: top + high };
}

/**
 * The crop between two points, null if it is too small.
 * @param {{x: number, y: number}} a @param {{x: number, y: number}} b @param {Size} size after rotation
 * @returns {Crop|null}
 */
export function between(a, b, { width, height }) {
  const crop = {
    left: clamp(Math.min(a.x, b.x), 0, width),
    top: clamp(Math.min(a.y, b.y), 0, height),
    right: clamp(Math.max(a.x, b.x), 0, width),
    bottom: clamp(Math.max(a.y, b.y), 0, height),
  };
  const large = crop.right - crop.left >= SMALLEST_SIDE && crop.bottom - crop.top >= SMALLEST_SIDE;
  return large ? crop : null;
}

/** The lines of the configuration for an area. @param {string} id of the camera @param {Area} area @returns {string} */
export function areaLines(id, { rotate, crop }) {
  const sides = crop && `crop = { left = ${crop.left}, top = ${crop.top}, right = ${crop.right}, bottom = ${crop.bottom} }`;
  return [`[cameras.${id}]`, `rotate = ${rotate}`, sides].filter(Boolean).join("\n");
}
