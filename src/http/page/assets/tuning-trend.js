// How the scores developed: median, the range of most scores, and the highest ones, over time.

import { counted, thresholdText } from "./tuning-text.js";
import { dateTime, number, score } from "./format.js";
import { detailsTable } from "./details-table.js";
import { h, setText, svg } from "./dom.js";
import { section } from "./fact-list.js";
import { timeChart } from "./time-chart.js";

const HINT = "Point at the chart for its numbers.";
const DASH = [5, 4];

/**
 * Creates the section.
 * @param {import("./tuning-draft.js").Draft} draft
 * @returns {{element: HTMLElement, show: function(Object): void}} `show` takes an EvaluateThresholdsResponse
 */
export function trendSection(draft) {
  const detail = h("p", { class: "picture-detail" }, HINT);
  const summary = h("p", { id: "trend-summary", class: "hint trend-summary" });
  const chart = timeChart({
    lines: [{ token: "--trend-edge", width: 0.75 }, { token: "--trend-edge", width: 0.75 }, { token: "--text", width: 2 }, { token: "--edge", width: 0 }],
    band: { upper: 0, lower: 1, token: "--trend-band" },
    levels: () => [
      { value: draft.evaluation.present_threshold, token: "--text", dash: DASH },
      ...(draft.isChanged ? [{ value: draft.outcome.threshold, token: "--accent" }] : []),
    ],
    onPoint: (index) => setText(detail, index === null || !groups[index] ? HINT : describe(groups[index])),
  });
  chart.element.setAttribute("role", "img");
  chart.element.setAttribute("aria-label", "Scores over time, summarised below");
  chart.element.setAttribute("aria-describedby", "trend-summary");
  const table = detailsTable("Numbers of the trend", ["Until", "Verdicts", "Lower 5 %", "Median", "Upper 5 %", "Highest", "Last verdict"]);
  const content = h("div", {}, chart.element, detail, legend(), summary, table.element);
  const empty = h("p", { class: "soft", hidden: true }, "No scores over time: the selection has no verdicts with a score.");
  const element = section("Scores over time", content, empty);
  let groups = [];
  draft.onChange(redraw);

  function redraw() {
    if (groups.length > 0) draw();
  }

  function show({ trend }) {
    groups = trend;
    content.hidden = groups.length === 0;
    empty.hidden = groups.length > 0;
    setText(summary, summarise(groups, draft.evaluation.present_threshold));
    table.show(() => groups.map(tableRow));
    redraw();
  }

  function draw() {
    const top = highestShown(groups, draft);
    const low = Math.min(0, ...groups.map((group) => group.low));
    // A defect can have many times the score of the others: it is shown at the upper edge.
    const highest = groups.map((group) => Math.min(group.highest, top));
    const of = (name) => groups.map((group) => Math.min(group[name], top));
    chart.show(groups.map(middle), [of("high"), of("low"), of("median"), highest], [low, top * 1.02]);
  }

  return { element, show };
}

const seconds = (time) => Date.parse(time) / 1000;
const middle = (group) => (seconds(group.from_time) + seconds(group.to_time)) / 2;

function highestShown(groups, { evaluation, outcome }) {
  const usual = Math.max(...groups.map((group) => group.high).sort((a, b) => a - b).slice(0, Math.ceil(groups.length * 0.95)));
  const range = Math.max(evaluation.present_threshold * 1.3, usual * 1.2) || 1;
  // A new threshold that is far above is not shown: the scores would be a flat line.
  return Math.min(Math.max(range, outcome.threshold * 1.1), range * 2);
}

function describe(group) {
  return `${dateTime(group.from_time)} to ${dateTime(group.to_time)}: ${counted(group.count, "verdict")}, median ${score(group.median)}, ` +
    `5 % below ${score(group.low)}, 5 % above ${score(group.high)}, highest ${score(group.highest)}`;
}

function summarise(groups, present) {
  if (groups.length === 0) return "";
  const medians = groups.map((group) => group.median);
  const highest = groups.reduce((best, group) => (group.highest > best.highest ? group : best));
  return `From ${dateTime(groups[0].from_time)} to ${dateTime(groups.at(-1).to_time)}: the median was ${score(medians[0])} at first and ${score(medians.at(-1))} at last, ` +
    `between ${score(Math.min(...medians))} and ${score(Math.max(...medians))}. The highest score was ${score(highest.highest)}, before ${dateTime(highest.to_time)}. ` +
    `The present threshold is ${thresholdText(present)}.`;
}

function tableRow(group) {
  return [dateTime(group.to_time), number(group.count), score(group.low), score(group.median), score(group.high), score(group.highest),
    group.last_sequence ? h("a", { href: `/verdicts/${group.last_sequence}` }, String(group.last_sequence)) : "-"];
}

function legend() {
  const swatch = (name, d) => svg("svg", { class: "chart-swatch", viewBox: "-8 -8 16 16", "aria-hidden": "true" }, svg("path", { class: name, d }));
  const entries = [
    ["trend-median", "M-8 0H8", "median"],
    ["trend-area", "M-8 -6H8V6H-8z", "between 5 % and 95 %"],
    ["trend-point", "M-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0z", "highest, at the upper edge if it is above the chart"],
    ["trend-present", "M-8 0H8", "present threshold"],
    ["trend-new", "M-8 0H8", "new threshold"],
  ];
  return h("p", { class: "chart-legend" }, entries.map(([name, d, title]) => h("span", {}, swatch(name, d), title)));
}
