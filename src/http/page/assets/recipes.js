// The page with the list of recipes.

import { call } from "./api.js";
import { emptyState, errorState, h, setText } from "./dom.js";
import { mayActAs } from "./session.js";
import { newRecipeForm } from "./recipes-new.js";
import { onLive } from "./live.js";
import { recipeTable } from "./recipes-table.js";
import { roleNote } from "./recipe-state.js";
import { startPage } from "./shell.js";

const ACTIONS = {
  prepare: { method: "PrepareRecipe", doing: "Preparing ...", failed: "was not prepared", done: "is prepared." },
  activate: { method: "ActivateRecipe", doing: "Activating ...", failed: "was not activated", done: "is active for all frames from now on." },
  delete: { method: "DeleteRecipe", doing: "Deleting ...", failed: "was not deleted", done: "is deleted. Its editions are kept." },
};

const { main, session } = await startPage();

let list = null;
let busy = { id: "", text: "" };

const table = recipeTable(session, act);
const form = newRecipeForm();
const active = h("p", { class: "active-recipe" });
const rollBack = h("button", { type: "button", disabled: true, title: "Activates the recipe that was active before" , onclick: goBack }, "Roll back");
const message = h("div", {}, emptyState("Loading the recipes"));
const result = h("div", { class: "action-result", role: "status" });
const note = roleNote(session, "Preparing, activating and rolling back", "Saving and deleting");
form.button.disabled = !mayActAs(session, "engineer");
table.element.hidden = true;
main.replaceChildren(
  h("div", { class: "verdict-head" }, h("h1", {}, "Recipes"), active, h("div", { class: "buttons" }, rollBack, form.button)),
  ...(note ? [note] : []), form.element, result, message, table.element);

async function load() {
  try {
    list = await call("RecipeService", "ListRecipes");
    show();
  } catch (error) {
    table.element.hidden = true;
    form.button.disabled = true;
    message.replaceChildren(error.code === "FAILED_PRECONDITION"
      ? emptyState("No recipes", `${error.message} See [recipes] in docs/configuration.md.`)
      : errorState("The recipes cannot be loaded", error));
  }
}

function show() {
  const { recipes, active_id: activeId } = list;
  const isEmpty = recipes.length === 0;
  setText(active, activeId ? `Active: ${activeId}` : "No recipe is active: the configuration applies.");
  table.element.hidden = isEmpty;
  message.replaceChildren(...(isEmpty ? [emptyState("No recipes yet", "A recipe says how one product is inspected.")] : []));
  rollBack.disabled = Boolean(busy.id) || !mayActAs(session, "operator");
  form.show(recipes.map((recipe) => recipe.id));
  table.show(recipes, activeId, busy);
}

async function act(action, id) {
  const { method, doing, failed, done } = ACTIONS[action];
  await run({ id, text: doing }, () => call("RecipeService", method, { id }), `The recipe ${id} ${failed}`, () => `The recipe ${id} ${done}`);
}

async function goBack() {
  await run({ id: "-", text: "" }, () => call("RecipeService", "RollBackRecipe"), "The recipe was not rolled back",
    ({ recipe }) => (recipe ? `The recipe ${recipe.id} is active again.` : "No recipe is active again: the configuration applies."));
}

async function run(what, action, failed, done) {
  busy = what;
  show();
  result.replaceChildren();
  try {
    result.replaceChildren(h("p", {}, done(await action())));
  } catch (error) {
    result.replaceChildren(errorState(failed, error));
  }
  busy = { id: "", text: "" };
  await load();
}

// Another client can activate a recipe.
let shownActive = null;
onLive("status", ({ recipe }) => {
  const now = recipe ? `${recipe.id} ${recipe.sha256}` : "";
  if (shownActive !== null && now !== shownActive && !busy.id) load();
  shownActive = now;
});

load();
