// The form with what applies to the whole recipe.

import { call } from "./api.js";
import { h } from "./dom.js";
import { labelledInput } from "./recipe-field.js";

const CONFIGURED = "as configured";
const FIELDS = [
  ["product", "Product", "text", {}],
  ["version", "Version", "text", {}],
  ["bundle", "Model bundle", "text", { list: "bundles" }],
  ["threshold", "Threshold", "optional", { placeholder: CONFIGURED }],
  ["review_from", "Review from", "optional", { placeholder: CONFIGURED }],
  ["min_area", "Minimum area", "percent", {}],
];

/**
 * Creates the form.
 * @param {Object} recipe see createDocument
 * @returns {{element: HTMLElement, show: function(Object): void, focus: function(string): void}}
 */
export function generalForm(recipe) {
  const bundles = h("datalist", { id: "bundles" });
  const fields = FIELDS.map(([key, title, kind, attributes]) => {
    const change = (value) => recipe.changeContent((content) => ({ ...content, [key]: value }), `general-${key}`);
    return { key, ...labelledInput(title, kind, change, { ...attributes, "data-key": key }) };
  });
  const element = h("div", { class: "card" }, h("div", { class: "form-grid" }, fields.map((field) => field.element)),
    h("p", { class: "hint" }, "The bundle is a folder, relative to the folder of the recipes. Scores above the threshold are REJECT, scores from “Review from” to the threshold REVIEW. Smaller defects outside of regions do not count; the area is that of the whole frame."),
    bundles);

  // Bundles that other recipes use.
  call("RecipeService", "ListRecipes").then(({ recipes }) => {
    const names = new Set(recipes.map((other) => other.bundle).filter(Boolean));
    bundles.replaceChildren(...[...names].map((name) => h("option", { value: name })));
  }, () => null);

  return {
    element,
    show: ({ content, editable }) => fields.forEach((field) => field.show(content[field.key], editable)),
    focus: (key) => fields.find((field) => field.key === key)?.input.focus(),
  };
}
