// The last installation of a model, how it is undone, and how one is made.

import { call } from "./api.js";
import { confirmButton } from "./confirm-button.js";
import { copyBlock } from "./copy-block.js";
import { dateTime } from "./format.js";
import { emptyState, errorState, h, replaceIfChanged } from "./dom.js";
import { factList, section } from "./fact-list.js";
import { fileOf } from "./tuning-text.js";
import { modelName, modelText } from "./model-name.js";

const NONE = "No model was installed, or the last installation was undone.";
const COMMAND = "inspectctl model install BUNDLE";

/**
 * Creates the card.
 * @param {boolean} permitted whether the person may undo an installation
 * @param {function(): Promise<void>} onChange called after an installation was undone
 * @returns {{element: HTMLElement, load: function(): Promise<void>}} `load` does not fail
 */
export function installationCard(permitted, onChange) {
  const place = h("div", {}, emptyState("Loading the last installation"));
  const result = h("div", { class: "action-result", role: "status" });
  const undo = confirmButton({ title: "Undo", spoken: "Undo the last installation", question: () => `Activate ${modelText(last.previous)} again?`, run });
  const undoRow = h("div", { class: "buttons", hidden: true }, undo.element,
    !permitted && h("span", { class: "hint" }, "To undo an installation, the role engineer is required."));
  const command = copyBlock("Command that installs a model");
  command.show(COMMAND);
  const element = section("Last installation", place, undoRow, result,
    h("h3", {}, "Install a model"), command.element,
    h("p", { class: "hint" }, "BUNDLE is the folder of a model bundle. The daemon verifies it, judges the pictures of the challenge by it and by the active model, ",
      "and activates it if it passes. The line continues meanwhile."));
  /** @type {Object|null} an Installation */
  let last = null;
  let loaded = false;
  undo.enable(permitted);

  async function load() {
    try {
      const answer = await call("ModelService", "GetInstallation");
      last = answer.installation ?? null;
      loaded = true;
      undoRow.hidden = last === null;
      replaceIfChanged(place, JSON.stringify(last), () => (last ? factList(factsOf(last)) : h("p", { class: "soft" }, NONE)));
    } catch (error) {
      // What was loaded before stays: the banner says that the page is old.
      if (!loaded) replaceIfChanged(place, `error ${error.message}`, () => errorState("The last installation cannot be loaded", error));
    }
  }

  async function run() {
    result.replaceChildren();
    try {
      const { undone } = await call("ModelService", "UndoInstallation", { model_sha256: last.model.sha256 });
      const text = `The installation of ${modelText(undone.model)} is undone: ${modelText(undone.previous)} is active again.`;
      result.replaceChildren(h("p", {}, `${text} Changed back in ${fileOf(undone)}.`));
    } catch (error) {
      result.replaceChildren(errorState("The installation was not undone", error));
    }
    await onChange();
  }

  return { element, load };
}

function factsOf({ time, model, previous, by, folder, ...place }) {
  return [
    ["Model", model && modelName(model)],
    ["Before", previous && modelName(previous)],
    ["Installed", `${dateTime(time)}${by ? ` by ${by}` : ""}`],
    ["Changed in", fileOf(place)],
    ["Folder", folder && h("code", {}, folder)],
  ];
}
