// The picture that regions are drawn over: the newest one of a camera, or a file of the user.

import { blendControl } from "./blend-control.js";
import { call, listVerdicts, pictureUrl } from "./api.js";
import { dateTime } from "./format.js";
import { h, setText } from "./dom.js";
import { hasPicture } from "./picture.js";
import { loadImage } from "./image-loader.js";

const SIDE = 1600;
const VERDICTS = 50;
const TRIES = 6;

/**
 * Creates the controls.
 * @param {Object} stage see createStage
 * @param {string} recipeId
 * @param {function(string, Object[]): void} onCamera receives the id of the chosen camera, empty for all, and all cameras
 * @returns {{element: HTMLElement, note: HTMLElement, start: function(): Promise<void>}}
 */
export function createReference(stage, recipeId, onCamera) {
  const select = h("select", { id: "reference-camera", onchange: choose });
  const newest = h("button", { type: "button", onclick: () => showNewest() }, "Newest picture");
  const file = h("input", { type: "file", accept: "image/*", class: "only-spoken", onchange: openFile });
  const open = h("label", { class: "button file" }, "Open file", file);
  const note = h("p", { class: "reference-note soft", role: "status" });
  const heat = h("div", {});
  const element = h("div", { class: "toolbar reference" },
    h("div", { class: "buttons" }, h("label", { for: "reference-camera" }, "Camera"), select, newest, open), heat);
  let cameras = [];
  let verdict = null;
  let heatOf = null;
  let share = 0;
  let fileUrl = "";
  let turn = 0;
  heat.append(blendControl("recipe-blend", 0, blend));

  async function start() {
    try {
      cameras = (await call("LineService", "ListCameras")).cameras;
    } catch (error) {
      setText(note, `The cameras cannot be listed: ${error.message}`);
    }
    select.replaceChildren(h("option", { value: "" }, "all"), ...cameras.map(({ id }) => h("option", { value: id }, id)));
    select.value = cameras[0]?.id ?? "";
    choose();
  }

  function choose() {
    onCamera(select.value, cameras);
    // A file stays until another picture is asked for.
    if (!fileUrl) showNewest();
  }

  async function showNewest() {
    const own = ++turn;
    const camera = select.value;
    stage.showPicture(null, shapeOf(camera), "Loading the newest picture");
    setText(note, "");
    let problem = "";
    const found = await find(camera).catch((error) => {
      problem = error.code === "FAILED_PRECONDITION" ? "Verdicts are not stored, so there are no pictures of them." : error.message;
      return null;
    });
    if (own !== turn) return;
    forgetFile();
    verdict = found?.verdict ?? null;
    if (found) {
      stage.showPicture(found.image, verdict.width / verdict.height);
      setText(note, describe(verdict, recipeId));
    } else {
      stage.showPicture(null, shapeOf(camera), "No picture");
      setText(note, `${problem || `No picture${camera ? ` of camera ${camera}` : ""} is kept.`} Open a file, or draw without a picture.`);
    }
    showHeat();
  }

  function shapeOf(id) {
    const camera = cameras.find((one) => one.id === id);
    return camera?.width && camera?.height ? camera.width / camera.height : 4 / 3;
  }

  async function openFile() {
    const [chosen] = file.files;
    // The same file can be chosen again.
    file.value = "";
    if (!chosen) return;
    const own = ++turn;
    const url = URL.createObjectURL(chosen);
    const image = await loadImage(url).catch(() => null);
    if (!image || own !== turn) {
      URL.revokeObjectURL(url);
      if (own === turn) setText(note, `${chosen.name} cannot be read as a picture.`);
      return;
    }
    forgetFile();
    fileUrl = url;
    verdict = null;
    image.alt = chosen.name;
    stage.showPicture(image, image.naturalWidth / image.naturalHeight);
    setText(note, `${chosen.name}, ${image.naturalWidth} x ${image.naturalHeight} px. It must show the frame after rotation and crop.`);
    showHeat();
  }

  function forgetFile() {
    if (fileUrl) URL.revokeObjectURL(fileUrl);
    fileUrl = "";
  }

  function blend(value) {
    share = value;
    stage.blend(value);
    showHeat();
  }

  async function showHeat() {
    heat.classList.toggle("unavailable", !verdict?.score);
    if (!verdict?.score || share === 0 || heatOf === verdict) return;
    const own = (heatOf = verdict);
    const image = await loadImage(pictureUrl(own.sequence, "heatmap", SIDE)).catch(() => null);
    if (image && own === verdict) stage.showHeat(image);
  }

  return { element, note, start };
}

// The newest frames are still in memory; of older ones, only some are kept.
async function find(camera) {
  const { verdicts } = await listVerdicts({ camera_ids: camera ? [camera] : [], page_size: VERDICTS });
  const shown = verdicts.filter(hasPicture);
  const candidates = [...new Set([...shown.slice(0, TRIES / 2), ...shown.filter((one) => one.evidence_kept)])].slice(0, TRIES);
  for (const verdict of candidates) {
    const image = await loadImage(pictureUrl(verdict.sequence, "frame", SIDE)).catch(() => null);
    if (!image) continue;
    image.alt = `Camera ${verdict.camera_id}, verdict ${verdict.sequence}`;
    return { verdict, image };
  }
  return null;
}

function describe({ sequence, capture_time: time, recipe }, recipeId) {
  const text = `Verdict ${sequence}, ${dateTime(time)}, ${recipe ? `recipe ${recipe.id} ${recipe.version}` : "no recipe"}`;
  return recipe?.id === recipeId ? text : `${text} (crop and rotation may differ)`;
}
