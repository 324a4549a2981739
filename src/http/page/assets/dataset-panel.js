// The panel that exports the labelled verdicts of a camera as a dataset.

import { call } from "./api.js";
import { copyBlock } from "./copy-block.js";
import { countLabels } from "./labels.js";
import { h, set, setText } from "./dom.js";
import { number } from "./format.js";

/**
 * Creates the panel, closed at first, and the button that opens it.
 * @param {function(): import("./filter.js").Filter} getFilter what the table shows: the first choice of camera and recipe
 * @returns {{button: HTMLElement, element: HTMLElement}}
 */
export function datasetPanel(getFilter) {
  const button = h("button", { type: "button", "aria-expanded": "false", "aria-controls": "dataset-panel", onclick: toggle }, "Export dataset");
  const camera = select("Camera", "dataset-camera", showAddress);
  const recipe = select("Recipe", "dataset-recipe", showAddress);
  const problem = h("p", { class: "hint", role: "status" });
  const counts = h("p", { role: "status" });
  const download = h("a", { class: "button main", download: true });
  const command = copyBlock("Command that exports the dataset");
  const element = h("section", { class: "card dataset-panel", id: "dataset-panel", "aria-labelledby": "dataset-title", hidden: true, onkeydown: (event) => event.key === "Escape" && close() },
    h("div", { class: "toolbar" }, h("h2", { id: "dataset-title" }, "Export dataset"), h("button", { type: "button", class: "quiet", onclick: close }, "Close")),
    h("p", {}, "All verdicts of a camera that are labelled truly good or truly defective, as pictures in the layout of MVTec AD, with masks where outlines were drawn. Verdicts labelled unsure are left out, and verdicts whose picture is no longer kept."),
    h("div", { class: "fields" }, camera.label, recipe.label, download),
    problem, counts,
    h("div", { class: "dataset-command" },
      h("p", {}, "The equivalent command. Repeated with the same folder, it fetches only what is new:"), command.element),
    h("p", {}, "The trainer takes this folder, or the unpacked archive, as it is: ", h("code", {}, "mhkd fit FOLDER --out BUNDLE"), " or ", h("code", {}, "mhkd train --dataset FOLDER --out RUN"), "."));
  let hasLabels = true;

  function toggle() {
    if (element.hidden) open();
    else close();
  }

  function open() {
    element.hidden = false;
    button.setAttribute("aria-expanded", "true");
    showChoices([], []);
    camera.field.focus();
    loadChoices();
    loadCounts();
  }

  function close() {
    element.hidden = true;
    button.setAttribute("aria-expanded", "false");
    button.focus();
  }

  async function loadChoices() {
    const [cameras, recipes] = await Promise.allSettled([call("LineService", "ListCameras"), call("RecipeService", "ListRecipes")]);
    setText(problem, cameras.status === "rejected" ? `The cameras cannot be listed: ${cameras.reason.message}` : "");
    const idsOf = (list) => (list ?? []).map(({ id }) => id);
    showChoices(idsOf(cameras.value?.cameras), idsOf(recipes.value?.recipes));
  }

  // Cameras and recipes of old verdicts may have been removed: the filters can name them.
  function showChoices(cameras, recipes) {
    const filter = getFilter();
    const first = filter.cameras.length === 1 ? filter.cameras[0] : cameras.length === 1 ? cameras[0] : "";
    camera.show("Choose a camera", [...cameras, ...filter.cameras], first);
    recipe.show("all", [...recipes, filter.recipe].filter(Boolean), filter.recipe);
    showAddress();
  }

  async function loadCounts() {
    setText(counts, "Counting the labels");
    let found = null;
    try {
      found = await countLabels();
      setText(counts, found ? describe(found) : "Verdicts are not stored, so there are no labels. See [journal] in docs/configuration.md.");
    } catch (error) {
      setText(counts, `The labels cannot be counted: ${error.message}`);
      // The export does not need the numbers.
      hasLabels = true;
      return;
    }
    hasLabels = found !== null && (!found.complete || found.good + found.defective > 0);
    showAddress();
  }

  function showAddress() {
    const [id, recipeId] = [camera.field.value, recipe.field.value];
    const query = new URLSearchParams({ camera: id, ...(recipeId && { recipe: recipeId }) });
    const ready = id !== "" && hasLabels;
    set(download, ready
      ? { href: `/dataset.tar?${query}`, role: false, "aria-disabled": false }
      : { href: false, role: "link", "aria-disabled": "true" });
    setText(download, id ? `Download dataset-${id}.tar` : "Download");
    command.show(`inspectctl dataset export FOLDER --camera ${id || "ID"}${recipeId ? ` --recipe ${recipeId}` : ""}`);
  }

  return { button, element };
}

function select(title, id, onchange) {
  const field = h("select", { id, onchange });
  let wanted = null;
  function show(none, values, first) {
    // A choice of the person stays when the list is complete.
    wanted = field.value || first;
    field.replaceChildren(h("option", { value: "" }, none), ...[...new Set(values)].map((value) => h("option", { value }, value)));
    field.value = wanted;
    if (field.selectedIndex < 0) field.value = "";
  }
  return { field, label: h("label", { for: id }, title, field), show };
}

function describe({ good, defective, outlined, unsure, complete }) {
  if (good + defective + unsure === 0) return "No verdict is labelled yet. Open a verdict to label it.";
  const masks = outlined > 0 ? ` (${number(outlined)} with outlines)` : "";
  const scope = complete ? "Labels of all cameras" : "The oldest 10,000 labels of all cameras";
  return `${scope}: ${number(good)} truly good, ${number(defective)} truly defective${masks}, ${number(unsure)} unsure.`;
}
