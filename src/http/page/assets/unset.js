// A dash in place of a value that is not known, with the reason.

import { h } from "./dom.js";

/** Creates the dash. @param {string} reason @returns {HTMLElement} */
export const unset = (reason) => h("span", { title: reason }, h("span", { "aria-hidden": "true" }, "-"), h("span", { class: "only-spoken" }, reason));
