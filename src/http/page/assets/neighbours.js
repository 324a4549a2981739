// The verdicts around a verdict: the one before, the one after, and others of the same part.

import { listVerdicts } from "./api.js";
import { toRequest } from "./filter.js";

const DAY_MS = 86400000;

/** Finds a verdict. @param {number} sequence @returns {Promise<Object|null>} null: it is not kept */
export async function findVerdict(sequence) {
  const page = await listVerdicts({ from_sequence: sequence, page_size: 1, order: "SORT_ORDER_OLDEST_FIRST" });
  return page.verdicts.find((verdict) => verdict.sequence === sequence) ?? null;
}

/**
 * The verdict after another one.
 * @param {Object} verdict
 * @param {import("./filter.js").Filter} filter
 * @returns {Promise<number|null>} its sequence; null: there is none
 */
export async function sequenceAfter(verdict, filter) {
  const body = { ...toRequest(filter), from_sequence: verdict.sequence + 1, page_size: 1, order: "SORT_ORDER_OLDEST_FIRST" };
  return (await listVerdicts(body)).verdicts[0]?.sequence ?? null;
}

/**
 * The verdict before another one.
 * @param {Object} verdict
 * @param {import("./filter.js").Filter} filter
 * @returns {Promise<number|null>} its sequence; null: there is none
 */
export async function sequenceBefore(verdict, filter) {
  if (verdict.sequence < 2) return null;
  const body = { ...toRequest(filter), to_sequence: verdict.sequence - 1, page_size: 1, order: "SORT_ORDER_NEWEST_FIRST" };
  return (await listVerdicts(body)).verdicts[0]?.sequence ?? null;
}

/**
 * Other verdicts of the same part within a day, those of the same run first, then newest first.
 * @param {Object} verdict
 * @returns {Promise<Object[]>}
 */
export async function othersOfPart(verdict) {
  if (!verdict.part_id) return [];
  const time = Date.parse(verdict.record_time ?? verdict.capture_time);
  const page = await listVerdicts({
    part_id: verdict.part_id,
    from_time: new Date(time - DAY_MS).toISOString(),
    to_time: new Date(time + DAY_MS).toISOString(),
    page_size: 24,
  });
  const foreign = (other) => Number(other.run_id !== verdict.run_id);
  const shown = new Set([verdict.sequence, ...verdict.views.map((view) => view.sequence)]);
  return page.verdicts.filter((other) => !shown.has(other.sequence))
    .sort((a, b) => foreign(a) - foreign(b) || b.sequence - a.sequence);
}
