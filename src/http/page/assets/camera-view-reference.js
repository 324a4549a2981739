// Saves a frame as captured, in full size: the reference image of the check for a moved view.

import { copyBlock } from "./copy-block.js";
import { errorState, h, setText } from "./dom.js";
import { section } from "./fact-list.js";

/**
 * Creates the card.
 * @param {string} id of the camera
 * @param {function(): Promise<import("./camera-view-source.js").LoadedView>} loadFull
 * @returns {HTMLElement}
 */
export function referenceCard(id, loadFull) {
  const button = h("button", { type: "button", onclick: save }, "Save picture");
  const said = h("p", { role: "status" });
  const problem = h("div", {});
  const lines = copyBlock("Lines for the configuration");
  const after = h("div", { hidden: true },
    h("p", { class: "hint" }, "Copy the file to the folder of the configuration, and add these lines. Limits: check.shift_above and check.turn_above_deg, see docs/camera-faults.md."),
    lines.element);

  async function save() {
    button.disabled = true;
    problem.replaceChildren();
    setText(said, "Waiting for the next frame");
    try {
      const { blob, view } = await loadFull();
      const name = `${id}-${view.capture_time.slice(0, 19).replaceAll(":", "-")}.jpg`;
      download(blob, name);
      setText(said, `${name}, ${view.width} x ${view.height} px`);
      lines.show(`[cameras.${id}]\nexpected_width = ${view.width}\nexpected_height = ${view.height}\ncheck.reference = "${name}"`);
      after.hidden = false;
    } catch (error) {
      setText(said, "");
      problem.replaceChildren(errorState("The picture was not saved", error));
    }
    button.disabled = false;
  }

  return section("Reference image",
    h("p", { class: "hint" }, "The daemon compares each frame with this picture to detect that the camera has moved. Save it when the view is correct: full size, before rotation and crop."),
    h("div", { class: "buttons" }, button), said, problem, after);
}

function download(blob, name) {
  const url = URL.createObjectURL(blob);
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}
