// The earlier texts of a recipe.

import { call } from "./api.js";
import { dateTime, shortHash } from "./format.js";
import { emptyState, errorState, h } from "./dom.js";

/**
 * Creates the list.
 * @param {Object} recipe see createDocument
 * @returns {{element: HTMLElement, load: function(): Promise<void>}}
 */
export function editionList(recipe) {
  const place = h("div", {}, h("p", { class: "soft" }, "Loading the editions"));
  const problem = h("div", {});
  const element = h("div", { class: "card" }, h("h2", {}, "Editions"), problem, place);

  async function load() {
    try {
      const { editions } = await call("RecipeService", "ListRecipeEditions", { id: recipe.id });
      place.replaceChildren(editions.length > 0 ? table(editions) : emptyState("No editions", "Each text is kept here when another one is saved in its place."));
    } catch (error) {
      place.replaceChildren(error.code === "NOT_FOUND" ? emptyState("No editions", "The recipe is not saved yet.") : errorState("The editions cannot be listed", error));
    }
  }

  function table(editions) {
    return h("table", { class: "small" },
      h("caption", { class: "only-spoken" }, "Earlier texts, newest first"),
      h("thead", {}, h("tr", {}, ["Replaced", "SHA-256 of the text"].map((name) => h("th", { scope: "col" }, name)), h("td", {}))),
      h("tbody", {}, editions.map((edition) => h("tr", {},
        h("th", { scope: "row" }, dateTime(edition.replace_time)),
        h("td", {}, h("code", { title: edition.text_sha256 }, shortHash(edition.text_sha256))),
        h("td", { class: "row-actions" }, h("button", {
          type: "button", class: "quiet", "aria-label": `Load this text, replaced at ${dateTime(edition.replace_time)}`, onclick: () => open(edition),
        }, "Load this text"))))));
  }

  async function open(edition) {
    problem.replaceChildren();
    try {
      const { toml } = await call("RecipeService", "GetRecipe", { id: recipe.id, edition: edition.edition });
      recipe.changeText(toml, "", `This is the edition that was replaced at ${dateTime(edition.replace_time)}.`);
    } catch (error) {
      problem.replaceChildren(errorState("The edition cannot be loaded", error));
    }
  }

  return { element, load };
}
