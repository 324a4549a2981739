// The inspected area: what applies now, and a new one to draw, with its lines for the configuration.

import { areaHandles } from "./camera-view-handles.js";
import { areaLines, rotatedSize, sameArea, wholeFrame, withRotation, withSides } from "./camera-view-geometry.js";
import { copyBlock } from "./copy-block.js";
import { h, replaceIfChanged, setText } from "./dom.js";
import { section } from "./fact-list.js";

const SIDES = ["left", "top", "right", "bottom"];
const ROTATIONS = [0, 90, 180, 270];

/**
 * Creates the card and the drawing over the picture.
 * @param {string} id of the camera
 * @param {function(number): void} onRotate receives the rotation to show
 * @returns {{element: HTMLElement, overlay: HTMLElement, show: function(Object): void, showRecipe: function(Object|null): void,
 *   rotation: function(): number}} `show` takes the fields of a view
 */
export function areaCard(id, onRotate) {
  const handles = areaHandles((crop) => change({ ...draft, crop }));
  const edit = h("input", { type: "checkbox", role: "switch", disabled: true });
  const now = h("p", { class: "area-now" }, "Waiting for a frame");
  const recipeNote = h("p", { class: "soft" });
  const rotate = h("select", { name: "rotate" }, ROTATIONS.map((angle) => h("option", { value: angle }, angle ? `${angle}° clockwise` : "none")));
  const fields = Object.fromEntries(SIDES.map((side) => [side, h("input", { type: "number", name: side, min: 0, step: 1, inputmode: "numeric" })]));
  const sizeLine = h("p", { class: "soft" });
  const lines = copyBlock("Lines for the configuration");
  const form = h("form", { class: "area-form", hidden: true, onsubmit: (event) => event.preventDefault() },
    h("p", { class: "hint" }, "Draw a rectangle in the picture, or drag its sides. The arrow keys move the side with the focus by 1 px, with Shift by 10 px."),
    h("div", { class: "fields" }, h("label", {}, "Rotation", rotate)),
    h("div", { class: "fields sides" }, SIDES.map((side) => h("label", {}, side[0].toUpperCase() + side.slice(1), fields[side], h("span", { class: "soft" }, "px")))),
    sizeLine,
    h("div", { class: "buttons" },
      h("button", { type: "button", onclick: () => change({ ...draft, crop: null }) }, "Whole frame"),
      h("button", { type: "button", onclick: () => change(active) }, "As it is now")),
    h("p", { class: "hint" }, "This changes nothing by itself: replace these lines in the configuration and restart, or in the recipe. ",
      "Regions, masks and thresholds belong to the area that they were made for."),
    lines.element);
  const element = section("Inspected area", now, recipeNote, h("label", { class: "check" }, edit, "Draw a new area"), form);

  let size = null;
  /** What applies. @type {import("./camera-view-geometry.js").Area} */
  let active = { rotate: 0, crop: null };
  let draft = active;

  edit.addEventListener("change", () => {
    form.hidden = !edit.checked;
    change(edit.checked ? draft : active);
  });
  rotate.addEventListener("change", () => change(withRotation(draft, Number(rotate.value), size)));
  for (const side of SIDES) {
    fields[side].addEventListener("change", () => {
      const turned = rotatedSize(size, draft.rotate);
      change({ ...draft, crop: withSides(draft.crop ?? wholeFrame(turned), { [side]: Number.parseInt(fields[side].value, 10) }, turned) });
    });
  }

  const rotation = () => (edit.checked ? draft.rotate : active.rotate);

  function change(next) {
    draft = next;
    onRotate(rotation());
    render();
  }

  function show(view) {
    const next = { rotate: view.rotate, crop: view.crop ?? null };
    const resized = size && (size.width !== view.width || size.height !== view.height);
    const first = size === null;
    if (!first && !resized && sameArea(next, active)) return;
    if (first || resized || sameArea(draft, active)) draft = next;
    active = next;
    size = { width: view.width, height: view.height };
    edit.disabled = false;
    render();
  }

  function render() {
    if (!size) return;
    const editing = edit.checked;
    const turned = rotatedSize(size, rotation());
    handles.show({ size: turned, active: withRotation(active, rotation(), size).crop, draft: draft.crop, editing });
    setText(now, `${active.crop ? dimensions(active.crop) : "The whole frame"}${active.rotate ? `, rotated by ${active.rotate}°` : ", not rotated"}`);
    const crop = draft.crop ?? wholeFrame(turned);
    rotate.value = String(draft.rotate);
    for (const side of SIDES) {
      fields[side].max = String(side === "left" || side === "right" ? turned.width : turned.height);
      fields[side].value = String(crop[side]);
    }
    setText(sizeLine, `${crop.right - crop.left} x ${crop.bottom - crop.top} px of ${turned.width} x ${turned.height} px${draft.crop ? "" : ": the whole frame, remove crop"}`);
    lines.show(areaLines(id, draft));
  }

  function showRecipe(recipe) {
    replaceIfChanged(recipeNote, recipe?.id ?? "", () => (recipe
      ? [document.createTextNode("An area in the recipe replaces that of the configuration. Active recipe: "), h("a", { href: `/recipes/${encodeURIComponent(recipe.id)}` }, recipe.id)]
      : null));
    recipeNote.hidden = !recipe;
  }

  return { element, overlay: handles.element, show, showRecipe, rotation };
}

const dimensions = ({ left, top, right, bottom }) =>
  `${right - left} x ${bottom - top} px: columns ${left} to ${right - 1}, rows ${top} to ${bottom - 1}`;
