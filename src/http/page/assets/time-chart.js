// A chart over time with the colours of the theme. uPlot draws it.

import uPlot from "./uplot.js";
import { clock, dateTime, number } from "./format.js";
import { h } from "./dom.js";
import { rem, roundTicks } from "./chart-scale.js";

/**
 * @typedef {Object} Line
 * @property {string} token the colour, such as "--accent"
 * @property {number} [width] pixels; 0: only points
 * @property {number[]} [dash]
 */

/**
 * @typedef {Object} TimeChart
 * @property {HTMLElement} element
 * @property {function(number[], number[][], [number, number]): void} show takes times in seconds, the values of each line,
 *   and the range of values
 * @property {function(): void} redraw
 */

/**
 * Creates a chart.
 * @param {Object} options
 * @param {Line[]} options.lines
 * @param {{upper: number, lower: number, token: string}} options.band the area between two lines, by index
 * @param {function(): Array<{value: number, token: string, dash?: number[]}>} options.levels horizontal lines
 * @param {function(number|null): void} options.onPoint receives the index of the values that are pointed at
 * @returns {TimeChart}
 */
export function timeChart({ lines, band, levels, onPoint }) {
  const element = h("div", { class: "time-chart" });
  let plot = null;
  let shown = null;
  let unit = 0;

  function options() {
    unit = rem();
    const axis = {
      stroke: () => token("--soft"),
      font: `${Math.round(unit * 0.8)}px ${getComputedStyle(document.body).fontFamily}`,
      grid: { stroke: () => token("--rule"), width: 1 },
      ticks: { show: false },
      gap: unit * 0.4,
    };
    return {
      width: element.clientWidth,
      height: element.clientHeight,
      padding: [unit * 0.6, unit * 0.75, 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
      scales: { x: { time: true }, y: { range: () => shown.range } },
      axes: [
        { ...axis, size: unit * 2.6, space: unit * 7, values: (_, times) => timeTexts(times) },
        { ...axis, size: unit * 3.2, splits: (_, __, from, to) => roundTicks(from, to, 5).values, values: (_, values) => valueTexts(values) },
      ],
      series: [{}, ...lines.map(series)],
      bands: [{ series: [band.upper + 1, band.lower + 1], fill: () => token(band.token) }],
      hooks: { draw: [drawLevels], setCursor: [({ cursor }) => onPoint(cursor.idx ?? null)] },
    };
  }

  function series({ token: name, width = 1.5, dash }) {
    const stroke = () => token(name);
    const points = { show: width === 0, size: unit * 0.35, stroke, fill: stroke };
    // Widths are those of a text unit of 15 pixels.
    return { stroke, width: width * (unit / 15), dash, points, ...(width === 0 && { paths: () => null }) };
  }

  function drawLevels({ ctx, bbox, valToPos }) {
    ctx.save();
    for (const { value, token: name, dash = [] } of levels()) {
      const [from, to] = shown.range;
      if (value < from || value > to) continue;
      const y = Math.round(valToPos(value, "y", true));
      ctx.beginPath();
      ctx.strokeStyle = token(name);
      ctx.lineWidth = 1.5 * devicePixelRatio * (unit / 15);
      ctx.setLineDash(dash.map((length) => length * devicePixelRatio));
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
    }
    ctx.restore();
  }

  function render() {
    if (!shown || !element.clientWidth) return;
    const size = { width: element.clientWidth, height: element.clientHeight };
    const data = [shown.times, ...shown.values];
    if (plot && unit === rem()) {
      plot.setSize(size);
      plot.setData(data);
      return;
    }
    plot?.destroy();
    plot = new uPlot(options(), data, element);
  }

  function show(times, values, range) {
    shown = { times, values, range };
    render();
  }

  const redraw = () => plot?.redraw(false);
  new ResizeObserver(render).observe(element);
  new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  return { element, show, redraw };
}

const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name);

// The date below the time where it changes. Seconds only if they differ.
function timeTexts(times) {
  const fine = times.some((time) => time % 60 !== 0);
  let before = "";
  return times.map((time) => {
    const text = dateTime(new Date(time * 1000));
    const [day] = text.split(" ");
    const hour = fine ? clock(new Date(time * 1000)) : clock(new Date(time * 1000)).slice(0, 5);
    const isNew = day !== before;
    before = day;
    return isNew ? `${hour}\n${day}` : hour;
  });
}

function valueTexts(values) {
  const { decimals } = roundTicks(values[0] ?? 0, values.at(-1) ?? 1, values.length);
  return values.map((value) => number(value, Math.max(1, decimals)));
}
