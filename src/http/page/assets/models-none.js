// What the page shows if no shadow is configured: how one is.

import { copyBlock } from "./copy-block.js";
import { h } from "./dom.js";
import { section } from "./fact-list.js";

const BUNDLE = `[shadow]
bundle = "/var/lib/inspectd/models/next"   # folder of a model bundle`;

const RECIPE = `[shadow]
recipe = "next"   # id of a recipe in recipes.folder`;

/** Creates the card. @returns {HTMLElement} */
export function noShadowCard() {
  const lines = (label, text) => {
    const block = copyBlock(label);
    block.show(text);
    return block.element;
  };
  return section("Shadow",
    h("p", { class: "empty-title" }, "No shadow is configured"),
    h("p", {}, "A shadow is another model or recipe that judges frames of the line, without effect on it. This page then lists the verdicts that it decides otherwise. ",
      "Add one of these to the configuration and reload it:"),
    h("div", { class: "shadow-columns" },
      h("div", {}, h("h3", {}, "A model"), lines("Lines for a model", BUNDLE), h("p", { class: "hint" }, "The active areas and thresholds apply to it.")),
      h("div", {}, h("h3", {}, "A recipe"), lines("Lines for a recipe", RECIPE), h("p", { class: "hint" }, "Its own model, areas and thresholds apply."))));
}
