// The table with the corners of the selected region or mask.

import { MIN_CORNERS } from "./polygon-geometry.js";
import { deleteCorner, insertAfter } from "./polygon-keys.js";
import { elementList } from "./element-list.js";
import { h, setText } from "./dom.js";
import { valueInput } from "./recipe-field.js";
import { withArea } from "./recipe-content.js";

/**
 * Creates the table, closed at first.
 * @param {Object} recipe see createDocument
 * @param {Object} editor of the drawing
 * @returns {{element: HTMLElement, show: function(Object, Object, boolean): void}}
 */
export function cornerTable(recipe, editor) {
  const body = h("tbody", {});
  const summary = h("summary", {});
  const rows = elementList(body, (index) => cornerRow(index, change, editor));
  const columns = ["Corner", "X, %", "Y, %"].map((name) => h("th", { scope: "col" }, name));
  const element = h("details", {}, summary, h("table", { class: "small corner-table" },
    h("caption", { class: "only-spoken" }, "Corners, from the upper left of the frame"),
    h("thead", {}, h("tr", {}, columns, h("td", {}))), body));
  let id = null;

  function change(index, values) {
    recipe.changeContent((content) => {
      const corners = content[id.kind][id.index].corners.map((corner, place) => (place === index ? { ...corner, ...values } : corner));
      return withArea(content, id, { corners });
    }, `corner-${id.kind}-${id.index}-${index}-${Object.keys(values)}`);
  }

  function show(area, areaId, editable) {
    id = areaId;
    setText(summary, `${area.corners.length} corners`);
    rows.show(area.corners, area.corners.length, editable);
  }
  return { element, show };
}

function cornerRow(index, change, editor) {
  const inputs = ["x", "y"].map((axis) => ({
    axis,
    ...valueInput("place", (value) => change(index, { [axis]: value }), { "aria-label": `Corner ${index + 1}, ${axis.toUpperCase()} in percent` }),
  }));
  const insert = h("button", { type: "button", class: "quiet", "aria-label": `Insert a corner after ${index + 1}`, onclick: () => insertAfter(editor.selected(), index, editor) }, "Insert");
  const remove = h("button", { type: "button", class: "quiet", "aria-label": `Delete corner ${index + 1}`, onclick: () => deleteCorner(editor.selected(), index, editor) }, "Delete");
  const element = h("tr", {}, h("th", { scope: "row" }, String(index + 1)),
    inputs.map(({ input }) => h("td", {}, input)), h("td", { class: "row-actions" }, insert, remove));
  function show(corner, count, editable) {
    for (const { axis, show: showValue } of inputs) showValue(corner[axis], editable);
    insert.disabled = !editable;
    remove.disabled = !editable || count <= MIN_CORNERS;
  }
  return { element, show };
}
