// The list of the cameras, with what adds one and removes one.

import { addCameraForm } from "./cameras-add.js";
import { call } from "./api.js";
import { cameraTable } from "./cameras-table.js";
import { copyBlock } from "./copy-block.js";
import { emptyState, errorState, h } from "./dom.js";
import { mayActAs } from "./session.js";

/**
 * Creates the list.
 * @param {Object} session
 * @returns {{element: HTMLElement, show: function(Object[]): void}}
 */
export function createCameraList(session) {
  const permitted = mayActAs(session, "engineer");
  const result = h("div", { class: "action-result", role: "status" });
  const form = addCameraForm(permitted, add);
  const table = cameraTable(permitted ? remove : null);
  const none = emptyState("No cameras are configured", "Add one here, or a table [cameras.ID] to the configuration. See docs/configuration.md.");
  const element = h("div", {},
    h("div", { class: "verdict-head" }, h("h1", {}, "Cameras"), h("div", { class: "buttons" }, form.button)),
    !permitted && h("p", { class: "role-note soft" }, "Adding and removing cameras requires the role engineer."),
    form.element, result, none, table.element);

  async function add(id, toml) {
    result.replaceChildren();
    const { file } = await call("LineService", "AddCamera", { camera_id: id, toml });
    result.replaceChildren(h("p", {}, `The camera ${id} is added to ${file}. `, h("a", { href: `/cameras?camera=${encodeURIComponent(id)}` }, "Set it up")));
  }

  async function remove(id) {
    result.replaceChildren();
    try {
      showRemoved(id, await call("LineService", "RemoveCamera", { camera_id: id }));
    } catch (error) {
      result.replaceChildren(errorState(`The camera ${id} was not removed`, error));
    }
  }

  function showRemoved(id, { file, toml }) {
    const keys = copyBlock(`Keys of the camera ${id}`);
    keys.show(toml);
    const again = h("button", { type: "button", onclick: addAgain }, "Add it again");
    result.replaceChildren(h("div", { class: "card removed-camera" },
      h("p", {}, `The camera ${id} is removed from ${file}. These were its keys:`), keys.element,
      h("div", { class: "buttons" }, again)));
    again.focus();

    async function addAgain() {
      try {
        await add(id, toml);
      } catch (error) {
        showRemoved(id, { file, toml });
        result.append(errorState(`The camera ${id} was not added`, error));
      }
    }
  }

  function show(cameras) {
    none.hidden = cameras.length > 0;
    table.element.hidden = cameras.length === 0;
    table.show(cameras);
  }

  return { element, show };
}
