// The histogram of the scores with the threshold as a line that can be moved.

import { barPatterns, bars, calibrationOutline, countAxis, labelMark, labelMarks, scoreAxis, text, verdictsOf } from "./tuning-bars.js";
import { binTable, describeBin } from "./tuning-bin-table.js";
import { countScale, linearScale, rem } from "./chart-scale.js";
import { h, setText, svg } from "./dom.js";
import { number } from "./format.js";
import { recall, remember } from "./storage.js";
import { thresholdLine } from "./tuning-line.js";
import { thresholdText } from "./tuning-text.js";

const HINT = "Drag the threshold, or move it with the arrow keys. Point at a bar for its numbers.";

/**
 * Creates the histogram.
 * @param {import("./tuning-draft.js").Draft} draft
 * @returns {{element: HTMLElement, show: function(Object): void}} `show` takes an EvaluateThresholdsResponse
 */
export function scoreHistogram(draft) {
  const chart = svg("svg", { class: "histogram-drawing", role: "img", onpointermove: point, onpointerleave: () => setText(detail, HINT) });
  const line = thresholdLine(draft, scoreAt);
  const figure = h("div", { class: "histogram" }, chart, line.element);
  const detail = h("p", { class: "picture-detail" }, HINT);
  const legend = h("p", { class: "chart-legend" });
  const log = h("input", { type: "checkbox" });
  log.checked = recall("tuning-log", true);
  const table = binTable();
  const element = h("section", { class: "card" },
    h("div", { class: "toolbar" }, h("h2", {}, "Scores"), h("label", { class: "check" }, log, "Logarithmic counts")),
    figure, detail, legend, table.element);
  let bins = [];
  let plot = null;
  let zones = null;
  let present = null;

  log.addEventListener("change", () => {
    remember("tuning-log", log.checked);
    draw();
  });
  new ResizeObserver(draw).observe(figure);
  draft.onChange(move);

  function show(evaluation) {
    bins = evaluation.histogram;
    table.show(bins);
    chart.setAttribute("aria-label", summary(bins));
    legend.replaceChildren(...legendOf(bins, evaluation));
    setText(detail, HINT);
    draw();
  }

  function draw() {
    const width = figure.clientWidth;
    if (!width || bins.length === 0) return;
    const unit = rem();
    const height = figure.clientHeight;
    const most = Math.max(1, ...bins.map((bin) => Math.max(verdictsOf(bin), bin.calibration)));
    const left = unit * (1.2 + 0.5 * number(most).length);
    const right = width - unit * 1.5;
    const top = unit * 4.8;
    const bottom = height - unit * 3.6;
    plot = {
      left, right, top, bottom, unit,
      x: linearScale(bins[0].from, bins.at(-1).to, left, right),
      y: countScale(most, bottom, top, log.checked),
    };
    zones = svg("g", {});
    present = svg("g", {});
    chart.setAttribute("viewBox", `0 0 ${width} ${height}`);
    chart.replaceChildren(barPatterns(), zones, ...countAxis(most, log.checked, plot), ...bars(bins, plot), ...calibrationOutline(bins, plot),
      ...labelMarks(bins, plot), ...scoreAxis(bins[0].from, bins.at(-1).to, bottom + unit * 2.2, plot), present);
    move();
  }

  // The value of the present threshold is on the side that the new one leaves free.
  function presentLine(next) {
    const { present_threshold: value } = draft.evaluation;
    const place = plot.x(value);
    const room = plot.unit * 8;
    const leftward = place > plot.right - room || (next > place && next < place + room && place > plot.left + room);
    present.replaceChildren(
      svg("path", { class: "present-line", d: `M${place} ${plot.top - plot.unit * 2.6}V${plot.bottom}` }),
      text(place + plot.unit * (leftward ? -0.4 : 0.4), plot.top - plot.unit * 1.75, leftward ? "end" : "start", `present ${thresholdText(value)}`, "present-value"));
  }

  // What the threshold changes in the drawing.
  function move() {
    if (!plot || !draft.outcome) return;
    const place = plot.x(draft.outcome.threshold);
    const from = draft.evaluation.review_from ?? null;
    const review = from === null ? place : Math.min(place, plot.x(from));
    zones.replaceChildren(...[["pass", plot.left, review], ["review", review, place], ["reject", place, plot.right]].flatMap(zone));
    presentLine(place);
    line.place(place, place > plot.right - plot.unit * 6);
  }

  function zone([kind, from, to]) {
    const { top, bottom, unit } = plot;
    if (to - from < 1) return [];
    return [
      svg("rect", { class: `zone ${kind}`, x: from, y: top, width: to - from, height: bottom - top }),
      ...(kind === "review" ? [svg("path", { class: "review-line", d: `M${from} ${top}V${bottom}` })] : []),
      ...(to - from > unit * 4.5 ? [text((from + to) / 2, top - unit * 0.4, "middle", kind.toUpperCase(), `zone-word ${kind}`)] : []),
    ];
  }

  function scoreAt(clientX) {
    const share = (clientX - chart.getBoundingClientRect().left - plot.left) / (plot.right - plot.left);
    return bins[0].from + share * (bins.at(-1).to - bins[0].from);
  }

  function point(event) {
    const score = scoreAt(event.clientX);
    const index = bins.findIndex((bin) => score >= bin.from && score < bin.to);
    setText(detail, index < 0 ? HINT : describeBin(bins, index));
  }

  return { element, show };
}

function summary(bins) {
  const count = bins.reduce((sum, bin) => sum + verdictsOf(bin), 0);
  const calibration = bins.reduce((sum, bin) => sum + bin.calibration, 0);
  return `Histogram of the scores of ${number(count)} verdicts and ${number(calibration)} validation images`;
}

function legendOf(bins, { review_from: from }) {
  const total = (field) => bins.reduce((sum, bin) => sum + bin[field], 0);
  const swatch = (...children) => svg("svg", { class: "chart-swatch", viewBox: "-8 -8 16 16", "aria-hidden": "true" }, ...children);
  const bar = (kind) => swatch(svg("path", { class: `bar-area ${kind}`, d: "M-7 -7H7V7H-7z" }));
  const entries = [
    [bar("pass"), "PASS", total("pass")],
    [bar("review"), "REVIEW", total("review")],
    [bar("reject"), "REJECT", total("reject")],
    [swatch(svg("path", { class: "calibration-line", d: "M-7 7V0H0V-6H7V7" })), "calibration", total("calibration")],
    [swatch(labelMark("good", 11)), "labelled good", total("labelled_good")],
    [swatch(labelMark("defective", 11)), "labelled defective", total("labelled_defective")],
  ];
  const texts = entries.filter(([, , count]) => count > 0).map(([picture, name, count]) => h("span", {}, picture, `${name} ${number(count)}`));
  return [...texts, from !== null && from !== undefined && h("span", {}, `REVIEW from ${thresholdText(from)}`)].filter(Boolean);
}
