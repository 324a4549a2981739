// The table of recipes.

import { h } from "./dom.js";
import { mayActAs } from "./session.js";
import { stateBadges } from "./recipe-state.js";

const COLUMNS = ["Recipe", "Product", "Version", "Model bundle", "Regions", "State"];

/**
 * Creates the table.
 * @param {Object} session
 * @param {function("prepare"|"activate"|"delete", string): void} act receives the action and the id
 * @returns {{element: HTMLElement, show: function(Object[], string, {id: string, text: string}): void}} `show` takes the
 *   recipes, the id of the active one, and what is being done with one of them
 */
export function recipeTable(session, act) {
  const body = h("tbody", {});
  const table = h("table", { class: "recipes" },
    h("caption", { class: "only-spoken" }, "Recipes"),
    h("thead", {}, h("tr", {}, COLUMNS.map((name) => h("th", { scope: "col", class: name === "Model bundle" ? "bundle-column" : null }, name)), h("td", {}))), body);
  const element = h("div", { class: "table-scroll", tabindex: 0, role: "region", "aria-label": "Table of recipes" }, table);
  const rights = { operator: mayActAs(session, "operator"), engineer: mayActAs(session, "engineer") };

  function show(recipes, activeId, busy) {
    const focused = document.activeElement?.closest?.("tr");
    const label = focused && body.contains(focused) ? document.activeElement.textContent : "";
    // A question that is open stays.
    const asked = body.querySelector("tr:has(.confirmation)")?.dataset.id;
    body.replaceChildren(...recipes.flatMap((recipe) => rowsOf(recipe, activeId, busy, rights, act)));
    if (asked) body.querySelector(`tr[data-id="${asked}"] .delete`)?.click();
    else if (label) focusSame(body.querySelector(`tr[data-id="${focused.dataset.id}"]`), label);
  }
  return { element, show };
}

function focusSame(row, label) {
  const buttons = [...(row?.querySelectorAll("a, button:not(:disabled)") ?? [])];
  (buttons.find((button) => button.textContent === label) ?? buttons[0])?.focus();
}

function rowsOf(recipe, activeId, busy, rights, act) {
  const { id } = recipe;
  const broken = recipe.faults.length > 0;
  const isBusy = busy.id === id;
  const row = h("tr", { "data-id": id, "aria-busy": isBusy ? "true" : null },
    h("th", { scope: "row" }, h("a", { href: `/recipes/${encodeURIComponent(id)}` }, id)),
    h("td", { class: "product" }, recipe.product || "-"),
    h("td", {}, recipe.version || "-"),
    h("td", { class: "path bundle-column" }, recipe.bundle || "-"),
    h("td", { class: "names" }, describeRegions(recipe)),
    h("td", {}, h("div", { class: "states" }, isBusy ? h("span", { role: "status" }, busy.text) : stateBadges(recipe, activeId))),
    actionCell());
  return broken ? [row, faultRow(recipe)] : [row];

  function actionCell() {
    const button = (title, name, enabled, run) => h("button", { type: "button", class: `quiet ${name}`, "aria-label": `${title} ${id}`, disabled: !enabled || Boolean(busy.id), onclick: run }, title);
    const cell = h("td", { class: "row-actions" });
    const buttons = () => [
      button("Prepare", "prepare", rights.operator && !broken && !recipe.prepared, () => act("prepare", id)),
      button("Activate", "activate", rights.operator && !broken && !recipe.active, () => act("activate", id)),
      button("Delete", "delete", rights.engineer && id !== activeId, ask),
    ];
    const ask = () => {
      const stop = () => {
        cell.replaceChildren(...buttons());
        cell.querySelector(".delete").focus();
      };
      const no = h("button", { type: "button", class: "quiet", onclick: stop }, "Cancel");
      const yes = h("button", { type: "button", class: "danger", onclick: () => act("delete", id) }, "Delete");
      cell.replaceChildren(h("div", { class: "confirmation", role: "group", "aria-label": `Delete ${id}?`, onkeydown: (event) => event.key === "Escape" && stop() },
        h("span", {}, `Delete ${id}?`), yes, no));
      no.focus();
    };
    cell.append(...buttons());
    return cell;
  }
}

function describeRegions({ regions, masks }) {
  const parts = [regions.join(", "), masks.length > 0 && `${masks.length} ${masks.length === 1 ? "mask" : "masks"}`].filter(Boolean);
  return parts.join("; ") || "-";
}

function faultRow({ id, faults }) {
  return h("tr", { class: "fault-row" }, h("td", { colspan: COLUMNS.length + 1 },
    h("ul", { "aria-label": `Errors of ${id}` }, faults.map((fault) => h("li", {}, fault)))));
}
