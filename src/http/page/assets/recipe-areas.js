// The list of regions, in the order in which they apply, and of masks.

import { appliesTo, moveArea, removeArea } from "./recipe-content.js";
import { elementList } from "./element-list.js";
import { h, setText } from "./dom.js";
import { patternSample } from "./polygon-patterns.js";
import { score } from "./format.js";

/**
 * Creates the lists.
 * @param {Object} recipe see createDocument
 * @param {{select: function(Object|null): void, draw: function(string): void}} actions
 * @returns {{element: HTMLElement, show: function(Object): void}}
 */
export function areaLists(recipe, { select, draw }) {
  const lists = ["regions", "masks"].map((kind) => areaList(kind, recipe, select, draw));
  const element = h("div", { class: "card area-lists" }, lists.map((list) => list.element));
  return { element, show: (view) => lists.forEach((list) => list.show(view)) };
}

function areaList(kind, recipe, select, draw) {
  const rows = h("ol", { class: "areas-list" });
  const items = elementList(rows, (index) => areaRow(kind, index, recipe, select, rows));
  const empty = h("p", { class: "soft" }, kind === "masks" ? "No masks: all of the frame counts." : "No regions: the thresholds of the recipe apply to the whole frame.");
  const add = h("button", { type: "button", onclick: () => draw(kind) }, "Add");
  add.setAttribute("aria-label", kind === "masks" ? "Add a mask" : "Add a region");
  const hint = kind === "regions" && h("p", { class: "hint" }, "Where regions overlap, the first one applies.");
  const element = h("section", {}, h("div", { class: "section-head" }, h("h2", {}, kind === "masks" ? "Masks" : "Regions"), add), empty, rows, hint);

  function show({ content, selection, camera, editable }) {
    const areas = content[kind];
    items.show(areas, { selection, camera, editable, count: areas.length });
    empty.hidden = areas.length > 0;
    if (hint) hint.hidden = areas.length < 2;
    add.disabled = !editable;
  }
  return { element, show };
}

function areaRow(kind, index, recipe, select, rows) {
  const sample = patternSample();
  const name = h("span", { class: "area-title" });
  const detail = h("span", { class: "soft" });
  const id = { kind, index };
  const button = h("button", { type: "button", class: "quiet area-button", "aria-pressed": "false", onclick: () => select(id) }, sample.element, name, detail);
  const move = (by) => {
    if (!recipe.changeContent((content) => moveArea(content, id, by))) return;
    select({ kind, index: index + by });
    const moved = rows.children[index + by];
    const same = moved.querySelector(by < 0 ? ".up" : ".down");
    (same.disabled ? moved.querySelector(by < 0 ? ".down" : ".up") : same).focus();
  };
  const up = h("button", { type: "button", class: "quiet up", onclick: () => move(-1) }, "↑");
  const down = h("button", { type: "button", class: "quiet down", onclick: () => move(1) }, "↓");
  const remove = h("button", { type: "button", class: "quiet", onclick: () => {
    if (!recipe.changeContent((content) => removeArea(content, id))) return;
    select(null);
    (rows.children[Math.min(index, rows.children.length - 1)]?.querySelector(".area-button") ?? rows.parentElement.querySelector("button")).focus();
  } }, "Delete");
  const element = h("li", {}, button, kind === "regions" && up, kind === "regions" && down, remove);

  function show(area, { selection, camera, editable, count }) {
    const applies = appliesTo(area, camera);
    sample.show(kind, index);
    setText(name, kind === "masks" ? area.name : `${index + 1} ${area.name}`);
    setText(detail, [
      area.threshold !== null && area.threshold !== undefined && `threshold ${score(area.threshold)}`,
      !applies && `not for ${camera}`,
    ].filter(Boolean).join(", "));
    const isSelected = selection?.kind === kind && selection.index === index;
    button.setAttribute("aria-pressed", String(isSelected));
    element.classList.toggle("dimmed", !applies);
    const title = `${kind === "masks" ? "mask" : "region"} ${area.name}`;
    up.setAttribute("aria-label", `Move ${title} up`);
    down.setAttribute("aria-label", `Move ${title} down`);
    remove.setAttribute("aria-label", `Delete ${title}`);
    up.disabled = !editable || index === 0;
    down.disabled = !editable || index === count - 1;
    remove.disabled = !editable;
  }
  return { element, show };
}
