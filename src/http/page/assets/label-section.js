// The label of a verdict, and the buttons that change it.

import { dateTime } from "./format.js";
import { errorState, h } from "./dom.js";
import { labelBadge } from "./shapes.js";
import { labelVerdict, recentClasses } from "./labels.js";
import { section } from "./fact-list.js";

/**
 * Creates the section.
 * @param {number} sequence
 * @param {Object|undefined} first the present label
 * @param {boolean} mayLabel whether to show the buttons
 * @returns {{element: HTMLElement, bindings: import("./keys.js").Binding[]}}
 */
export function labelSection(sequence, first, mayLabel) {
  const place = h("div", { class: "label-now", role: "status" });
  const problem = h("div", {});
  const field = h("input", { type: "text", id: "defect-class", list: "defect-classes", maxlength: 64, autocomplete: "off", spellcheck: "false" });
  const list = h("datalist", { id: "defect-classes" });
  const recent = h("div", { class: "buttons" });
  const form = h("form", { class: "class-form", hidden: true, onsubmit: submit },
    h("label", { for: "defect-class" }, "Defect class"),
    h("div", { class: "buttons" }, field, h("button", { type: "submit", class: "main" }, "Save"),
      h("button", { type: "button", class: "quiet", onclick: closeForm }, "Cancel")),
    list, recent);
  let label = first;

  function show() {
    place.replaceChildren(...(label
      ? [labelBadge(label), h("span", { class: "soft" }, `${label.author || "unknown"}, ${dateTime(label.time)}`)]
      : [h("span", { class: "soft" }, "No label")]));
  }

  async function save(kind, defectClass) {
    closeForm();
    problem.replaceChildren();
    try {
      label = (await labelVerdict(sequence, kind, defectClass)) ?? undefined;
      show();
    } catch (error) {
      problem.replaceChildren(errorState("The label was not saved", error));
    }
  }

  function openForm() {
    const classes = recentClasses();
    list.replaceChildren(...classes.map((name) => h("option", { value: name })));
    recent.replaceChildren(...classes.map((name) => h("button", { type: "button", onclick: () => save("LABEL_KIND_DEFECTIVE", name) }, name)));
    form.hidden = false;
    field.value = label?.defect_class ?? "";
    field.focus();
    field.select();
  }

  function closeForm() {
    form.hidden = true;
    field.blur();
  }

  function submit(event) {
    event.preventDefault();
    save("LABEL_KIND_DEFECTIVE", field.value.trim());
  }

  form.addEventListener("keydown", (event) => event.key === "Escape" && closeForm());
  show();
  const actions = [
    { keys: ["g"], shown: "g", text: "label: truly good", title: "Truly good", run: () => void save("LABEL_KIND_GOOD") },
    { keys: ["d"], shown: "d", text: "label: truly defective, then the class", title: "Truly defective", run: openForm },
    { keys: ["u"], shown: "u", text: "label: unsure", title: "Unsure", run: () => void save("LABEL_KIND_UNSURE") },
    { keys: ["Backspace"], shown: "Backspace", text: "remove the label", title: "Remove", run: () => (label ? void save("LABEL_KIND_UNSPECIFIED") : false) },
  ];
  const buttons = actions.map(({ title, shown, run }) => h("button", { type: "button", onclick: run }, title, h("kbd", {}, shown === "Backspace" ? "⌫" : shown)));
  const element = section("Label", place, mayLabel && h("div", { class: "buttons" }, buttons), mayLabel && form, problem);
  element.classList.add("label-card");
  return { element, bindings: mayLabel ? actions : [] };
}
