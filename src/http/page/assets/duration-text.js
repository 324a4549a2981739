// Durations in two units, for reports.

/**
 * A duration, rounded to its second unit: "45 s", "12 min 30 s", "3 h 5 min", "2 d 4 h".
 * @param {number|null} value milliseconds
 * @returns {string} "-" if there is no value
 */
export function durationText(value) {
  if (value === null || !Number.isFinite(value)) return "-";
  const seconds = Math.round(value / 1000);
  if (seconds < 60) return value > 0 && seconds === 0 ? "less than 1 s" : `${seconds} s`;
  if (seconds < 3600) return pair(seconds, 60, "min", "s");
  if (seconds < 86400) return pair(Math.round(seconds / 60), 60, "h", "min");
  return pair(Math.round(seconds / 3600), 24, "d", "h");
}

function pair(value, factor, largeUnit, smallUnit) {
  const rest = value % factor;
  return `${Math.floor(value / factor)} ${largeUnit}${rest > 0 ? ` ${rest} ${smallUnit}` : ""}`;
}
