// The settings of cameras in a recipe.

import { addCamera, removeCamera, withCamera } from "./recipe-content.js";
import { elementList } from "./element-list.js";
import { h, setText } from "./dom.js";
import { labelledInput } from "./recipe-field.js";

const CONFIGURED = "as configured";
const FIELDS = [
  ["threshold", "Threshold", "optional", { placeholder: "as the recipe" }],
  ["review_from", "Review from", "optional", { placeholder: "as the recipe" }],
  ["exposure_us", "Exposure", "whole", { placeholder: CONFIGURED, unit: "µs" }],
  ["gain", "Gain", "optional", { placeholder: CONFIGURED, step: 0.1 }],
];
const SIDES = ["left", "top", "right", "bottom"];

/**
 * Creates the forms.
 * @param {Object} recipe see createDocument
 * @returns {{element: HTMLElement, show: function(Object): void, focus: function(string, string): void}}
 */
export function cameraForms(recipe) {
  const list = h("div", { class: "camera-forms" });
  const forms = elementList(list, (index) => cameraForm(index, recipe));
  const empty = h("p", { class: "soft" }, "No camera has settings of its own.");
  const choices = h("datalist", { id: "cameras-without-settings" });
  const field = h("input", { id: "camera-to-add", list: "cameras-without-settings", autocomplete: "off", spellcheck: "false" });
  const button = h("button", { type: "submit" }, "Add camera");
  const form = h("form", { class: "buttons", onsubmit: add }, h("label", { for: "camera-to-add" }, "Camera"), field, button, choices);
  const element = h("div", { class: "card" }, empty, list, form,
    h("p", { class: "hint" }, "Empty fields keep the configured value. Corners of regions are fractions of the frame after rotation and crop: when these change, check the regions. Exposure and gain exist for cameras with source = \"device\" only."));
  let known = [];

  function add(event) {
    event.preventDefault();
    const id = field.value.trim();
    if (!id) return field.focus();
    const place = known.indexOf(id);
    if (place < 0 && !recipe.changeContent((content) => addCamera(content, id))) return;
    field.value = "";
    forms.items.find((item) => item.id() === id)?.focus("threshold");
  }

  function show({ content, editable, cameras }) {
    known = content.cameras.map((camera) => camera.camera_id);
    forms.show(content.cameras, editable, cameras);
    empty.hidden = known.length > 0;
    field.disabled = button.disabled = !editable;
    const rest = cameras.map((camera) => camera.id).filter((id) => !known.includes(id));
    choices.replaceChildren(...rest.map((id) => h("option", { value: id })));
  }

  const focus = (id, key) => forms.items.find((item) => item.id() === id)?.focus(key);
  return { element, show, focus };
}

function cameraForm(index, recipe) {
  let camera = { camera_id: "", crop: null };
  let size = { width: 0, height: 0 };
  const change = (values, tag = "") => recipe.changeContent((content) => withCamera(content, index, values), tag && `camera-${index}-${tag}`);
  const fields = FIELDS.map(([key, title, kind, attributes]) => ({ key, ...labelledInput(title, kind, (value) => change({ [key]: value }, key), attributes) }));
  const rotate = h("select", { onchange: () => change({ rotate: rotate.value === "" ? null : Number(rotate.value) }) },
    h("option", { value: "" }, CONFIGURED), [0, 90, 180, 270].map((angle) => h("option", { value: angle }, `${angle}°`)));
  const cropped = h("input", { type: "checkbox", onchange: () => change({ crop: cropped.checked ? { left: 0, top: 0, right: size.width, bottom: size.height } : null }) });
  const sides = SIDES.map((side) => ({
    side, ...labelledInput(side[0].toUpperCase() + side.slice(1), "pixels", (value) => change({ crop: { ...camera.crop, [side]: value } }, side), { unit: "px" }),
  }));
  const crop = h("div", { class: "form-grid crop" }, sides.map((side) => side.element));
  const title = h("h2", {});
  const remove = h("button", { type: "button", class: "quiet", onclick: () => recipe.changeContent((content) => removeCamera(content, index)) }, "Delete");
  const element = h("section", {}, h("div", { class: "section-head" }, title, remove),
    h("div", { class: "form-grid" }, fields.map((field) => field.element),
      h("label", { class: "field" }, h("span", {}, "Rotate"), rotate), h("label", { class: "check" }, cropped, "Crop")), crop);

  function show(next, editable, cameras) {
    camera = next;
    size = cameras.find((one) => one.id === camera.camera_id) ?? size;
    setText(title, camera.camera_id);
    remove.setAttribute("aria-label", `Delete the settings of camera ${camera.camera_id}`);
    for (const field of fields) field.show(camera[field.key] ?? null, editable);
    rotate.value = camera.rotate ?? "";
    cropped.checked = Boolean(camera.crop);
    crop.hidden = !camera.crop;
    if (camera.crop) for (const side of sides) side.show(camera.crop[side.side], editable);
    rotate.disabled = cropped.disabled = remove.disabled = !editable;
  }

  function focus(key) {
    const field = key?.startsWith("crop") ? sides.find((side) => key.endsWith(side.side)) ?? sides[0] : fields.find((one) => one.key === key);
    (field?.input ?? (key === "rotate" ? rotate : fields[0].input)).focus();
  }
  return { element, show, focus, id: () => camera.camera_id };
}
