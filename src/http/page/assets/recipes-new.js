// The form for a new recipe.

import { call } from "./api.js";
import { emptyContent } from "./recipe-content.js";
import { errorState, h } from "./dom.js";

/**
 * Creates the form.
 * @returns {{button: HTMLButtonElement, element: HTMLElement, show: function(string[]): void}} `show` takes the ids of
 *   the recipes
 */
export function newRecipeForm() {
  const field = h("input", { id: "new-id", autocomplete: "off", spellcheck: "false", maxlength: 64, "aria-describedby": "new-hint" });
  const source = h("select", { id: "new-source" });
  const problem = h("div", {});
  const element = h("form", { class: "card new-recipe", hidden: true, "aria-label": "New recipe", onsubmit: submit, onkeydown: (event) => event.key === "Escape" && close() },
    h("div", { class: "form-grid" },
      h("label", { class: "field", for: "new-id" }, h("span", {}, "Id"), field),
      h("label", { class: "field", for: "new-source" }, h("span", {}, "Copy of"), source)),
    h("p", { class: "hint", id: "new-hint" }, "The id is the name of the file: 1 to 64 characters of a-z, 0-9, - and _."),
    h("div", { class: "buttons" }, h("button", { type: "submit", class: "main" }, "Create"),
      h("button", { type: "button", class: "quiet", onclick: close }, "Cancel")),
    problem);
  const button = h("button", { type: "button", "aria-expanded": "false", onclick: () => (element.hidden ? open() : close()) }, "New recipe");
  let ids = [];

  function open() {
    element.hidden = false;
    button.setAttribute("aria-expanded", "true");
    field.focus();
  }

  function close() {
    element.hidden = true;
    button.setAttribute("aria-expanded", "false");
    problem.replaceChildren();
    button.focus();
  }

  // The daemon checks the id; the recipe is saved from its page.
  async function submit(event) {
    event.preventDefault();
    const id = field.value.trim();
    problem.replaceChildren();
    if (ids.includes(id)) return refuse(`The recipe ${id} exists.`);
    try {
      await call("RecipeService", "DraftRecipe", { id, toml: "", content: emptyContent() });
      const query = new URLSearchParams({ new: "1", ...(source.value && { from: source.value }) });
      location.assign(`/recipes/${encodeURIComponent(id)}?${query}`);
    } catch (error) {
      refuse(error);
    }
  }

  function refuse(cause) {
    problem.replaceChildren(errorState("The recipe cannot be created", cause));
    field.focus();
  }

  function show(present) {
    ids = present;
    const chosen = source.value;
    source.replaceChildren(h("option", { value: "" }, "none"), ...ids.map((id) => h("option", { value: id }, id)));
    if (ids.includes(chosen)) source.value = chosen;
  }

  return { button, element, show };
}
