// Thresholds that follow from the scores of good parts.

import { counted, interval, thresholdText } from "./tuning-text.js";
import { h } from "./dom.js";
import { number, percent } from "./format.js";

/** Shares of good parts above the threshold, in percent. */
const RATES = ["0.1", "0.5", "1", "2", "5"];
const FIRST_RATE = "1";

const BASES = {
  THRESHOLD_BASIS_CALIBRATION: "the validation images of the model",
  THRESHOLD_BASIS_JOURNAL_LOWER: "PASS verdicts of the journal, a lower estimate",
  THRESHOLD_BASIS_JOURNAL_UPPER: "all verdicts of the journal, an upper estimate",
};

/**
 * Creates the controls.
 * @param {function(number): Promise<Object>} request takes a rate from 0 to 1, returns a SuggestThresholdResponse
 * @param {function(number): Promise<void>} choose evaluates a threshold and chooses it
 * @returns {{element: HTMLElement, clear: function(): void}}
 */
export function suggestionControls(request, choose) {
  const rate = h("select", { id: "rate" }, RATES.map((value) => h("option", { value, selected: value === FIRST_RATE }, `${value} %`)));
  const use = h("button", { type: "button", onclick: run }, "Use suggestion");
  const text = h("p", { role: "status", class: "hint" });
  const element = h("div", { class: "suggestion" },
    h("label", { for: "rate" }, "Suggestion for a false reject rate of"),
    h("div", { class: "buttons" }, rate, use),
    text);

  async function run() {
    use.disabled = true;
    text.replaceChildren("Computing the suggestion ...");
    try {
      const answer = await request(Number(rate.value) / 100);
      const suggestion = answer.suggestions[answer.chosen];
      await choose(suggestion.estimate.threshold);
      text.replaceChildren(describe(suggestion, answer.false_reject_rate));
    } catch (error) {
      text.replaceChildren(h("span", { class: "form-error" }, `No suggestion: ${error.message}`));
    } finally {
      use.disabled = false;
    }
  }

  return { element, clear: () => text.replaceChildren() };
}

function describe({ basis, estimate, needed_count: needed, threshold_low: low, threshold_high: high, method }, rate) {
  const limits = [low, high].map((limit) => (limit === null || limit === undefined ? "?" : thresholdText(limit)));
  const tail = method === "THRESHOLD_METHOD_EXPONENTIAL_TAIL" ? ", extrapolated" : "";
  const few = estimate.count < needed ? ` ${counted(needed, "score")} are required to confirm ${percent(rate, 1)}.` : "";
  return `${thresholdText(estimate.threshold)} for ${percent(rate, 1)} from ${BASES[basis] ?? "stored scores"}${tail}. ` +
    `95 % confidence: ${limits[0]} to ${limits[1]}. ${number(estimate.rejected)} of ${counted(estimate.count, "score")} are above it ` +
    `(${interval({ low: estimate.rate_low, high: estimate.rate_high })}).${few}`;
}
