// Form fields for the values of a recipe. A field changes its value with every key, and never while it shows the same.

import { h } from "./dom.js";

const optionalText = (value) => (value === null || value === undefined ? "" : String(value));
const scaled = (value, factor, decimals) => (value === undefined ? undefined : Number((value * factor).toFixed(decimals)));

/**
 * How a kind of value is written in a field. `read` returns undefined for a text that is no such value.
 * @type {Object<string, {read: function(HTMLInputElement): unknown, write: function(unknown): string, attributes: Object}>}
 */
const KINDS = {
  text: { read: (input) => input.value, write: (value) => value, attributes: { type: "text", autocomplete: "off", spellcheck: "false" } },
  // Unset while empty.
  optional: { read: (input) => (input.value === "" && !input.validity.badInput ? null : numberIn(input)), write: optionalText, attributes: { type: "number", step: 0.001 } },
  whole: { read: (input) => (input.value === "" && !input.validity.badInput ? null : wholeIn(input)), write: optionalText, attributes: { type: "number", min: 0, step: 1 } },
  pixels: { read: wholeIn, write: optionalText, attributes: { type: "number", min: 0, step: 1 } },
  // A fraction, shown as percent.
  percent: { read: (input) => scaled(numberIn(input), 0.01, 8), write: (value) => String(scaled(value, 100, 6)), attributes: { type: "number", min: 0, max: 100, step: 0.01 } },
  place: { read: (input) => scaled(numberIn(input), 0.01, 8), write: (value) => String(scaled(value, 100, 6)), attributes: { type: "number", min: 0, max: 100, step: 0.1 } },
};

function numberIn(input) {
  const value = input.valueAsNumber;
  return Number.isFinite(value) ? value : undefined;
}

function wholeIn(input) {
  const value = numberIn(input);
  return Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

/**
 * Creates an input.
 * @param {string} kind one of KINDS
 * @param {function(unknown): void} onInput
 * @param {Object} [attributes]
 * @returns {{input: HTMLInputElement, show: function(unknown, boolean): void}} `show` takes the value and whether it can
 *   be changed
 */
export function valueInput(kind, onInput, attributes = {}) {
  const { read, write, attributes: common } = KINDS[kind];
  const input = h("input", { ...common, ...attributes });
  let value = null;
  const mark = (wrong) => (wrong ? input.setAttribute("aria-invalid", "true") : input.removeAttribute("aria-invalid"));
  input.addEventListener("input", () => {
    const next = read(input);
    mark(next === undefined);
    if (next !== undefined && next !== value) onInput(next);
  });
  // What is no value is not kept.
  input.addEventListener("change", () => {
    if (read(input) === undefined) input.value = write(value);
    mark(false);
  });
  function show(next, editable) {
    value = next ?? null;
    input.readOnly = !editable;
    if (read(input) !== value && !(document.activeElement === input && input.hasAttribute("aria-invalid"))) input.value = write(value);
  }
  return { input, show };
}

/**
 * Creates an input with a label, for a grid of fields.
 * @param {string} title
 * @param {string} kind
 * @param {function(unknown): void} onInput
 * @param {Object} [options] attributes of the input; `unit` is shown behind it
 * @returns {{element: HTMLElement, input: HTMLInputElement, show: function(unknown, boolean): void}}
 */
export function labelledInput(title, kind, onInput, { unit = kind === "percent" ? "%" : "", ...attributes } = {}) {
  const { input, show } = valueInput(kind, onInput, attributes);
  const element = h("label", { class: "field" }, h("span", {}, title),
    h("span", { class: "field-value" }, input, unit && h("span", { class: "soft" }, unit)));
  return { element, input, show };
}
