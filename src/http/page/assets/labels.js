// Labels: what a person says that a part truly is.

import { call } from "./api.js";
import { recall, remember } from "./storage.js";

const RECENT_CLASSES = 8;

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
    if (["UNIMPLEMENTED", "FAILED_PRECONDITION"].includes(error.code) || error.status === 404) return null;
    throw error;
  }
}

/**
 * Labels a verdict.
 * @param {number} sequence
 * @param {string} kind a LabelKind; LABEL_KIND_UNSPECIFIED removes the label
 * @param {string} [defectClass]
 * @returns {Promise<Object|null>} the label; null: it was removed
 */
export async function labelVerdict(sequence, kind, defectClass = "") {
  const { label } = await call("InspectionService", "LabelVerdict", { sequence, kind, defect_class: defectClass });
  if (defectClass) {
    remember("classes", [defectClass, ...recentClasses().filter((name) => name !== defectClass)].slice(0, RECENT_CLASSES));
  }
  return label && label.kind !== "LABEL_KIND_UNSPECIFIED" ? label : null;
}

/** The defect classes used last in this browser, newest first. @returns {string[]} */
export const recentClasses = () => recall("classes", []);
