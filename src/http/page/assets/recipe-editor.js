// The editor of a recipe: the drawing of its regions and masks, its forms, its text and its editions.

import { addArea, appliesTo, areaOf, withArea } from "./recipe-content.js";
import { areaForm } from "./recipe-area-form.js";
import { areaLists } from "./recipe-areas.js";
import { cameraForms } from "./recipe-cameras.js";
import { countOf, faultList } from "./recipe-faults.js";
import { createDocument } from "./recipe-document.js";
import { createPolygonEditor } from "./polygon-editor.js";
import { createReference } from "./recipe-reference.js";
import { createTabs } from "./tabs.js";
import { editionList } from "./recipe-editions.js";
import { errorButton, roleNote, stateBadges, unsavedBadge } from "./recipe-state.js";
import { generalForm } from "./recipe-general.js";
import { h, replaceIfChanged } from "./dom.js";
import { mayActAs } from "./session.js";
import { onLive } from "./live.js";
import { recipeActions } from "./recipe-actions.js";
import { setBanner } from "./banner.js";
import { textEditor } from "./recipe-text.js";
import { useKeys } from "./keys.js";

/**
 * Shows the editor.
 * @param {HTMLElement} main
 * @param {Object} session
 * @param {string} id of the recipe
 * @param {Object|null} first the Recipe as saved; null: it is new
 * @param {function(Object): Promise<void>} start starts the document
 */
