// What the keys do in the drawing while a polygon or a corner has the focus.

import { MIN_CORNERS, insertCorner, middleOfSide, moveCorner, movePolygon, placeOf } from "./polygon-geometry.js";

const STEP = 0.001;
const LARGE_STEP = 0.01;
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * Installs the handlers.
 * @param {SVGElement} element
 * @param {Object} editor as that of useDrag, with `say` and `focusArea` in addition
 */
export function useDrawingKeys(element, editor) {
  element.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const { target } = event;
    const used = editor.tool() ? editor.tool().key(event)
      : target.dataset?.corner !== undefined ? cornerKey(event, Number(target.dataset.corner), editor)
        : target.classList.contains("area") && areaKey(event, target, editor);
    if (!used) return;
    event.preventDefault();
    event.stopPropagation();
  });
}

function stepOf(event) {
  const move = MOVES[event.key];
  const step = event.shiftKey ? LARGE_STEP : STEP;
  return move && move.map((direction) => direction * step);
}

function cornerKey(event, index, editor) {
  const area = editor.selected();
  if (!area) return false;
  if (event.key === "Escape") {
    editor.focusArea(area);
    return true;
  }
  const step = stepOf(event);
  const inserts = ["Insert", "i"].includes(event.key);
  const deletes = ["Delete", "Backspace"].includes(event.key);
  if (!step && !inserts && !deletes) return false;
  if (!editor.editable()) return true;
  if (step) {
    const corners = area.corners.map((corner, place) => (place === index ? moveCorner(corner, ...step) : corner));
    editor.change(area, corners, `keys-${area.kind}-${area.index}-${index}`);
    editor.say(placeOf(corners[index]));
  } else if (inserts) insertAfter(area, index, editor);
  else deleteCorner(area, index, editor);
  return true;
}

/** Inserts a corner in the middle of the side after a corner. @param {Object} area @param {number} index @param {Object} editor */
export function insertAfter(area, index, editor) {
  editor.change(area, insertCorner(area.corners, index, middleOfSide(area.corners, index)), "");
  editor.focusCorner(index + 1);
}

/** Deletes a corner. @param {Object} area @param {number} index @param {Object} editor */
export function deleteCorner(area, index, editor) {
  if (area.corners.length <= MIN_CORNERS) return editor.say(`A polygon needs at least ${MIN_CORNERS} corners.`);
  editor.change(area, area.corners.filter((_, place) => place !== index), "");
  editor.focusCorner(Math.min(index, area.corners.length - 2));
  editor.say(`Corner ${index + 1} deleted`);
}

function areaKey(event, target, editor) {
  const id = { kind: target.dataset.kind, index: Number(target.dataset.index) };
  const selected = editor.selected();
  const isSelected = selected?.kind === id.kind && selected?.index === id.index;
  if (event.key === "Enter" || event.key === " ") {
    editor.select(id);
    editor.focusCorner(0);
    return true;
  }
  if (event.key === "Escape" && isSelected) {
    editor.select(null);
    return true;
  }
  const step = stepOf(event);
  if (!step) return false;
  if (!isSelected) editor.select(id);
  if (!editor.editable()) return true;
  const area = editor.selected();
  const corners = movePolygon(area.corners, ...step);
  editor.change(area, corners, `keys-${area.kind}-${area.index}`);
  editor.say(`Corner 1: ${placeOf(corners[0])}`);
  return true;
}
