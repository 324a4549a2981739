// Thresholds, shares and places as text.

import { number, percent } from "./format.js";

const precise = new Intl.NumberFormat("en", { minimumFractionDigits: 3, maximumFractionDigits: 6 });

/**
 * A threshold with the digits that make a difference: it is a 32-bit number.
 * @param {number|null|undefined} value
 * @returns {string} "not set" if there is no value
 */
export function thresholdText(value) {
  if (value === null || value === undefined) return "not set";
  return precise.format(Number(value.toPrecision(6)));
}

/** A threshold as the field shows it. @param {number} value @returns {string} */
export const thresholdInput = (value) => thresholdText(value).replaceAll(",", "");

/** Reads a threshold that was typed. @param {string} text @returns {number} NaN if it is not a number */
export function readThreshold(text) {
  const plain = text.trim().replace(",", ".");
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(plain) ? Number(plain) : NaN;
}

/** The confidence interval of a share. @param {{low:number, high:number}} share @returns {string} */
export const interval = ({ low, high }) => `${percent(low, 2).replace(" %", "")} to ${percent(high, 2)}`;

/** The file where a threshold is saved. @param {{recipe_id: string}} place @returns {string} */
export const fileOf = ({ recipe_id }) => (recipe_id ? `recipe ${recipe_id}` : "the configuration");

/** Which threshold is selected. @param {{camera:string, region:string}} selection @returns {string} */
export function thresholdName({ camera, region }) {
  if (region) return `threshold of region ${region}`;
  return camera ? `threshold of camera ${camera}` : "general threshold";
}

/** A number of things. @param {number} count @param {string} one @param {string} [many] @returns {string} */
export const counted = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;
