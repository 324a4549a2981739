// Scales of charts: from values to pixels, and the values that an axis shows.

/** The size of a text unit. @returns {number} pixels */
export const rem = () => Number.parseFloat(getComputedStyle(document.documentElement).fontSize);

/**
 * A linear scale.
 * @param {number} from value at `start`
 * @param {number} to value at `end`
 * @param {number} start pixels
 * @param {number} end pixels
 * @returns {function(number): number} pixels of a value; values beyond the ends are at the ends
 */
export function linearScale(from, to, start, end) {
  const span = to - from || 1;
  return (value) => start + Math.min(1, Math.max(0, (value - from) / span)) * (end - start);
}

/**
 * A scale of counts, from 0.
 * @param {number} most the highest count
 * @param {number} bottom pixels
 * @param {number} top pixels
 * @param {boolean} logarithmic a single one is visible; zero is at the bottom
 * @returns {function(number): number} pixels of a count
 */
export function countScale(most, bottom, top, logarithmic) {
  if (!logarithmic) return linearScale(0, most, bottom, top);
  // The axis begins below one, so that one has a height.
  const scale = linearScale(Math.log(0.6), Math.log(Math.max(most, 2)), bottom, top);
  return (count) => (count > 0 ? scale(Math.log(count)) : bottom);
}

/**
 * Round values within limits.
 * @param {number} from
 * @param {number} to
 * @param {number} most how many, about
 * @returns {{values: number[], decimals: number}}
 */
export function roundTicks(from, to, most) {
  const rough = (to - from) / Math.max(1, most);
  if (!(rough > 0)) return { values: [from], decimals: 3 };
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= rough) * power;
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const values = [];
  // `+ 0` because of the negative zero.
  for (let index = Math.ceil(from / step - 1e-9) + 0; index * step <= to + step * 1e-9; index++) values.push(index * step);
  return { values, decimals };
}

/** Whole numbers of an axis of counts. @param {number} most @param {boolean} logarithmic @returns {number[]} */
export function countTicks(most, logarithmic) {
  if (!logarithmic) return roundTicks(0, most, 4).values.filter(Number.isInteger);
  const values = [];
  for (let value = 1; value <= most; value *= 10) values.push(value);
  return values;
}
