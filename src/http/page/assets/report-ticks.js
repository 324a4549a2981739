// Round places on the axes of a chart.

const MINUTE = 60000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const STEPS = [MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR];

const two = (value) => String(value).padStart(2, "0");

/**
 * Times on an axis, local, counted from midnight; from two days on only midnights.
 * @param {number} from milliseconds since 1970
 * @param {number} to
 * @param {number} most
 * @returns {Array<{time: number, text: string}>}
 */
export function timeTicks(from, to, most) {
  const step = STEPS.find((size) => (to - from) / size <= most && to - from <= 2 * DAY) ?? Math.max(1, Math.ceil((to - from) / DAY / most)) * DAY;
  const first = new Date(from);
  const ticks = [];
  let day = new Date(first.getFullYear(), first.getMonth(), first.getDate());
  while (day.getTime() < to && ticks.length <= most) {
    const next = new Date(day.getFullYear(), day.getMonth(), day.getDate() + Math.max(1, step / DAY));
    for (let time = day.getTime(); time < Math.min(next.getTime(), to); time += Math.min(step, DAY)) {
      if (time >= from) ticks.push({ time, text: textOf(new Date(time), step) });
      if (step >= DAY) break;
    }
    day = next;
  }
  return ticks;
}

function textOf(time, step) {
  const date = `${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  const isMidnight = time.getHours() === 0 && time.getMinutes() === 0;
  return step >= DAY || isMidnight ? date : `${two(time.getHours())}:${two(time.getMinutes())}`;
}

/** Round numbers from 0 to at least a value: the last one is the end of the axis. @param {number} value @returns {number[]} */
export function countTicks(value) {
  const rough = Math.max(1, value) / 3;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(1, [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough));
  return Array.from({ length: Math.ceil(Math.max(1, value) / step) + 1 }, (_, index) => index * step);
}
