// The period and the sources of a report: as an object, as the query of the page's address, and as a request.

import { serverNow } from "./api.js";

const DAY_MS = 86400000;

/**
 * @typedef {Object} Selection
 * @property {string} period a key of `PERIODS`, or "other"
 * @property {string} from RFC 3339, or empty; for "other"
 * @property {string} to RFC 3339, or empty; for "other"
 * @property {string[]} ids of cameras and groups; empty: all
 */

/** The periods with a name. */
export const PERIODS = {
  shift: "This shift",
  previous: "Previous shift",
  today: "Today",
  yesterday: "Yesterday",
  week: "Last 7 days",
};

/** Reads a selection from a query. @param {string} search @returns {Selection} */
export function readSelection(search) {
  const query = new URLSearchParams(search);
  const time = (name) => (Number.isNaN(Date.parse(query.get(name) ?? "")) ? "" : query.get(name));
  const [from, to] = [time("from"), time("to")];
  const named = query.get("period") in PERIODS ? query.get("period") : "shift";
  return { period: from || to ? "other" : named, from, to, ids: (query.get("ids") ?? "").split(",").filter(Boolean) };
}

/** Writes a selection as a query. @param {Selection} selection @returns {string} starts with "?" */
export function writeSelection({ period, from, to, ids }) {
  return query(period === "other" ? { from, to } : { period }, ids);
}

/** The query of the files of a report. @param {Object} report @param {string[]} ids @returns {string} starts with "?" */
export const fileQuery = (report, ids) => query({ from: report.from_time, to: report.to_time }, ids);

function query(values, ids) {
  const parts = Object.entries({ ...values, ids: ids.join(",") }).filter(([, value]) => value);
  return `?${new URLSearchParams(parts).toString().replaceAll("%2C", ",").replaceAll("%3A", ":")}`;
}

/**
 * The request of a selection.
 * @param {Selection} selection
 * @param {string} shiftStart of the present shift; for "previous"
 * @returns {Object} a GetReportRequest
 */
export function toRequest({ period, from, to, ids }, shiftStart) {
  const [first, end] = period === "previous" ? ["", shiftStart] : limitsOf(period, from, to);
  return { ids, ...(first && { from_time: first }), ...(end && { to_time: end }) };
}

// Without a begin, the daemon reports the shift that the end is in.
function limitsOf(period, from, to) {
  const now = new Date(serverNow());
  const midnight = (daysAgo) => new Date(now.getFullYear(), now.getMonth(), now.getDate() - daysAgo).toISOString();
  if (period === "today") return [midnight(0), ""];
  if (period === "yesterday") return [midnight(1), midnight(0)];
  if (period === "week") return [new Date(now.getTime() - 7 * DAY_MS).toISOString(), ""];
  return period === "other" ? [from, to] : ["", ""];
}
