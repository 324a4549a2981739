// The exposure aid: the grey levels of the frame, and the marks of clipped and black pixels.

import { h, setText, svg } from "./dom.js";
import { number, percent } from "./format.js";
import { section } from "./fact-list.js";

const BINS = 64;
const HEIGHT = 32;

/**
 * Creates the aid.
 * @param {function(boolean): void} onMark receives whether to mark clipped and black pixels in the picture
 * @returns {{element: HTMLElement, show: function(Object): void}} `show` takes the fields of a view
 */
export function exposureAid(onMark) {
  const bars = svg("path", { class: "bins" });
  const mean = h("dd", {}, "-");
  const black = h("dd", {}, "-");
  const clipped = h("dd", {}, "-");
  const settings = h("p", { class: "soft" });
  const box = h("input", { type: "checkbox" });
  box.addEventListener("change", () => onMark(box.checked));
  const key = (kind, name) => h("span", {}, h("span", { class: `mark-swatch ${kind}`, "aria-hidden": "true" }), name);

  const element = section("Exposure",
    h("div", { class: "histogram", "aria-hidden": "true" },
      svg("svg", { viewBox: `0 0 ${BINS} ${HEIGHT}`, preserveAspectRatio: "none" }, bars),
      h("div", { class: "histogram-scale" }, ["0", "64", "128", "192", "255"].map((level) => h("span", {}, level)))),
    h("dl", { class: "facts-row three" }, cell("Mean grey level", mean), cell("Black, 5 or less", black), cell("Clipped, 250 or more", clipped)),
    settings,
    h("label", { class: "check" }, box, h("span", { class: "mark-key" }, "Mark in the picture:", key("clipped", "clipped"), key("black", "black"))),
    h("p", { class: "hint" }, "Heights are square roots of the numbers of pixels, so that few pixels can be seen too."));

  function show(view) {
    drawBars(bars, view.histogram);
    setText(mean, number(view.mean, 1));
    setText(black, percent(view.black, 2));
    setText(clipped, percent(view.clipped, 2));
    setText(settings, settingsText(view));
    settings.hidden = settings.textContent === "";
  }

  return { element, show };
}

const cell = (name, value) => h("div", {}, h("dt", {}, name), value);

function settingsText({ exposure_us: exposure, gain }) {
  const known = (value) => value !== null && value !== undefined;
  return [known(exposure) && `Exposure ${number(exposure)} µs`, known(gain) && `gain ${number(gain, Number.isInteger(gain) ? 0 : 2)}`]
    .filter(Boolean).join(", ");
}

function drawBars(path, histogram) {
  const highest = Math.max(1, ...histogram);
  const bar = (count, index) => {
    const top = HEIGHT * (1 - Math.sqrt(count / highest));
    return count > 0 ? `M${index + 0.08} ${HEIGHT}V${Math.min(top, HEIGHT - 0.6).toFixed(2)}H${index + 0.92}V${HEIGHT}Z` : "";
  };
  path.setAttribute("d", histogram.map(bar).join(""));
}
