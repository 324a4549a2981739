// Labels: what a person says that a part truly is.

import { call } from "./api.js";
import { recall, remember } from "./storage.js";

const RECENT_CLASSES = 8;
const COUNTED_PAGE = 1000;
const COUNTED_PAGES = 10;

/**
 * The labels of verdicts.
 * @param {number[]} sequences at most 1000
 * @returns {Promise<Map<number, Object>|null>} by sequence; null if the daemon does not keep labels
 */
export async function listLabels(sequences) {
  if (sequences.length === 0) return new Map();
  try {
    const { labels } = await call("InspectionService", "ListLabels", { sequences });
    return new Map(labels.map((label) => [label.sequence, label]));
  } catch (error) {
    if (keepsNone(error)) return null;
    throw error;
  }
}

const keepsNone = (error) => ["UNIMPLEMENTED", "FAILED_PRECONDITION"].includes(error.code) || error.status === 404;

/**
 * Counts the labels of all verdicts, up to 10000.
 * @returns {Promise<{good: number, defective: number, outlined: number, unsure: number, complete: boolean}|null>} `outlined`:
 *   the defective ones with outlines; null if the daemon does not keep labels
 */
export async function countLabels() {
  const counts = { good: 0, defective: 0, outlined: 0, unsure: 0, complete: false };
  let token = "";
  try {
    for (let page = 0; page < COUNTED_PAGES && !counts.complete; page++) {
      const { labels, next_page_token: next } = await call("InspectionService", "ListLabels", { page_size: COUNTED_PAGE, page_token: token });
      const count = (kind) => labels.filter((label) => label.kind === kind).length;
      counts.good += count("LABEL_KIND_GOOD");
      counts.defective += count("LABEL_KIND_DEFECTIVE");
      counts.unsure += count("LABEL_KIND_UNSURE");
      counts.outlined += labels.filter((label) => label.outlines.length > 0).length;
      counts.complete = !next;
      token = next;
    }
  } catch (error) {
    if (keepsNone(error)) return null;
    throw error;
  }
  return counts;
}

/**
 * Labels a verdict. The new label replaces all of the present one.
 * @param {number} sequence
 * @param {Object} label
 * @param {string} label.kind a LabelKind; LABEL_KIND_UNSPECIFIED removes the label
 * @param {string} [label.defectClass]
 * @param {Array<{corners: import("./polygon-geometry.js").Corner[]}>} [label.outlines]
 * @returns {Promise<Object|null>} the label; null: it was removed
 */
export async function labelVerdict(sequence, { kind, defectClass = "", outlines = [] }) {
  const { label } = await call("InspectionService", "LabelVerdict", { sequence, kind, defect_class: defectClass, outlines });
  if (defectClass) {
    remember("classes", [defectClass, ...recentClasses().filter((name) => name !== defectClass)].slice(0, RECENT_CLASSES));
  }
  return label && label.kind !== "LABEL_KIND_UNSPECIFIED" ? label : null;
}

/** The defect classes used last in this browser, newest first. @returns {string[]} */
export const recentClasses = () => recall("classes", []);
