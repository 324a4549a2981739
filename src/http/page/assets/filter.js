// What the table of verdicts shows, as an object, as the query of the page's address, and as a request.

/**
 * @typedef {Object} Filter
 * @property {string[]} cameras
 * @property {string[]} decisions such as "REJECT"
 * @property {string} part
 * @property {string} from RFC 3339, or empty
 * @property {string} to RFC 3339, or empty
 * @property {string} minScore
 * @property {string} recipe
 */

/** Reads a filter from a query. @param {string} search @returns {Filter} */
export function readFilter(search) {
  const query = new URLSearchParams(search);
  const text = (name) => query.get(name) ?? "";
  const time = (name) => (Number.isNaN(Date.parse(text(name))) ? "" : text(name));
  return {
    cameras: query.getAll("camera"),
    decisions: query.getAll("decision"),
    part: text("part"),
    from: time("from"),
    to: time("to"),
    minScore: Number.isFinite(Number.parseFloat(text("min_score"))) ? text("min_score") : "",
    recipe: text("recipe"),
  };
}

/** Writes a filter as a query. @param {Filter} filter @returns {string} empty, or starting with "?" */
export function writeFilter(filter) {
  const query = new URLSearchParams();
  for (const camera of filter.cameras) query.append("camera", camera);
  for (const decision of filter.decisions) query.append("decision", decision);
  const single = { part: filter.part, from: filter.from, to: filter.to, min_score: filter.minScore, recipe: filter.recipe };
  for (const [name, value] of Object.entries(single)) if (value) query.set(name, value);
  const text = query.toString();
  return text ? `?${text}` : "";
}

/** A filter for the daemon. @param {Filter} filter @returns {Object} fields of a ListVerdictsRequest */
export function toRequest(filter) {
  return {
    camera_ids: filter.cameras,
    decisions: filter.decisions.map((decision) => `DECISION_${decision}`),
    part_id: filter.part,
    ...(filter.from && { from_time: filter.from }),
    ...(filter.to && { to_time: filter.to }),
    ...(filter.minScore && { min_score: Number.parseFloat(filter.minScore) }),
    recipe_id: filter.recipe,
  };
}
