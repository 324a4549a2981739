// The form that adds a camera.

import { copyBlock } from "./copy-block.js";
import { errorState, h } from "./dom.js";

const EXAMPLE = `source = "device"
device = "/dev/video0"
width = 1280
height = 720
mode = "triggered"`;

/**
 * Creates the form.
 * @param {boolean} permitted
 * @param {function(string, string): Promise<void>} add receives the id and the keys; fails if the daemon refuses
 * @returns {{button: HTMLButtonElement, element: HTMLElement}}
 */
export function addCameraForm(permitted, add) {
  const id = h("input", { id: "camera-id", autocomplete: "off", spellcheck: "false", maxlength: 64, required: true, "aria-describedby": "camera-id-hint" });
  const toml = h("textarea", { id: "camera-toml", rows: 7, spellcheck: "false", autocomplete: "off", required: true, "aria-describedby": "camera-toml-hint" });
  const submit = h("button", { type: "submit", class: "main" }, "Add camera");
  const problem = h("div", {});
  const example = copyBlock("Example of the keys");
  example.show(EXAMPLE);
  const element = h("form", { class: "card add-camera", hidden: true, "aria-label": "Add a camera", onsubmit: send, onkeydown: (event) => event.key === "Escape" && close() },
    h("label", { class: "field", for: "camera-id" }, h("span", {}, "Id"), id),
    h("p", { class: "hint", id: "camera-id-hint" }, "1 to 64 characters of a-z, 0-9, - and _."),
    h("div", { class: "add-camera-keys" },
      h("label", { class: "field", for: "camera-toml" }, h("span", {}, "Keys of the table [cameras.ID], as TOML"), toml),
      h("div", { class: "field" }, h("span", {}, "Example"), example.element)),
    h("p", { class: "hint", id: "camera-toml-hint" }, "Required: source, one of device, url, gstreamer, file, folder and simulator, and the keys of this source. See [cameras.ID] in docs/configuration.md."),
    h("div", { class: "buttons" }, submit, h("button", { type: "button", class: "quiet", onclick: close }, "Cancel")),
    problem);
  const button = h("button", { type: "button", "aria-expanded": "false", disabled: !permitted, onclick: () => (element.hidden ? open() : close()) }, "New camera");

  function open() {
    element.hidden = false;
    button.setAttribute("aria-expanded", "true");
    id.focus();
  }

  function close() {
    element.hidden = true;
    button.setAttribute("aria-expanded", "false");
    problem.replaceChildren();
    button.focus();
  }

  async function send(event) {
    event.preventDefault();
    problem.replaceChildren();
    submit.disabled = true;
    try {
      await add(id.value.trim(), toml.value);
      id.value = toml.value = "";
      close();
    } catch (error) {
      problem.replaceChildren(errorState("The camera was not added", error));
    }
    submit.disabled = false;
  }

  return { button, element };
}
