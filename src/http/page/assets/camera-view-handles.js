// The inspected area over the picture, and the handles that change it: with the pointer, and each side with the keyboard.

import { between, moved, wholeFrame, withSides } from "./camera-view-geometry.js";
import { h, set } from "./dom.js";

const SIDES = ["left", "top", "right", "bottom"];
const CORNERS = ["left top", "right top", "right bottom", "left bottom"];
const AXIS = { left: "x", right: "x", top: "y", bottom: "y" };
const STEPS = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1, PageUp: -50, PageDown: 50 };
const SHIFT_FACTOR = 10;

/**
 * Creates the drawing.
 * @param {function(import("./camera-view-geometry.js").Crop): void} onChange receives a crop that the person has drawn
 * @returns {{element: HTMLElement, show: function(Object): void}}
 */
export function areaHandles(onChange) {
  const active = h("div", { class: "area active", hidden: true });
  const sides = Object.fromEntries(SIDES.map((side) => [side, h("div", {
    class: `handle ${side}`, "data-sides": side, role: "slider", tabindex: 0, "aria-label": `${capital(side)} side of the new area`,
    "aria-orientation": AXIS[side] === "x" ? "horizontal" : "vertical", onkeydown: (event) => press(event, side),
  })]));
  const corners = CORNERS.map((corner) => h("div", { class: `handle ${corner}`, "data-sides": corner, "aria-hidden": "true" }));
  const draft = h("div", { class: "area draft", hidden: true }, corners, Object.values(sides));
  const element = h("div", { class: "areas", onpointerdown: begin }, active, draft);
  let shown = { size: { width: 1, height: 1 }, active: null, draft: null, editing: false };

  /** `size`: of the frame after rotation; without a draft the whole frame is drafted, while editing. */
  function show(next) {
    shown = next;
    place(active, next.active, next.size);
    place(draft, next.editing ? present() : null, next.size);
    element.classList.toggle("editing", next.editing);
    if (!next.editing) return;
    for (const side of SIDES) {
      const limits = [-Infinity, Infinity].map((end) => withSides(present(), { [side]: end === Infinity ? 1e6 : -1e6 }, next.size)[side]);
      set(sides[side], { "aria-valuemin": limits[0], "aria-valuemax": limits[1], "aria-valuenow": present()[side], "aria-valuetext": `${present()[side]} px` });
    }
  }

  const present = () => shown.draft ?? wholeFrame(shown.size);

  function press(event, side) {
    const step = STEPS[event.key];
    const end = { Home: 0, End: 1e6 }[event.key];
    if (step === undefined && end === undefined) return;
    event.preventDefault();
    const by = step * (event.shiftKey ? SHIFT_FACTOR : 1);
    onChange(withSides(present(), { [side]: end ?? present()[side] + by }, shown.size));
  }

  function begin(event) {
    if (!shown.editing || event.button !== 0) return;
    event.preventDefault();
    element.setPointerCapture(event.pointerId);
    const start = pointOf(event);
    const before = present();
    const named = event.target.dataset.sides?.split(" ");
    const inside = shown.draft && start.x > before.left && start.x < before.right && start.y > before.top && start.y < before.bottom;
    const change = named ? resize(before, named, start) : inside ? move(before, start) : (point) => between(start, point, shown.size);
    const follow = (later) => {
      const crop = change(pointOf(later));
      if (crop) onChange(crop);
    };
    element.addEventListener("pointermove", follow);
    for (const end of ["pointerup", "pointercancel"]) {
      element.addEventListener(end, () => element.removeEventListener("pointermove", follow), { once: true });
    }
    if (named?.length === 1) event.target.focus();
  }

  const resize = (before, named, start) => (point) =>
    withSides(before, Object.fromEntries(named.map((side) => [side, before[side] + point[AXIS[side]] - start[AXIS[side]]])), shown.size);
  const move = (before, start) => (point) => moved(before, point.x - start.x, point.y - start.y, shown.size);

  function pointOf(event) {
    const box = element.getBoundingClientRect();
    const { width, height } = shown.size;
    return { x: ((event.clientX - box.left) / box.width) * width, y: ((event.clientY - box.top) / box.height) * height };
  }

  return { element, show };
}

const capital = (text) => text[0].toUpperCase() + text.slice(1);

function place(element, crop, { width, height }) {
  element.hidden = !crop;
  if (!crop) return;
  set(element, { style: {
    left: `${(crop.left / width) * 100}%`,
    top: `${(crop.top / height) * 100}%`,
    width: `${((crop.right - crop.left) / width) * 100}%`,
    height: `${((crop.bottom - crop.top) / height) * 100}%`,
  } });
}
