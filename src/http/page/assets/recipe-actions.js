// Saves, prepares and activates the recipe that is edited.

import { call } from "./api.js";
import { countOf } from "./recipe-faults.js";
import { errorState, h, setText } from "./dom.js";
import { mayActAs } from "./session.js";

/**
 * Creates the buttons and the place for their results.
 * @param {Object} recipe see createDocument
 * @param {Object} session
 * @param {function(Object): void} onRecipe receives the Recipe after a change
 * @returns {{buttons: HTMLElement[], result: HTMLElement, save: function(): void, show: function(Object|null): void}}
 */
export function recipeActions(recipe, session, onRecipe) {
  const engineer = mayActAs(session, "engineer");
  const operator = mayActAs(session, "operator");
  const result = h("div", { class: "action-result", role: "status" });
  const prepareButton = h("button", { type: "button", onclick: () => act("Preparing", "The recipe is not prepared", prepare) }, "Prepare");
  const activateButton = h("button", { type: "button", onclick: () => act("Activating", "The recipe is not active", saveAndActivate) }, "Save and activate");
  const saveButton = h("button", { type: "button", class: "main", onclick: save }, "Save");
  let busy = false;
  let info = null;

  async function act(doing, failed, action) {
    if (busy) return;
    busy = true;
    show(info);
    say(`${doing} ...`);
    try {
      say(await action());
    } catch (error) {
      if (error.code === "ABORTED") showConflict();
      else result.replaceChildren(errorState(failed, error));
    } finally {
      busy = false;
      show(info);
    }
  }

  const say = (text) => result.replaceChildren(...(text ? [h("p", {}, text)] : []));

  function save() {
    if (!saveButton.disabled) act("Saving", "The recipe was not saved", async () => (await write()) || "Saved. What is active does not change until the recipe is activated.");
  }

  // Returns why the text was not saved.
  async function write() {
    await recipe.settle();
    const { toml, faults } = recipe.now();
    if (faults.length > 0) return `Not saved: ${countOf(faults)}.`;
    const answer = await call("RecipeService", "SaveRecipe", { id: recipe.id, toml, expected_text_sha256: recipe.savedHash() });
    recipe.setSaved({ toml, sha256: answer.text_sha256 });
    onRecipe(answer.recipe);
    return "";
  }

  async function saveAndActivate() {
    if (recipe.isDirty()) {
      const reason = await write();
      if (reason) return reason;
    }
    say("Activating ...");
    const answer = await call("RecipeService", "ActivateRecipe", { id: recipe.id });
    onRecipe(answer.recipe);
    return "Active for all frames from now on.";
  }

  async function prepare() {
    const answer = await call("RecipeService", "PrepareRecipe", { id: recipe.id });
    onRecipe(answer.recipe);
    return "Prepared.";
  }

  // What is saved now; another client may have deleted it.
  async function readSaved() {
    const file = await call("RecipeService", "GetRecipe", { id: recipe.id }).catch((error) => {
      if (error.code !== "NOT_FOUND") throw error;
      return { toml: "", text_sha256: "", recipe: null };
    });
    recipe.setSaved({ toml: file.toml, sha256: file.text_sha256 });
    onRecipe(file.recipe);
    return file.toml;
  }

  async function loadSaved() {
    recipe.changeText(await readSaved(), "", "This is the text that another client saved. Undo brings yours back.");
    return "";
  }

  async function overwrite() {
    await readSaved();
    return (await write()) || "Saved. The other text is kept as an edition.";
  }

  function showConflict() {
    result.replaceChildren(h("div", { class: "empty error conflict", role: "alert" },
      h("p", { class: "empty-title" }, "Not saved: another client has changed this recipe since it was opened."),
      h("div", { class: "buttons" },
        h("button", { type: "button", onclick: () => act("Loading", "The saved text cannot be loaded", loadSaved) }, "Load the saved text"),
        h("button", { type: "button", onclick: () => act("Saving", "The recipe was not saved", overwrite) }, "Save mine in its place"))));
  }

  /** @param {Object|null} next the Recipe as saved; null: it is not saved */
  function show(next) {
    info = next;
    const dirty = recipe.isDirty();
    const usable = recipe.now().faults.length === 0 && !recipe.now().broken;
    saveButton.disabled = busy || !engineer || !dirty || !usable;
    setText(activateButton, dirty ? "Save and activate" : "Activate");
    activateButton.disabled = busy || !usable || (dirty ? !engineer : !operator || Boolean(info?.active));
    prepareButton.disabled = busy || !operator || dirty || !usable || Boolean(info?.prepared);
    prepareButton.title = dirty ? "Save first: the saved text is prepared." : "";
  }

  return { buttons: [prepareButton, activateButton, saveButton], result, save, show };
}
