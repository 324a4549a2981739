// The active model, the engine that runs it, and the result of the challenge.

import { challengeBadge } from "./shapes.js";
import { dateTime, number } from "./format.js";
import { emptyState, h, replaceIfChanged } from "./dom.js";
import { factList, section } from "./fact-list.js";
import { modelName, modelText, recipeName } from "./model-name.js";

/** Creates the card. @returns {{element: HTMLElement, show: function(Object): void}} `show` takes a Status */
export function activeModelCard() {
  const place = h("div", {}, emptyState("Waiting for the state of the line"));
  const element = section("Active model", place);

  function show({ model, recipe, engine, challenge }) {
    replaceIfChanged(place, JSON.stringify([model, recipe, engine, challenge]), () => [
      factList([
        ["Model", model ? modelName(model) : "none"],
        ["Recipe", recipe ? recipeName(recipe) : "none: the configuration applies"],
        ...engineFacts(engine),
        ["Challenge", challenge ? challengeText(challenge, model) : "no result: none is configured, or it has not ended yet"],
      ]),
      failureList(challenge),
    ].filter(Boolean));
  }

  return { element, show };
}

function engineFacts(engine) {
  if (!engine) return [];
  return [
    ["Provider", engine.provider],
    ["Fallback", engine.fallback_reason && `${engine.requested_provider} is not in use: ${engine.fallback_reason}`],
    ["ONNX Runtime", engine.runtime_version],
    ["Failed runs", number(engine.failures)],
  ];
}

function challengeText(result, model) {
  const other = result.model && model && result.model.sha256 !== model.sha256;
  const counts = `${number(result.false_rejects)} of ${number(result.good)} good parts REJECT, ${number(result.misses)} of ${number(result.defective)} defective parts PASS`;
  return h("span", { class: "challenge" }, challengeBadge(result), h("span", {}, result.error || counts),
    h("span", { class: "soft" }, dateTime(result.time)),
    other && h("span", {}, `This was the model ${modelText(result.model)}.`));
}

function failureList(challenge) {
  if (!challenge?.failures?.length) return null;
  return h("details", {}, h("summary", {}, `Pictures that were judged wrongly: ${challenge.failures.length}`),
    h("ul", { class: "failures" }, challenge.failures.map((failure) => h("li", {}, failure))));
}
