// What the pointer does in the drawing: selects and moves corners and polygons, inserts corners, moves the picture.

import { cornerAt, insertCorner, moveCorner, movePolygon } from "./polygon-geometry.js";

const THRESHOLD = 4;

/**
 * Installs the handlers.
 * @param {SVGElement} element
 * @param {Object} editor
 * @param {function(): (Object|null)} editor.selected the selected area with its corners
 * @param {function(): boolean} editor.editable
 * @param {function(Object|null): void} editor.select
 * @param {function(Object, Object[], string): void} editor.change receives an area, its corners, and a name of the drag
 * @param {function(number): void} editor.focusCorner
 * @param {function(number, number): void} editor.pan
 * @param {function(): (Object|null)} editor.tool the draw tool while it is in use
 */
export function useDrag(element, editor) {
  let drag = null;
  let count = 0;

  const pointOf = (event) => {
    const box = element.getBoundingClientRect();
    return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
  };
  const numberIn = (target, name) => {
    const value = target.closest(`[data-${name}]`)?.dataset[name];
    return value === undefined ? null : Number(value);
  };

  // What a movement of the pointer changes; null: the picture moves.
  function targetOf(event) {
    if (event.button === 1) return null;
    const { target } = event;
    const [corner, side] = [numberIn(target, "corner"), numberIn(target, "side")];
    const selected = editor.selected();
    if (selected && corner !== null) return editor.editable() ? { area: selected, corner, corners: selected.corners } : null;
    if (selected && side !== null && editor.editable()) {
      const point = pointOf(event);
      const corners = insertCorner(selected.corners, side, cornerAt(point.x, point.y));
      return { area: selected, corner: side + 1, corners, inserts: true };
    }
    const area = target.closest(".area");
    if (!area) return null;
    const id = { kind: area.dataset.kind, index: Number(area.dataset.index) };
    const isSelected = selected?.kind === id.kind && selected?.index === id.index;
    editor.select(id);
    return isSelected && editor.editable() ? { area: selected, corner: null, corners: selected.corners } : null;
  }

  element.addEventListener("pointerdown", (event) => {
    if (event.button > 1) return;
    const tool = editor.tool();
    if (tool && event.button === 0) {
      // The focus stays, or is where the tool puts it.
      event.preventDefault();
      const point = pointOf(event);
      tool.add(cornerAt(point.x, point.y));
      return;
    }
    if (event.button === 1) event.preventDefault();
    const isBackground = !event.target.closest(".area, .corner, .side");
    drag = { start: pointOf(event), last: [event.clientX, event.clientY], first: [event.clientX, event.clientY],
      moved: false, name: `drag-${++count}`, isBackground, target: targetOf(event) };
    if (drag.target?.inserts) {
      editor.change(drag.target.area, drag.target.corners, drag.name);
      editor.focusCorner(drag.target.corner);
      // The side under the pointer is another one now, which must not get the focus.
      event.preventDefault();
    }
    // Touches of the background scroll the picture by themselves.
    if (event.pointerType !== "touch" || drag.target) element.setPointerCapture(event.pointerId);
  });

  element.addEventListener("pointermove", (event) => {
    const tool = editor.tool();
    if (tool) {
      const point = pointOf(event);
      tool.point(cornerAt(point.x, point.y));
    }
    if (!drag) return;
    drag.moved ||= Math.hypot(event.clientX - drag.first[0], event.clientY - drag.first[1]) > THRESHOLD;
    if (!drag.moved) return;
    if (!drag.target) {
      if (event.pointerType !== "touch") editor.pan(event.clientX - drag.last[0], event.clientY - drag.last[1]);
      drag.last = [event.clientX, event.clientY];
      return;
    }
    const { area, corner, corners } = drag.target;
    const point = pointOf(event);
    const [dx, dy] = [point.x - drag.start.x, point.y - drag.start.y];
    editor.change(area, corner === null ? movePolygon(corners, dx, dy) : corners.map((one, index) => (index === corner ? snapped(one, dx, dy) : one)), drag.name);
  });

  const end = () => {
    if (drag && !drag.moved && drag.isBackground && !editor.tool()) editor.select(null);
    drag = null;
  };
  element.addEventListener("pointerup", end);
  element.addEventListener("pointercancel", () => (drag = null));
}

// A corner that follows the pointer is at a hundredth of a percent.
function snapped(corner, dx, dy) {
  const { x, y } = moveCorner(corner, dx, dy);
  return cornerAt(x, y);
}
