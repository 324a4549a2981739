// The page of one recipe.

import { call } from "./api.js";
import { emptyState, errorState, h } from "./dom.js";
import { mayActAs } from "./session.js";
import { showEditor } from "./recipe-editor.js";
import { startPage } from "./shell.js";

const id = decodeURIComponent(location.pathname.split("/").pop());
const query = new URLSearchParams(location.search);
const head = () => h("div", { class: "verdict-head" }, h("h1", {}, `Recipe ${id}`), h("div", { class: "buttons" }, h("a", { href: "/recipes" }, "All recipes")));

const { main, session } = await startPage();
const edit = (recipe, start) => showEditor(main, session, id, recipe, start);
const stateOf = ({ content, recipe }) => ({ content, faults: recipe.faults });

document.title = `${id} - inspectd`;
main.replaceChildren(head(), emptyState("Loading the recipe"));
try {
  await open();
} catch (error) {
  main.replaceChildren(head(), error.code === "FAILED_PRECONDITION"
    ? emptyState("No recipes", `${error.message} See [recipes] in docs/configuration.md.`)
    : errorState("The recipe cannot be loaded", error));
}

async function open() {
  const file = await read(id);
  if (file) return edit(file.recipe, (recipe) => recipe.start(file.toml, { toml: file.toml, sha256: file.text_sha256 }, stateOf(file)));
  // The address of a recipe that is not saved yet.
  if (!query.has("new") || !mayActAs(session, "engineer")) return showMissing(id);
  const from = query.get("from");
  if (!from) return edit(null, (recipe) => recipe.startEmpty());
  const source = await read(from);
  if (!source) return showMissing(from);
  await edit(null, (recipe) => recipe.start(source.toml, { toml: "", sha256: "" }, stateOf(source)));
}

async function read(name) {
  try {
    return await call("RecipeService", "GetRecipe", { id: name });
  } catch (error) {
    if (error.code === "NOT_FOUND") return null;
    throw error;
  }
}

function showMissing(name) {
  main.replaceChildren(head(), emptyState(`The recipe ${name} does not exist`, "It may have been deleted."));
}