export async function showEditor(main, session, id, first, start) {
  const mayEdit = mayActAs(session, "engineer");
  let info = first;
  let selection = null;
  let camera = "";
  let cameras = [];
  let activeId = first?.active ? id : "";
  let ready = false;

  const recipe = createDocument(id, render);
  const drawing = createPolygonEditor({
    onSelect: select,
    onChange: (area, corners, tag) => recipe.changeContent((content) => withArea(content, area, { corners }), tag, tag.startsWith("drag") ? Infinity : undefined),
    onDraw: addDrawn,
  });
  const reference = createReference(drawing.stage, id, (chosen, all) => {
    camera = chosen;
    cameras = all;
    render();
  });
  const general = generalForm(recipe);
  const lists = areaLists(recipe, { select, draw: drawing.use });
  const form = areaForm(recipe, drawing.editor);
  const forms = cameraForms(recipe);
  const text = textEditor(recipe, mayEdit);
  const editions = editionList(recipe);
  const faults = faultList({ toLine, toField });
  const tabs = createTabs("Recipe", [
    { name: "regions", title: "Regions", panel: h("div", { class: "stack-of-cards" }, lists.element, form.element) },
    { name: "general", title: "General", panel: general.element },
    { name: "cameras", title: "Cameras", panel: forms.element },
    { name: "text", title: "Text", panel: text.element },
    { name: "editions", title: "Editions", panel: editions.element },
  ], (name) => {
    recipe.hurry();
    if (name === "editions") editions.load();
  });
  const actions = recipeActions(recipe, session, (changed) => {
    info = changed;
    if (location.search) history.replaceState(null, "", location.pathname);
    if (tabs.current() === "editions") editions.load();
    render();
  });

  const undo = h("button", { type: "button", onclick: recipe.undo }, "Undo");
  const redo = h("button", { type: "button", onclick: recipe.redo }, "Redo");
  const state = h("span", { class: "recipe-state", role: "status" });
  const notes = h("div", { class: "recipe-notes", role: "status" });
  const retry = h("button", { type: "button", class: "quiet", onclick: recipe.retry }, "Try again");
  const keys = useKeys([
    ...drawing.bindings,
    { keys: [], shown: "Ctrl Z", text: "undo; with Shift: redo" },
    { keys: [], shown: "Ctrl S", text: "save" },
  ]);

  function select(area) {
    selection = area;
    if (area && tabs.current() !== "text") tabs.open("regions");
    render();
  }

  function addDrawn(kind, corners) {
    if (!recipe.changeContent((content) => addArea(content, kind, corners))) return;
    select({ kind, index: recipe.now().content[kind].length - 1 });
    if (tabs.current() === "regions") form.focus("name");
  }

  function toLine(line) {
    tabs.open("text");
    text.toLine(line);
  }

  function toField({ tab, area, camera: cameraId, field }) {
    tabs.open(tab);
    if (area) select(area);
    if (tab === "regions") form.focus(field);
    else if (tab === "cameras") forms.focus(cameraId, field);
    else general.focus(field);
  }

  function render() {
    if (!ready) return;
    const entry = recipe.now();
    const { content } = entry;
    if (!areaOf(content, selection)) selection = null;
    const view = { entry, content, selection, camera, cameras, editable: mayEdit && recipe.hasContent() };
    const shapes = ["regions", "masks"].flatMap((kind) => content[kind].map(({ name, corners, ...area }, index) =>
      ({ kind, index, name, corners, dimmed: !appliesTo(area, camera) })));
    const selected = shapes.find((shape) => shape.kind === selection?.kind && shape.index === selection.index) ?? null;
    drawing.show(shapes, selected, view.editable);
    for (const part of [general, lists, form, forms, text, faults]) part.show(view);
    actions.show(info);
    undo.disabled = !recipe.canUndo();
    redo.disabled = !recipe.canRedo();
    showState(entry);
  }

  function showState(entry) {
    const dirty = mayEdit && recipe.isDirty();
    const count = entry.faults.length;
    replaceIfChanged(state, JSON.stringify([info, activeId, dirty, count]), () => [
      // The errors of the text are counted below.
      ...(info === null || info.faults.length > 0 ? [] : stateBadges(info, activeId)),
      ...(dirty ? [unsavedBadge()] : []),
      ...(count > 0 ? [errorButton(countOf(entry.faults).toUpperCase(), showFaults)] : []),
    ]);
    drawing.stage.element.classList.toggle("outdated", entry.broken && !entry.unread);
    const shown = entry.unread ? "The drawing and the forms are empty until it is correct." : "The drawing and the forms show the last text that could be read; they can be changed again when the text is correct.";
    const texts = [
      entry.broken && `The text has errors that keep it from being read. ${shown}`,
      entry.note,
    ].filter(Boolean);
    notes.hidden = texts.length === 0;
    replaceIfChanged(notes, texts.join("\n"), () => texts.map((line) => h("p", {}, line)));
    const problem = recipe.problem();
    setBanner("draft", problem ? `The recipe cannot be checked: ${problem.message}` : "", { action: retry });
  }

  function showFaults() {
    faults.element.scrollIntoView({ block: "nearest" });
    faults.element.querySelector("button")?.focus();
  }

  addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.altKey) return;
    const key = event.key.toLowerCase();
    if (key === "z" || key === "y") (key === "y" || event.shiftKey ? recipe.redo : recipe.undo)();
    else if (key === "s") actions.save();
    else return;
    event.preventDefault();
  });
  addEventListener("beforeunload", (event) => {
    if (mayEdit && recipe.isDirty()) event.preventDefault();
  });
  onLive("status", (status) => {
    const active = status.recipe?.id ?? "";
    const isActive = active === id && status.recipe.sha256 === info?.sha256;
    if (active === activeId && isActive === Boolean(info?.active)) return;
    activeId = active;
    if (info) info = { ...info, active: isActive };
    render();
  });

  await start(recipe);
  const viewer = h("div", { class: "viewer" },
    h("div", { class: "toolbar drawing-tools" }, drawing.tools, h("div", { class: "buttons" }, undo, redo), drawing.stage.controls),
    h("div", { class: "stage-place" }, drawing.stage.element), drawing.hint, drawing.spoken, reference.element, reference.note);
  const note = roleNote(session, "Preparing and activating", "Changing a recipe");
  main.replaceChildren(
    h("div", { class: "verdict-head" }, h("h1", {}, `Recipe ${id}`), state, h("div", { class: "buttons" }, h("a", { href: "/recipes" }, "All recipes"), keys, ...actions.buttons)),
    ...(note ? [note] : []), actions.result,
    h("div", { class: "recipe-columns" }, viewer, h("div", { class: "recipe-right" }, tabs.element, notes, faults.element)));
  ready = true;
  tabs.open(recipe.now().broken ? "text" : "regions");
  drawing.stage.watch();
  render();
  reference.start();
}
