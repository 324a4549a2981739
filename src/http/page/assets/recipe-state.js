// The state of a recipe as word, shape and colour, and which role a change requires.

import { h, svg } from "./dom.js";
import { mayActAs } from "./session.js";
import { shape } from "./shapes.js";

const preparedShape = () => svg("svg", { class: "shape", viewBox: "0 0 24 24", "aria-hidden": "true" },
  svg("path", { class: "shape-body", d: "M3 3h18v18H3z" }), svg("path", { class: "shape-mark", d: "M7 12.5l3.5 3.5L17 9" }));

const badge = (word, kind, mark = shape(kind), title = null) => h("span", { class: `badge ${kind}`, title }, mark, h("span", { class: "word" }, word));

/**
 * The state of a recipe.
 * @param {Object} recipe
 * @param {string} activeId the id of the active recipe
 * @returns {HTMLElement[]}
 */
export function stateBadges(recipe, activeId) {
  const changed = recipe.id === activeId && !recipe.active;
  const badges = [
    recipe.faults.length > 0 && badge("HAS ERRORS", "reject"),
    recipe.active && badge("ACTIVE", "pass"),
    changed && badge("ACTIVE, CHANGED", "review", undefined, "The file was changed since the recipe was activated. The content that was activated stays active."),
  ].filter(Boolean);
  if (badges.length > 0) return badges;
  return [recipe.prepared ? badge("PREPARED", "idle", preparedShape()) : badge("NOT PREPARED", "idle")];
}

/** The number of errors, as a button. @param {string} text @param {function(): void} onOpen @returns {HTMLElement} */
export const errorButton = (text, onOpen) => h("button", { type: "button", class: "error-button", onclick: onOpen }, badge(text, "reject"));

/** The mark of a text that is not saved. @returns {HTMLElement} */
export const unsavedBadge = () => badge("UNSAVED CHANGES", "review");

/**
 * Which role is missing for which change.
 * @param {Object} session
 * @param {string} operating what an operator may do
 * @param {string} editing what an engineer may do
 * @returns {HTMLElement|null} null: none is missing
 */
export function roleNote(session, operating, editing) {
  const texts = [
    !mayActAs(session, "operator") && `${operating} requires the role operator.`,
    !mayActAs(session, "engineer") && `${editing} requires the role engineer.`,
  ].filter(Boolean);
  return texts.length > 0 ? h("p", { class: "role-note soft" }, texts.join(" ")) : null;
}
