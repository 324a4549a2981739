// Parts by time as stacked bars. FAULT, REJECT and REVIEW stand on the axis, so that they can be compared. Decisions differ
// by pattern, not by colour only.

import { COUNT_COLUMNS, DECISIONS, countCells, countsOf, totalOf } from "./report-counts.js";
import { countTicks, timeTicks } from "./report-ticks.js";
import { dateTime, number } from "./format.js";
import { durationText } from "./duration-text.js";
import { h, setText, svg } from "./dom.js";
import { section, smallTable } from "./fact-list.js";
import { wideTable } from "./wide-table.js";

const ORDER = ["fault", "reject", "review", "pass"];
const HEIGHT_REM = 15;
const LEFT_REM = 3.2;
const BOTTOM_REM = 1.6;
const LEAST_BAR = 1.5;
const REM_PER_LABEL = 5;
const PAPER_WIDTH = 688;

/** Creates the section. @param {Object} report with intervals @returns {HTMLElement} */
export function chartSection(report) {
  const intervals = report.intervals.map((interval, index, all) => ({
    from: Date.parse(interval.from_time),
    to: Date.parse(all[index + 1]?.from_time ?? report.to_time),
    parts: countsOf(interval.parts),
    total: totalOf(interval.parts),
  }));
  const place = h("div", { class: "chart" });
  const detail = h("p", { class: "picture-detail" });
  const idle = "Point at a bar for its numbers.";
  let shape = { left: 0, width: 1 };
  setText(detail, idle);

  const observer = new ResizeObserver(([entry]) => {
    if (!place.isConnected) observer.disconnect();
    else if (Math.round(entry.contentRect.width) > 0) draw(Math.round(entry.contentRect.width));
  });
  observer.observe(place);
  // On paper the drawing is as wide as the page; drawn for the screen, its text would be too small.
  addEventListener("beforeprint", () => place.isConnected && draw(PAPER_WIDTH));
  addEventListener("afterprint", () => place.isConnected && draw(Math.round(place.clientWidth)));

  function draw(width) {
    const drawing = drawChart(intervals, width);
    shape = drawing.shape;
    place.replaceChildren(drawing.element);
  }

  place.addEventListener("pointermove", (event) => {
    const box = place.getBoundingClientRect();
    const at = (event.clientX - box.left - shape.left) / shape.width;
    const interval = intervals[Math.floor(at * intervals.length)];
    setText(detail, at >= 0 && interval ? describe(interval) : idle);
  });
  place.addEventListener("pointerleave", () => setText(detail, idle));

  const length = intervals[0].to - intervals[0].from;
  return section(`Parts per ${durationText(length)}`, legend(), place, detail, h("details", { class: "chart-table" },
    h("summary", {}, "As a table"),
    wideTable("Table: parts by time", smallTable("Parts by time", ["Begin", ...COUNT_COLUMNS],
      intervals.map(({ from, parts }) => [dateTime(from), ...countCells(parts)])))));
}

const describe = ({ from, to, parts, total }) =>
  `${dateTime(from).slice(0, 16)} to ${dateTime(to).slice(11, 16)}: ${number(total)} parts, ${DECISIONS.map(([name, word]) => `${number(parts[name])} ${word}`).join(", ")}`;

function legend() {
  return h("p", { class: "legend chart-legend" }, DECISIONS.map(([name, word]) => h("span", {},
    svg("svg", { class: `chart-swatch ${name}`, viewBox: "0 0 20 12", "aria-hidden": "true" },
      svg("rect", { class: `chart-bar ${name}`, x: 1, y: 1, width: 18, height: 10, fill: `url(#chart-${name})` })), word)));
}

function drawChart(intervals, width) {
  const rem = Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
  const [left, bottom, top, height] = [LEFT_REM * rem, BOTTOM_REM * rem, 0.6 * rem, HEIGHT_REM * rem];
  const [wide, high] = [width - left, height - bottom - top];
  const counts = countTicks(Math.max(...intervals.map(({ total }) => total)));
  const base = top + high;
  const y = (count) => base - (count / counts.at(-1)) * high;
  const [begin, end] = [intervals[0].from, intervals.at(-1).to];
  const x = (time) => left + ((time - begin) / (end - begin)) * wide;
  const gap = Math.min(2, wide / intervals.length / 5);

  const bars = intervals.map((interval) => {
    let foot = base;
    return ORDER.filter((name) => interval.parts[name] > 0).map((name) => {
      const tall = Math.max(LEAST_BAR, base - y(interval.parts[name]));
      foot -= tall;
      const place = { x: x(interval.from) + gap / 2, y: foot, width: Math.max(0.5, x(interval.to) - x(interval.from) - gap), height: tall };
      return svg("rect", { class: `chart-bar ${name}`, fill: `url(#chart-${name})`, ...place });
    });
  });
  const text = (value, at) => {
    const element = svg("text", at);
    element.textContent = value;
    return element;
  };
  const element = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "Parts by time; the table below has the numbers" },
    patterns(),
    ...counts.map((count) => svg("path", { class: "chart-rule", d: `M${left} ${y(count)}H${width}` })),
    ...counts.map((count) => text(number(count), { x: left - 0.5 * rem, y: y(count) + 0.3 * rem, "text-anchor": "end" })),
    ...bars.flat(),
    ...timeTicks(begin, end, Math.max(2, Math.floor(wide / rem / REM_PER_LABEL))).flatMap((tick) => [
      svg("path", { class: "chart-rule", d: `M${x(tick.time)} ${base}v${0.3 * rem}` }),
      text(tick.text, { x: Math.min(x(tick.time), width - 1.4 * rem), y: height - 0.2 * rem, "text-anchor": "middle" })]));
  return { element, shape: { left, width: wide } };
}

// The patterns are found by their ids, by the legend too.
function patterns() {
  const pattern = (name, ...marks) => svg("pattern", { id: `chart-${name}`, class: name, width: 6, height: 6, patternUnits: "userSpaceOnUse" },
    svg("rect", { class: "tint", width: 6, height: 6 }), ...marks);
  return svg("defs", {},
    pattern("pass"),
    pattern("review", svg("path", { class: "ink", d: "M-1 7L7 -1M-1 1L1 -1M5 7L7 5" })),
    pattern("reject", svg("rect", { class: "solid", width: 6, height: 6 })),
    pattern("fault", svg("circle", { class: "solid", cx: 3, cy: 3, r: 1.7 })));
}
