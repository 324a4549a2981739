// The form for the class of a defect.

import { h } from "./dom.js";
import { recentClasses } from "./labels.js";

/**
 * Creates the form, closed at first.
 * @param {function(string): void} onSave receives the class
 * @returns {{element: HTMLFormElement, open: function(string): void, close: function(): void}} `open` takes the present class
 */
export function classForm(onSave) {
  const field = h("input", { type: "text", id: "defect-class", list: "defect-classes", maxlength: 64, autocomplete: "off", spellcheck: "false" });
  const list = h("datalist", { id: "defect-classes" });
  const recent = h("div", { class: "buttons" });
  const element = h("form", { class: "class-form", hidden: true, onsubmit: submit },
    h("label", { for: "defect-class" }, "Defect class"),
    h("div", { class: "buttons" }, field, h("button", { type: "submit", class: "main" }, "Save"),
      h("button", { type: "button", class: "quiet", onclick: close }, "Cancel")),
    list, recent);

  function open(present) {
    const classes = recentClasses();
    list.replaceChildren(...classes.map((name) => h("option", { value: name })));
    recent.replaceChildren(...classes.map((name) => h("button", { type: "button", onclick: () => onSave(name) }, name)));
    element.hidden = false;
    field.value = present;
    field.focus();
    field.select();
  }

  function close() {
    element.hidden = true;
    field.blur();
  }

  function submit(event) {
    event.preventDefault();
    onSave(field.value.trim());
  }

  element.addEventListener("keydown", (event) => event.key === "Escape" && close());
  return { element, open, close };
}
