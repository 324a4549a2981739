// The content of a recipe (RecipeContent) as a value: every change makes a new one.

/** @typedef {{kind: "regions"|"masks", index: number}} AreaId */

/** The content of a new recipe. @returns {Object} */
export const emptyContent = () => ({
  product: "", version: "1", bundle: "", threshold: null, review_from: null, min_area: 0, regions: [], masks: [], cameras: [],
});

/** An area, or undefined. @param {Object} content @param {AreaId|null} id @returns {Object|undefined} */
export const areaOf = (content, id) => (id ? content[id.kind][id.index] : undefined);

/** The content with other values of an area. @param {Object} content @param {AreaId} id @param {Object} values @returns {Object} */
export function withArea(content, { kind, index }, values) {
  return { ...content, [kind]: content[kind].map((area, place) => (place === index ? { ...area, ...values } : area)) };
}

/**
 * The content with one more area at the end.
 * @param {Object} content
 * @param {"regions"|"masks"} kind
 * @param {import("./polygon-geometry.js").Corner[]} corners
 * @returns {Object}
 */
export function addArea(content, kind, corners) {
  const area = { name: freeName(content, kind === "masks" ? "mask" : "region"), corners, camera_ids: [], threshold: null, review_from: null, min_area: 0 };
  return { ...content, [kind]: [...content[kind], area] };
}

function freeName(content, word) {
  const used = new Set([...content.regions, ...content.masks].map((area) => area.name));
  let count = 1;
  while (used.has(`${word}-${count}`)) count++;
  return `${word}-${count}`;
}

/** The content without an area. @param {Object} content @param {AreaId} id @returns {Object} */
export const removeArea = (content, { kind, index }) => ({ ...content, [kind]: content[kind].filter((_, place) => place !== index) });

/** The content with an area at another place of the order. @param {Object} content @param {AreaId} id @param {number} by @returns {Object} */
export function moveArea(content, { kind, index }, by) {
  const areas = [...content[kind]];
  areas.splice(index + by, 0, ...areas.splice(index, 1));
  return { ...content, [kind]: areas };
}

/** Whether an area applies to a camera. @param {Object} area @param {string} camera empty: any camera @returns {boolean} */
export const appliesTo = (area, camera) => !camera || area.camera_ids.length === 0 || area.camera_ids.includes(camera);

/** The content with other values of a camera. @param {Object} content @param {number} index @param {Object} values @returns {Object} */
export function withCamera(content, index, values) {
  return { ...content, cameras: content.cameras.map((camera, place) => (place === index ? { ...camera, ...values } : camera)) };
}

/** The content with settings for one more camera. @param {Object} content @param {string} id @returns {Object} */
export function addCamera(content, id) {
  const camera = { camera_id: id, threshold: null, review_from: null, crop: null, rotate: null, exposure_us: null, gain: null };
  return { ...content, cameras: [...content.cameras, camera].sort((a, b) => (a.camera_id < b.camera_id ? -1 : 1)) };
}

/** The content without settings for a camera. @param {Object} content @param {number} index @returns {Object} */
export const removeCamera = (content, index) => ({ ...content, cameras: content.cameras.filter((_, place) => place !== index) });
