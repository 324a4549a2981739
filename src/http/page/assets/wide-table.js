// A table that scrolls sideways where the page is narrow, with the keyboard too.

import { h } from "./dom.js";

/** Wraps a table. @param {string} label @param {HTMLElement} table @returns {HTMLElement} */
export const wideTable = (label, table) => h("div", { class: "wide-table", tabindex: 0, role: "region", "aria-label": label }, table);
