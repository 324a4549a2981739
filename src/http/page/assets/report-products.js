// A report by camera and group, by recipe and by model, and its latencies.

import { COUNT_COLUMNS, countCells, shareOfPass } from "./report-counts.js";
import { h } from "./dom.js";
import { milliseconds, ms, number, shortHash } from "./format.js";
import { modelVersion } from "./model-name.js";
import { section, smallTable } from "./fact-list.js";
import { wideTable } from "./wide-table.js";

const none = () => h("p", { class: "soft" }, "No parts.");
const tag = (text) => h("span", { class: "tag" }, text);
const hash = (text) => h("code", { title: text }, shortHash(text));

/** Parts by camera and group. @param {Object} report @returns {HTMLElement} */
export function sourceSection({ sources }) {
  return section("Parts by camera and group", sources.length > 0
    ? wideTable("Table: parts by camera and group", smallTable("Parts by camera and group", ["Camera or group", "Yield", ...COUNT_COLUMNS],
      sources.map((source) => [h("span", {}, source.id, source.group && tag("group")), shareOfPass(source.yield), ...countCells(source.parts)])))
    : none());
}

/** Parts by recipe, and by model. @param {Object} report @returns {HTMLElement[]} */
export function productSections({ recipes, models }) {
  const recipeName = ({ recipe }) => (recipe?.id ? h("span", {}, `${recipe.id} ${recipe.version} `, hash(recipe.sha256)) : "no recipe");
  const modelName = ({ model }) => (model ? h("span", {}, `${model.name} ${modelVersion(model)} `, hash(model.sha256)) : "no model");
  const rows = (list, name) => list.map((one) => [name(one), ...countCells(one.parts)]);
  return [
    section("Recipes", recipes.length > 0 ? wideTable("Table: parts by recipe", smallTable("Parts by recipe", ["Recipe", ...COUNT_COLUMNS], rows(recipes, recipeName))) : none()),
    section("Models", models.length > 0 ? wideTable("Table: parts by model", smallTable("Parts by model", ["Model", ...COUNT_COLUMNS], rows(models, modelName))) : none()),
  ];
}

/** Latencies from capture to verdict. @param {Object} report @returns {HTMLElement} */
export function latencySection({ latency, stages }) {
  if (!latency?.count) return section("Latency", h("p", { class: "soft" }, "No judged frame."));
  const time = (duration) => ms(milliseconds(duration));
  const row = (name, one) => [name, number(one.count), time(one.p50), time(one.p95), time(one.p99), time(one.highest)];
  return section("Latency",
    wideTable("Table: latency of judged frames", smallTable("Latency of judged frames", ["Stage", "Frames", "p50", "p95", "p99", "Highest"],
      [row("Capture to verdict", latency), ...stages.filter((one) => one.latency).map((one) => row(one.stage, one.latency))])),
    h("p", { class: "hint" }, "p95: 95 % of the frames took at most this long."));
}
