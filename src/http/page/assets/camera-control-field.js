// The choice between the camera's own value of a control and a fixed one.

import { h, setText } from "./dom.js";

/**
 * @typedef {Object} ControlField
 * @property {HTMLElement} element
 * @property {function(): (number|null|undefined)} read null: the camera's own; undefined: not valid, which the field then says
 * @property {function(number|null): void} show
 * @property {function(boolean): void} enable
 */

/**
 * Creates the field.
 * @param {string} name
 * @param {string} title
 * @param {string} unit
 * @param {{text: string, isValid: function(number): boolean}} rule `text` says what is valid
 * @param {function(): void} onEdit called when the person changes something
 * @returns {ControlField}
 */
export function controlField(name, title, unit, rule, onEdit) {
  const choice = (value) => h("input", { type: "radio", name: `${name}-choice`, value, onchange: edit });
  const [own, fixed] = [choice("own"), choice("fixed")];
  const problem = h("p", { class: "form-error", id: `${name}-problem`, role: "alert" });
  const field = h("input", {
    type: "number", name, step: "any", "aria-label": `${title}, ${unit}`, "aria-describedby": `${name}-problem`, oninput: typed,
  });
  const element = h("fieldset", { class: "control" }, h("legend", {}, title),
    h("div", { class: "choices" },
      h("label", { class: "check" }, own, "camera's own"),
      h("span", { class: "fixed-value" }, h("label", { class: "check" }, fixed, "fixed"), field, h("span", { class: "soft" }, unit))),
    problem);

  function typed() {
    fixed.checked = true;
    edit();
  }

  function edit() {
    setProblem("");
    onEdit();
  }

  function setProblem(text) {
    setText(problem, text);
    field.setAttribute("aria-invalid", String(text !== ""));
  }

  function read() {
    if (own.checked) return null;
    const value = field.value === "" ? NaN : Number(field.value);
    if (fixed.checked && rule.isValid(value)) return value;
    setProblem(fixed.checked ? rule.text : "Choose the camera's own value or a fixed one.");
    (fixed.checked ? field : own).focus();
    return undefined;
  }

  function show(value) {
    setProblem("");
    own.checked = value === null;
    fixed.checked = value !== null;
    field.value = value === null ? "" : String(value);
  }

  function enable(enabled) {
    for (const input of [own, fixed, field]) input.disabled = !enabled;
  }

  return { element, read, show, enable };
}
