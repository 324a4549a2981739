// Numbers, durations, times and names as text.

const formats = new Map();

/**
 * A number with a fixed number of decimals and groups of thousands.
 * @param {number|null|undefined} value
 * @param {number} [decimals]
 * @returns {string} "-" if there is no value
 */
export function number(value, decimals = 0) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "-";
  let format = formats.get(decimals);
  if (!format) {
    format = new Intl.NumberFormat("en", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
    formats.set(decimals, format);
  }
  return format.format(value);
}

/** A score or threshold. @param {number|null|undefined} value @returns {string} */
export const score = (value) => number(value, 3);

/** A share as percent. @param {number} share 0 to 1 @param {number} [decimals] @returns {string} */
export function percent(share, decimals = 1) {
  return Number.isFinite(share) ? `${number(share * 100, decimals)} %` : "-";
}

/**
 * The yield: the share of PASS among judged parts, so without FAULT. A number below 100 % is never rounded up to 100 %.
 * @param {{pass:number, review:number, reject:number}} counts
 * @returns {string}
 */
export function yieldOf(counts) {
  const judged = counts.pass + counts.review + counts.reject;
  if (judged === 0) return "-";
  const share = counts.pass / judged;
  return percent(share < 1 ? Math.min(share, 0.999) : 1);
}

/** Milliseconds of a duration. @param {string|null|undefined} duration such as "0.045s" @returns {number|null} */
export function milliseconds(duration) {
  const seconds = Number.parseFloat(duration ?? "");
  return Number.isFinite(seconds) ? seconds * 1000 : null;
}

/** A number of milliseconds with unit. @param {number|null} value @returns {string} */
export function ms(value) {
  if (value === null || value === undefined) return "-";
  return `${number(value, value < 10 ? 2 : value < 100 ? 1 : 0)} ms`;
}

/** A period in its largest sensible unit. @param {number} value milliseconds @returns {string} */
export function period(value) {
  const seconds = Math.max(0, Math.floor(value / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

const two = (value) => String(value).padStart(2, "0");

/** Time of day, local. @param {string} text RFC 3339 @returns {string} */
export function clock(text) {
  const time = new Date(text);
  if (!text || Number.isNaN(time.getTime())) return "-";
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}

/** Hour and minute, local. @param {string} text RFC 3339 @returns {string} */
export const hourMinute = (text) => clock(text).slice(0, 5);

/** Date and time of day, local. @param {string} text RFC 3339 @param {boolean} [fine] with milliseconds @returns {string} */
export function dateTime(text, fine = false) {
  const time = new Date(text);
  if (!text || Number.isNaN(time.getTime())) return "-";
  const day = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  return `${day} ${clock(text)}${fine ? `.${String(time.getMilliseconds()).padStart(3, "0")}` : ""}`;
}

/** Time of day with milliseconds, and the date if it is not today's. @param {string} text RFC 3339 @returns {string} */
export function shortTime(text) {
  const full = dateTime(text, true);
  return full.startsWith(dateTime(new Date()).slice(0, 10)) ? full.slice(11) : full;
}

/** A number of bytes. @param {number} value @returns {string} */
export function bytes(value) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let unit = 0;
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1000;
  return `${number(value, unit === 0 || value >= 100 ? 0 : 1)} ${units[unit]}`;
}

/** The first digits of a hash. @param {string} text @returns {string} */
export const shortHash = (text) => (text ? text.slice(0, 12) : "-");

/**
 * The plain name of an enum value: `FAULT_REASON_CAMERA_LOST` is "camera lost".
 * @param {string} value
 * @param {string} prefix such as "FAULT_REASON_"
 * @returns {string}
 */
export function plain(value, prefix) {
  return (value ?? "").replace(prefix, "").toLowerCase().replaceAll("_", " ");
}

/** The name of the source of a verdict: its camera, group, or "image". @param {Object} verdict @returns {string} */
export function sourceOf(verdict) {
  return verdict.camera_id || verdict.group_id || "image";
}
