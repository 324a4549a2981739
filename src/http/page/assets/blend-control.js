// The slider from picture to heat. Its position is remembered.

import { h } from "./dom.js";
import { recall, remember } from "./storage.js";

/**
 * Creates the slider.
 * @param {string} name under which the position is remembered
 * @param {number} first the position if none is remembered, 0 to 1
 * @param {function(number): void} onChange receives the position, also at the start
 * @returns {HTMLElement}
 */
export function blendControl(name, first, onChange) {
  const slider = h("input", { type: "range", min: 0, max: 100, step: 5, "aria-label": "From picture to heat" });
  const apply = () => {
    slider.setAttribute("aria-valuetext", `${slider.value} % heat`);
    onChange(Number(slider.value) / 100);
  };
  const set = (value) => {
    slider.value = String(value);
    remember(name, value);
    apply();
  };
  slider.addEventListener("input", () => set(Number(slider.value)));
  slider.value = String(recall(name, first * 100));
  apply();
  const end = (text, value) => h("button", { type: "button", class: "quiet", onclick: () => set(value) }, text);
  return h("div", { class: "blend", role: "group", "aria-label": "Picture and heat" },
    end("Picture", 0), slider, end("Heat", 100));
}
