// Which threshold is tuned, and on which verdicts: as a form, and as the query of the page's address.

import { h } from "./dom.js";
import { number } from "./format.js";

const COUNTS = [500, 2000, 10000, 50000, 100000];
const DEFAULT_COUNT = 2000;
const HIGHEST_COUNT = 100000;

/** Reads the selection from a query. @param {string} search @returns {import("./tuning-calls.js").Selection} */
export function readSelection(search) {
  const query = new URLSearchParams(search);
  const text = (name) => query.get(name) ?? "";
  const count = Number(text("n"));
  return {
    camera: text("camera"),
    region: text("region"),
    recipe: text("recipe"),
    count: Number.isInteger(count) && count >= 1 && count <= HIGHEST_COUNT ? count : DEFAULT_COUNT,
  };
}

/** Writes a selection as a query. @param {import("./tuning-calls.js").Selection} selection @returns {string} empty, or starting with "?" */
export function writeSelection({ camera, region, recipe, count }) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries({ camera, region, recipe })) if (value) query.set(name, value);
  if (count !== DEFAULT_COUNT) query.set("n", String(count));
  const text = query.toString();
  return text ? `?${text}` : "";
}

/**
 * Creates the form.
 * @param {import("./tuning-calls.js").Selection} selection
 * @param {function(import("./tuning-calls.js").Selection): void} onChange
 * @returns {{element: HTMLElement, showChoices: function({cameras: string[], regions: string[], recipes: string[]}): void}}
 */
export function selectionForm(selection, onChange) {
  const camera = field("camera", "Camera");
  const region = field("region", "Region");
  const recipe = field("recipe", "Verdicts of");
  const count = field("n", "Number of verdicts");
  const element = h("form", { class: "tuning-selection", "aria-label": "Selection", onsubmit: (event) => event.preventDefault() },
    [camera, region, recipe, count].map(({ label }) => label),
    h("button", { type: "button", onclick: () => onChange(read()) }, "Load newest verdicts"));
  const read = () => ({
    camera: camera.select.value,
    region: region.select.value,
    recipe: recipe.select.value,
    count: Number(count.select.value),
  });

  function showChoices({ cameras, regions, recipes }) {
    const now = element.isConnected ? read() : selection;
    fill(camera.select, [["", "all cameras"], ...named(cameras, now.camera)], now.camera);
    fill(region.select, [["", regions.length > 0 ? "rest of the frame" : "whole frame"], ...named(regions, now.region)], now.region);
    fill(recipe.select, [["", "all recipes"], ...named(recipes, now.recipe)], now.recipe);
  }

  element.addEventListener("change", () => onChange(read()));
  const counts = [...new Set([...COUNTS, selection.count])].sort((a, b) => a - b);
  fill(count.select, counts.map((value) => [String(value), `last ${number(value)}`]), String(selection.count));
  showChoices({ cameras: [], regions: [], recipes: [] });
  return { element, showChoices };
}

// A value of the address stays selected, even if it does not exist: the daemon explains it.
const named = (names, present) => [...new Set([...names, present])].filter(Boolean).map((name) => [name, name]);

function fill(select, options, present) {
  select.replaceChildren(...options.map(([value, text]) => h("option", { value, selected: value === present }, text)));
}

function field(name, title) {
  const select = h("select", { name });
  return { select, label: h("label", { class: "stacked" }, h("span", { class: "soft" }, title), select) };
}
