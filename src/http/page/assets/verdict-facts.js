// All facts of a verdict that have no section of their own.

import { dateTime, number, shortHash } from "./format.js";
import { factList, section } from "./fact-list.js";
import { h } from "./dom.js";
import { modelVersion } from "./model-name.js";

const hash = (text) => text && h("code", { title: text }, shortHash(text));

/** Creates the section. @param {Object} verdict @returns {HTMLElement} */
export function factSection(verdict) {
  const { recipe, model } = verdict;
  return section("Facts", factList([
    ["Captured", dateTime(verdict.capture_time, true)],
    ["Recorded", dateTime(verdict.record_time, true)],
    ["Camera", verdict.camera_id],
    ["Group", verdict.group_id],
    ["Frame", verdict.frame_id > 0 && number(verdict.frame_id)],
    ["Size", verdict.width > 0 && `${verdict.width} x ${verdict.height} px`],
    ["Source item", verdict.source_item],
    ["Simulated", verdict.simulated && "yes"],
    ["Truth of the simulator", verdict.truth],
    ["Part", verdict.part_id],
    ["Trigger", verdict.trigger_id && h("code", {}, verdict.trigger_id)],
    ["Recipe", recipe ? h("span", {}, `${recipe.id} ${recipe.version} `, hash(recipe.sha256)) : "none"],
    ["Model", model && h("span", {}, `${model.name} ${modelVersion(model)} `, hash(model.sha256))],
    ["Provider", verdict.provider],
    ["Configuration", hash(verdict.config_hash)],
    ["Run", h("code", { title: verdict.run_id }, shortHash(verdict.run_id))],
    ["Evidence files", verdict.evidence_kept && "to be kept"],
    ["Unconfirmed", verdict.unconfirmed && "A client may have received this verdict as a FAULT, or not at all."],
  ]));
}
