// The calls of the page for thresholds.

import { call } from "./api.js";

const HISTORY_ENTRIES = 200;

/**
 * @typedef {Object} Selection which verdicts, and which threshold
 * @property {string} camera empty: all cameras, and the general threshold
 * @property {string} region empty: the rest of the frame
 * @property {string} recipe empty: verdicts of all recipes
 * @property {number} count the number of verdicts, newest first
 */

/**
 * Evaluates thresholds on stored verdicts.
 * @param {Selection} selection
 * @param {number[]} [thresholds] in addition to those across the histogram
 * @returns {Promise<Object>} an EvaluateThresholdsResponse
 */
export const evaluateThresholds = ({ camera, region, recipe, count }, thresholds = []) =>
  call("TuningService", "EvaluateThresholds", { camera_id: camera, region, recipe_id: recipe, limit: count, thresholds });

/**
 * Requests the threshold that a share of good parts exceeds.
 * @param {Selection} selection
 * @param {number} rate 0 to 1
 * @returns {Promise<Object>} a SuggestThresholdResponse
 */
export const suggestThreshold = ({ camera, region }, rate) =>
  call("TuningService", "SuggestThreshold", { camera_id: camera, region, false_reject_rate: rate });

/**
 * Saves a threshold, which applies at once.
 * @param {{camera: string, region: string}} selection
 * @param {number|null} threshold null removes it, so that a more general one applies
 * @param {number} expected the present threshold: another one is not replaced
 * @returns {Promise<Object>} a SetThresholdResponse
 */
export function setThreshold({ camera, region }, threshold, expected) {
  const request = { camera_id: camera, region, expected_threshold: expected };
  if (threshold !== null) request.threshold = threshold;
  return call("TuningService", "SetThreshold", request);
}

/** The changes of thresholds among the last entries of the audit log, newest first. @returns {Promise<Object[]>} */
export async function listThresholdChanges() {
  const { newest } = await call("LineService", "ListAuditEntries", { limit: 1 });
  const after = Math.max(0, newest - HISTORY_ENTRIES);
  const { entries } = await call("LineService", "ListAuditEntries", { after, limit: HISTORY_ENTRIES });
  return entries.filter((entry) => entry.action === "threshold").reverse();
}

/** The cameras and the recipes to select from. @returns {Promise<{cameras: string[], regions: string[], recipes: string[]}>} */
export async function listChoices() {
  const [cameras, recipes] = await Promise.all([
    call("LineService", "ListCameras").then((answer) => answer.cameras.map((camera) => camera.id)),
    call("RecipeService", "ListRecipes").catch(withoutRecipes),
  ]);
  const active = recipes.recipes.find((recipe) => recipe.id === recipes.active_id);
  return { cameras, regions: active?.regions ?? [], recipes: recipes.recipes.map((recipe) => recipe.id) };
}

function withoutRecipes(error) {
  if (error.code !== "FAILED_PRECONDITION") throw error;
  return { recipes: [], active_id: "" };
}
