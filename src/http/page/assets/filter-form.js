// The form with the filters of the table of verdicts.

import { DECISION_NAMES, decisionBadge } from "./shapes.js";
import { h } from "./dom.js";

/**
 * Creates the form.
 * @param {import("./filter.js").Filter} filter
 * @param {function(import("./filter.js").Filter): void} onChange
 * @returns {{element: HTMLElement, showCameras: function(string[]): void, partField: HTMLInputElement}}
 */
export function filterForm(filter, onChange) {
  const cameras = h("div", { class: "choices" });
  const decisions = DECISION_NAMES.map((name) => {
    const word = name.replace("DECISION_", "");
    return choice("decision", word, filter.decisions.includes(word), decisionBadge(name));
  });
  const part = field("part", "Part", { type: "search", value: filter.part, size: 12, autocomplete: "off" });
  const from = field("from", "From", { type: "datetime-local", value: toLocal(filter.from) });
  const to = field("to", "To", { type: "datetime-local", value: toLocal(filter.to) });
  const minScore = field("min_score", "Minimum score", { type: "number", min: 0, step: "any", value: filter.minScore });
  const recipe = field("recipe", "Recipe", { type: "search", value: filter.recipe, size: 12, autocomplete: "off" });
  const element = h("form", { class: "filters", "aria-label": "Filters" },
    h("fieldset", {}, h("legend", {}, "Decision"), h("div", { class: "choices" }, decisions)),
    h("fieldset", {}, h("legend", {}, "Camera"), cameras),
    h("button", { type: "button", class: "quiet", onclick: clear }, "Clear filters"),
    h("fieldset", {}, h("legend", {}, "Part and time"), h("div", { class: "fields" }, part.label, from.label, to.label)),
    h("fieldset", {}, h("legend", {}, "Score and recipe"), h("div", { class: "fields" }, minScore.label, recipe.label)));

  function read() {
    const checked = (name) => [...element.querySelectorAll(`[name=${name}]:checked`)].map((box) => box.value);
    return {
      cameras: checked("camera"),
      decisions: checked("decision"),
      part: part.input.value.trim(),
      from: toUtc(from.input.value),
      to: toUtc(to.input.value),
      minScore: minScore.input.value,
      recipe: recipe.input.value.trim(),
    };
  }

  function clear() {
    for (const box of element.querySelectorAll("[type=checkbox]")) box.checked = false;
    for (const { input } of [part, from, to, minScore, recipe]) input.value = "";
    onChange(read());
  }

  element.addEventListener("change", () => onChange(read()));
  element.addEventListener("submit", (event) => {
    event.preventDefault();
    onChange(read());
  });

  function showCameras(ids) {
    const all = [...new Set([...ids, ...filter.cameras])];
    cameras.replaceChildren(...all.map((id) => choice("camera", id, filter.cameras.includes(id), id)));
  }
  showCameras([]);

  return { element, showCameras, partField: part.input };
}

function choice(name, value, checked, content) {
  const box = h("input", { type: "checkbox", name, value });
  box.checked = checked;
  return h("label", { class: "check" }, box, content);
}

function field(name, title, attributes) {
  const input = h("input", { name, ...attributes });
  return { input, label: h("label", {}, h("span", {}, title), input) };
}

// The fields show local time, the address and the requests UTC.
function toLocal(text) {
  if (!text) return "";
  const time = new Date(text);
  return new Date(time.getTime() - time.getTimezoneOffset() * 60000).toISOString().slice(0, 19);
}

function toUtc(local) {
  return local ? new Date(local).toISOString().replace(".000Z", "Z") : "";
}
