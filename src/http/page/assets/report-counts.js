// Counts of decisions in reports.

import { number, percent } from "./format.js";
import { unset } from "./unset.js";

/** The decisions in the order of reports: name in messages, word. */
export const DECISIONS = [["pass", "PASS"], ["review", "REVIEW"], ["reject", "REJECT"], ["fault", "FAULT"]];

/** Counts with all decisions, also if the daemon sent none. @param {Object|null|undefined} counts @returns {Object} */
export const countsOf = (counts) => ({ pass: 0, review: 0, reject: 0, fault: 0, ...counts });

/** The sum of counts. @param {{pass:number, review:number, reject:number, fault:number}} counts @returns {number} */
export const totalOf = (counts) => DECISIONS.reduce((sum, [name]) => sum + (counts?.[name] ?? 0), 0);

/** The cells of counts in a table: the sum, then each decision. @param {Object} counts @returns {string[]} */
export const countCells = (counts) => [number(totalOf(counts)), ...DECISIONS.map(([name]) => number(counts?.[name] ?? 0))];

/** The headings of these cells. */
export const COUNT_COLUMNS = ["Parts", ...DECISIONS.map(([, word]) => word)];

/**
 * A yield that the daemon has computed; below 100 % it is never rounded up to 100 %.
 * @param {number|null|undefined} share
 * @returns {string|HTMLElement}
 */
export function shareOfPass(share) {
  if (share === null || share === undefined) return unset("No part was judged");
  return percent(share < 1 ? Math.min(share, 0.999) : 1);
}
