// The label of a verdict, and the controls that change it.

import { classForm } from "./class-form.js";
import { dateTime } from "./format.js";
import { errorState, h } from "./dom.js";
import { isSameOutline } from "./outline-text.js";
import { labelBadge } from "./shapes.js";
import { labelVerdict } from "./labels.js";
import { outlineList } from "./outline-list.js";
import { section } from "./fact-list.js";

const DEFECTIVE = "LABEL_KIND_DEFECTIVE";

/**
 * Creates the section.
 * @param {number} sequence
 * @param {Object|undefined} first the present label
 * @param {boolean} mayLabel whether to show the buttons
 * @param {Object} viewer see createViewer
 * @param {function(number|null): void} onPoint receives the index of the outline that is pointed at
 * @returns {{element: HTMLElement, bindings: import("./keys.js").Binding[], markOutline: function(number|null): void}}
 */
export function labelSection(sequence, first, mayLabel, viewer, onPoint) {
  const place = h("div", { class: "label-now", role: "status" });
  const problem = h("div", {});
  const form = classForm((name) => void setClass(name));
  const list = outlineList(mayLabel, { onDraw: draw, onSave: saveAgain, onRemove: remove, onPoint });
  let label = first;
  /** Outlines that the daemon did not take. @type {import("./outline-layer.js").DrawnOutline[]} */
  let unsaved = [];
  /** Why nothing can be drawn; null while the picture is loading. @type {string|null} */
  let obstacle = null;
  let drawing = false;
  let queue = Promise.resolve(true);

  function show() {
    place.replaceChildren(...(label
      ? [labelBadge(label), h("span", { class: "soft" }, `${label.author || "unknown"}, ${dateTime(label.time)}`)]
      : [h("span", { class: "soft" }, "No label")]));
    showOutlines();
  }

  function showOutlines() {
    const mayHave = !label || label.kind === DEFECTIVE;
    if (!mayHave) unsaved = [];
    const outlines = [...(label?.outlines ?? []).map(({ corners }) => ({ corners, saved: true })), ...unsaved];
    const hint = obstacle || (!mayHave ? "Only a truly defective part has outlines." : !label ? "Drawing sets the label truly defective." : "");
    list.show(outlines, mayHave && obstacle === "" && !drawing, hint);
    viewer.showOutlines(outlines);
  }

  // Each change is based on the label that the one before it left. `next` returns null if there is nothing to change.
  function change(next) {
    form.close();
    queue = queue.then(async () => {
      const wanted = next(label);
      if (!wanted) return true;
      problem.replaceChildren();
      try {
        label = (await labelVerdict(sequence, wanted)) ?? undefined;
        return true;
      } catch (error) {
        problem.replaceChildren(errorState("The label was not saved", error));
        return false;
      } finally {
        show();
      }
    });
    return queue;
  }

  const setKind = (kind) => {
    viewer.cancelDrawing();
    unsaved = [];
    void change(() => ({ kind }));
  };
  const setClass = (defectClass) => change((now) => ({ kind: DEFECTIVE, defectClass, outlines: now?.outlines }));
  const setOutlines = (edit) => change((now) => ({ kind: DEFECTIVE, defectClass: now?.defect_class, outlines: edit(now?.outlines ?? []) }));

  async function draw() {
    if (drawing || obstacle !== "" || (label && label.kind !== DEFECTIVE)) return;
    form.close();
    drawing = true;
    showOutlines();
    const corners = await viewer.draw();
    drawing = false;
    showOutlines();
    // A label that ends the drawing has the focus already.
    if (!element.contains(document.activeElement)) list.focus();
    if (corners) await add({ corners, saved: false });
  }

  async function add(outline) {
    list.say("");
    unsaved = [...unsaved, outline];
    showOutlines();
    const saved = await setOutlines((outlines) => [...outlines, { corners: outline.corners }]);
    if (saved) unsaved = unsaved.filter((other) => other !== outline);
    showOutlines();
    list.say(saved ? "Outline saved" : "");
  }

  function saveAgain(outline) {
    list.focus();
    unsaved = unsaved.filter((other) => other !== outline);
    void add(outline);
  }

  async function remove(outline) {
    onPoint(null);
    if (unsaved.includes(outline)) {
      unsaved = unsaved.filter((other) => other !== outline);
      problem.replaceChildren();
      showOutlines();
      return;
    }
    const isOther = ({ corners }) => !isSameOutline(corners, outline.corners);
    const removed = await change((now) => now?.outlines.some((one) => !isOther(one)) ? { kind: DEFECTIVE, defectClass: now.defect_class, outlines: now.outlines.filter(isOther) } : null);
    list.say(removed ? "Outline removed" : "");
  }

  viewer.whenShown.then((reason) => {
    obstacle = reason;
    showOutlines();
  });
  show();
  const actions = [
    { keys: ["g"], shown: "g", text: "label: truly good", title: "Truly good", run: () => setKind("LABEL_KIND_GOOD") },
    { keys: ["d"], shown: "d", text: "label: truly defective, then the class", title: "Truly defective", run: () => form.open(label?.defect_class ?? "") },
    { keys: ["u"], shown: "u", text: "label: unsure", title: "Unsure", run: () => setKind("LABEL_KIND_UNSURE") },
    { keys: ["Backspace"], shown: "Backspace", text: "remove the label", title: "Remove", run: () => (label ? setKind("LABEL_KIND_UNSPECIFIED") : false) },
  ];
  const buttons = actions.map(({ title, shown, run }) => h("button", { type: "button", onclick: run }, title, h("kbd", {}, shown === "Backspace" ? "⌫" : shown)));
  const element = section("Label", place,
    mayLabel ? h("div", { class: "buttons" }, buttons) : h("p", { class: "hint" }, "Setting a label requires the role operator."),
    mayLabel && form.element, list.element, problem);
  element.classList.add("label-card");
  const bindings = [...actions, { keys: ["o"], shown: "o", text: "draw the outline of a defect", run: draw }];
  return { element, bindings: mayLabel ? bindings : [], markOutline: list.mark };
}
