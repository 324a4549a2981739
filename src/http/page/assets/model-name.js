// Models and recipes by name, version and hash.

import { h } from "./dom.js";
import { shortHash } from "./format.js";

const named = (name, version, sha256) => h("span", {}, `${name} ${version} `, h("code", { title: sha256 }, shortHash(sha256)));

/** Version of a model, and its precision unless it is f32. @param {Object} model @returns {string} */
export const modelVersion = ({ version, precision }) => (precision && precision !== "f32" ? `${version} ${precision}` : version);

/** A model. @param {Object} model @returns {HTMLElement} */
export const modelName = (model) => named(model.name, modelVersion(model), model.sha256);

/** A recipe. @param {Object} recipe a RecipeTag @returns {HTMLElement} */
export const recipeName = (recipe) => named(recipe.id, recipe.version, recipe.sha256);

/** A model in a sentence. @param {Object|null|undefined} model @returns {string} */
export const modelText = (model) => (model ? `${model.name} ${modelVersion(model)}` : "no model");
