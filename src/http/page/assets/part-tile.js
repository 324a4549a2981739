// The tile of a group: the newest verdict of a part, with a picture of each view.

import { createPicture } from "./picture.js";
import { decisionBadge } from "./shapes.js";
import { describeFault, term, tileParts } from "./tile-parts.js";
import { h, replaceIfChanged, setText } from "./dom.js";

/**
 * Creates the tile.
 * @param {string} id of the group
 * @param {boolean} wall larger, without links
 * @param {function(number): (Object|undefined)} find returns the verdict of a view, if this page received it
 * @returns {Object}
 */
export function partTile(id, wall, find) {
  const parts = tileParts(id, `Parts of group ${id}`);
  const part = h("strong", {}, "-");
  const place = h("div", { class: "views" });
  parts.state.append("group");
  parts.element.append(place, h("p", { class: "picture-line" }, parts.age, h("span", {}, "Part ", part)), parts.problem,
    h("dl", { class: "facts-row" }, term("Latency", parts.latency)));

  const views = new Map();
  let share = 0;
  const all = (apply) => [...views.values()].forEach(({ picture }) => apply(picture));
  const tile = {
    element: parts.element,
    showAge: parts.showAge,
    verdict: null,
    showVerdict,
    blend(value) {
      share = value;
      all((picture) => picture.blend(value));
    },
    end: () => all((picture) => picture.end()),
  };

  function showVerdict(verdict) {
    tile.verdict = verdict;
    parts.showVerdict(verdict);
    parts.showProblem(describeFault(verdict.fault));
    setText(part, verdict.part_id || "without id");
    for (const view of verdict.views) showView(view);
    for (const [camera, { link, picture }] of views) {
      if (verdict.views.some((view) => view.camera_id === camera)) continue;
      picture.end();
      link.remove();
      views.delete(camera);
    }
  }

  function showView(view) {
    if (!views.has(view.camera_id)) views.set(view.camera_id, createView(view.camera_id));
    const { picture, link, name } = views.get(view.camera_id);
    replaceIfChanged(name, view.decision, () => [decisionBadge(view.decision), h("span", { class: "soft" }, view.camera_id)]);
    if (!wall && view.sequence) link.href = `/verdicts/${view.sequence}`;
    picture.show(find(view.sequence) ?? asVerdict(view));
  }

  function createView(camera) {
    const picture = createPicture({ side: wall ? 960 : 480, label: `View of camera ${camera}` });
    const name = h("span", { class: "view-name" });
    const link = h(wall ? "div" : "a", { class: "view" }, picture.element, name);
    picture.blend(share);
    place.append(link);
    return { link, picture, name };
  }

  return tile;
}

/** A view with what a picture of its verdict needs. @param {Object} view @returns {Object} */
export function asVerdict(view) {
  const size = view.frame_id ? 1 : 0;
  return { ...view, width: size, height: size, regions: [], views: [], score: view.decision === "DECISION_FAULT" ? null : {} };
}
