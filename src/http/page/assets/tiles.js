// The tiles of all cameras and groups. Cameras that do not run come first.

import { cameraTile } from "./camera-tile.js";
import { emptyState, h } from "./dom.js";
import { partTile } from "./part-tile.js";

const KEPT_VERDICTS = 64;

/**
 * Creates the place of the tiles.
 * @param {boolean} wall larger and without controls
 * @returns {{element: HTMLElement, showStatus: function(Object): void, showVerdicts: function(Object[], boolean): void,
 *   blend: function(number): void}}
 */
export function createTiles(wall) {
  const element = h("div", { class: "tiles" }, emptyState("Waiting for the state of the line"));
  const cameras = new Map();
  const groups = new Map();
  const waiting = new Map();
  const recent = new Map();
  let share = 0;
  let order = "";
  let run = null;

  function showStatus(status) {
    if (run && run !== status.run_id) forgetRun();
    run = status.run_id;
    const known = new Set(status.cameras.map((camera) => camera.id));
    for (const camera of status.cameras) {
      if (!cameras.has(camera.id)) cameras.set(camera.id, prepare(cameraTile(camera.id, wall), waiting.get(camera.id)));
      cameras.get(camera.id).showCamera(camera);
      waiting.delete(camera.id);
    }
    for (const [id, tile] of cameras) if (!known.has(id)) remove(cameras, id, tile);
    arrange(status);
  }

  function prepare(tile, verdict) {
    tile.blend(share);
    if (verdict) tile.showVerdict(verdict);
    return tile;
  }

  function remove(map, id, tile) {
    tile.end();
    map.delete(id);
  }

  function forgetRun() {
    for (const [id, tile] of groups) remove(groups, id, tile);
    for (const [id, tile] of cameras) remove(cameras, id, tile);
    recent.clear();
    waiting.clear();
  }

  function arrange(status) {
    const stopped = (camera) => camera.state !== "CAMERA_STATE_RUNNING";
    const ids = [...status.cameras.filter(stopped), ...status.cameras.filter((camera) => !stopped(camera))];
    const list = [...ids.map((camera) => cameras.get(camera.id)), ...groups.values()];
    const next = `${run} ${ids.map((camera) => camera.id)} / ${[...groups.keys()]}`;
    if (next === order) return;
    // A tile with the focus stays where it is until the focus has left.
    if (order.startsWith(`${run} `) && element.contains(document.activeElement)) return;
    order = next;
    element.style.setProperty("--columns", String(columnsFor(list.length)));
    element.style.setProperty("--rows", String(Math.ceil(list.length / columnsFor(list.length))));
    const empty = emptyState("No cameras are configured", "Add a table [cameras.ID] to the configuration. See docs/configuration.md.");
    element.replaceChildren(...(list.length ? list.map((tile) => tile.element) : [empty]));
  }

  /** `past`: the verdicts are from the journal and do not replace live ones. */
  function showVerdicts(verdicts, past = false) {
    for (const verdict of verdicts) {
      recent.set(verdict.sequence, verdict);
      if (recent.size > KEPT_VERDICTS) recent.delete(recent.keys().next().value);
    }
    for (const verdict of newestOfEach(verdicts).values()) {
      const tile = verdict.camera_id ? cameras.get(verdict.camera_id) : groupTile(verdict);
      if (!tile) {
        if (verdict.camera_id) waiting.set(verdict.camera_id, verdict);
      } else if (!tile.verdict || (!past && !isOlder(verdict, tile.verdict))) {
        tile.showVerdict(verdict);
      }
    }
  }

  function groupTile(verdict) {
    if (!verdict.group_id) return null;
    if (!groups.has(verdict.group_id)) {
      groups.set(verdict.group_id, prepare(partTile(verdict.group_id, wall, (sequence) => recent.get(sequence))));
    }
    return groups.get(verdict.group_id);
  }

  const all = () => [...cameras.values(), ...groups.values()];

  function blend(value) {
    share = value;
    all().forEach((tile) => tile.blend(value));
  }

  // Also while no data arrive.
  setInterval(() => all().forEach((tile) => tile.showAge()), 1000);

  return { element, showStatus, showVerdicts, blend };
}

function newestOfEach(verdicts) {
  const newest = new Map();
  for (const verdict of verdicts) {
    const key = `${verdict.camera_id}/${verdict.group_id}`;
    if (!newest.has(key) || !isOlder(verdict, newest.get(key))) newest.set(key, verdict);
  }
  return newest;
}

const isOlder = (a, b) => a.run_id === b.run_id && a.sequence !== 0 && a.sequence < b.sequence;

const columnsFor = (count) => (count <= 3 ? Math.max(count, 1) : Math.ceil(Math.sqrt(count)));
