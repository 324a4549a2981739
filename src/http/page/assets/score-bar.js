// The score against the threshold, as a bar and in numbers.

import { h, setText } from "./dom.js";
import { score as text } from "./format.js";

/**
 * Creates the bar.
 * @returns {{element: HTMLElement, show: function(Object|null, string): void}} `show` takes a Score and the kind of the
 *   decision
 */
export function scoreBar() {
  const fill = h("div", { class: "bar-fill" });
  const band = h("div", { class: "bar-band" });
  const limit = h("div", { class: "bar-limit" });
  const value = h("strong", {});
  const threshold = h("span", {});
  const element = h("div", { class: "score" },
    h("div", { class: "score-numbers" },
      h("span", {}, h("span", { class: "soft" }, "Score "), value),
      h("span", {}, h("span", { class: "soft" }, "threshold "), threshold)),
    h("div", { class: "bar-track", "aria-hidden": "true" }, band, fill, limit));

  return {
    element,
    show(score, kind) {
      element.classList.toggle("none", !score);
      setText(value, text(score?.value));
      setText(threshold, text(score?.threshold));
      if (!score) return;
      const end = Math.max(score.threshold * 1.6, score.value * 1.05, 0.001);
      const place = (number) => `${Math.min(100, Math.max(0, (number / end) * 100))}%`;
      const from = score.review_from ?? score.threshold;
      fill.className = `bar-fill ${kind}`;
      fill.style.width = place(score.value);
      limit.style.left = place(score.threshold);
      band.style.left = place(from);
      band.style.width = place(score.threshold - from);
    },
  };
}
