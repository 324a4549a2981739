// The form of the selected region or mask.

import { areaOf, withArea } from "./recipe-content.js";
import { cornerTable } from "./recipe-corners.js";
import { elementList } from "./element-list.js";
import { h, setText } from "./dom.js";
import { labelledInput } from "./recipe-field.js";
import { titleOf } from "./polygon-view.js";

const OUTSIDE = "as outside";
const FIELDS = [
  ["name", "Name", "text", {}],
  ["threshold", "Threshold", "optional", { placeholder: OUTSIDE }],
  ["review_from", "Review from", "optional", { placeholder: OUTSIDE }],
  ["min_area", "Minimum area", "percent", {}],
];

/**
 * Creates the form.
 * @param {Object} recipe see createDocument
 * @param {Object} editor of the drawing
 * @returns {{element: HTMLElement, show: function(Object): void, focus: function(string): void}}
 */
export function areaForm(recipe, editor) {
  let id = null;
  const change = (key) => (value) => recipe.changeContent((content) => withArea(content, id, { [key]: value }), `area-${id.kind}-${id.index}-${key}`);
  const fields = FIELDS.map(([key, title, kind, attributes]) => ({ key, ...labelledInput(title, kind, change(key), { ...attributes, "data-key": key }) }));
  const title = h("h2", {});
  const cameras = cameraChoices(change("camera_ids"));
  const corners = cornerTable(recipe, editor);
  const element = h("section", { class: "card area-form" }, title,
    h("div", { class: "form-grid" }, fields.map((field) => field.element)), cameras.element, corners.element);

  function show({ content, selection, editable, cameras: known }) {
    const area = areaOf(content, selection);
    element.hidden = !area;
    if (!area) return;
    id = selection;
    setText(title, titleOf({ ...id, name: area.name }));
    for (const field of fields) {
      field.element.hidden = id.kind === "masks" && field.key !== "name";
      field.show(area[field.key], editable);
    }
    const used = [...content.regions, ...content.masks].flatMap((one) => one.camera_ids);
    cameras.show(area.camera_ids, [...new Set([...known.map((camera) => camera.id), ...used])], editable);
    corners.show(area, id, editable);
  }

  function focus(key) {
    const field = fields.find((one) => one.key === key && !one.element.hidden);
    const input = field?.input ?? (key === "cameras" ? cameras.element : corners.element).querySelector("input") ?? fields[0].input;
    input.focus();
  }

  return { element, show, focus };
}

function cameraChoices(onChange) {
  const list = h("div", { class: "choices" });
  let chosen = [];
  const items = elementList(list, () => {
    const box = h("input", { type: "checkbox", onchange: () => onChange(box.checked ? [...chosen, box.value] : chosen.filter((name) => name !== box.value)) });
    const name = h("span", {});
    const item = h("label", { class: "check" }, box, name);
    return {
      element: item,
      show(camera, editable) {
        box.value = camera;
        box.checked = chosen.includes(camera);
        box.disabled = !editable;
        setText(name, camera);
      },
    };
  });
  const element = h("fieldset", {}, h("legend", {}, "Cameras (none checked: all)"), list);
  function show(names, all, editable) {
    chosen = names;
    element.hidden = all.length === 0;
    items.show(all, editable);
  }
  return { element, show };
}
