// Rejects by region and by branch, labels by class, and the review of verdicts by people.

import { barTable } from "./report-bar-table.js";
import { h } from "./dom.js";
import { number, percent, plain } from "./format.js";
import { section, smallTable } from "./fact-list.js";
import { unset } from "./unset.js";
import { writeFilter } from "./filter.js";

const NO_FILTER = { cameras: [], decisions: [], part: "", from: "", to: "", minScore: "", recipe: "" };
const NONE_REVIEWED = {
  rejected_good: 0, rejected_defective: 0, passed_defective: 0, passed_good: 0, unsure: 0, rejected_unlabelled: 0,
  review_labelled: 0, review_unlabelled: 0,
};
const none = (text) => h("p", { class: "soft" }, text);

/** Rejected frames by the region that decided. @param {Object} report @returns {HTMLElement} */
export function regionSection({ regions, from_time: from, to_time: to }) {
  const link = ({ camera_id: camera, region }) => {
    const name = `${camera || "images of clients"}: ${region || "rest of the frame"}`;
    const filter = { ...NO_FILTER, cameras: [camera], decisions: ["REJECT"], from, to };
    return camera ? h("a", { href: `/verdicts${writeFilter(filter)}` }, name) : name;
  };
  return section("Rejects by region", regions.length > 0
    ? barTable("Rejected frames by region", "Camera and region", regions.map((cause) => ({ name: link(cause), count: cause.count })), "reject")
    : none("No rejected frame."));
}

/** Rejected frames by the branch of the model. @param {Object} report @returns {HTMLElement} */
export function branchSection({ branches }) {
  const name = ({ kind }) => (kind === "ANOMALY_KIND_UNSPECIFIED" ? "no score" : plain(kind, "ANOMALY_KIND_"));
  return section("Rejects by branch", branches.length > 0
    ? barTable("Rejected frames by branch", "Branch", branches.map((branch) => ({ name: name(branch), count: branch.count })), "reject")
    : none("No rejected frame."));
}

/** Labels by class of defect. @param {Object} report @returns {HTMLElement} */
export function classSection({ classes }) {
  return section("Labels by class of defect", classes.length > 0
    ? barTable("Verdicts labelled defective, by class", "Class", classes.map((one) => ({ name: one.defect_class || "defective, without a class", count: one.count })), "reject")
    : none("No verdict is labelled defective."));
}

/** What people said about the verdicts. @param {Object} report @returns {HTMLElement} */
export function reviewSection(report) {
  const reviewed = { ...NONE_REVIEWED, ...report.reviewed };
  const cell = (count, word) => h("span", {}, number(count), word && h("span", { class: "tag" }, word));
  const notCounted = unset("Not counted");
  const rejected = reviewed.rejected_good + reviewed.rejected_defective;
  const passed = reviewed.passed_good + reviewed.passed_defective;
  const share = (count, all) => (all > 0 ? ` (${percent(count / all, 1)})` : "");
  const rows = [
    ["REJECT", cell(reviewed.rejected_good, "false reject"), number(reviewed.rejected_defective), number(reviewed.rejected_unlabelled)],
    ["PASS", number(reviewed.passed_good), cell(reviewed.passed_defective, "miss"), notCounted],
  ];
  return section("Review by people",
    smallTable("Frames by decision and label", ["Frames", "Labelled good", "Labelled defective", "Without label"], rows),
    h("p", { class: "soft" }, [
      `False rejects: ${number(reviewed.rejected_good)} of ${number(rejected)} labelled rejects${share(reviewed.rejected_good, rejected)}. `,
      `Misses: ${number(reviewed.passed_defective)} of ${number(passed)} labelled PASS${share(reviewed.passed_defective, passed)}. `,
      `REVIEW: ${number(reviewed.review_labelled)} labelled, ${number(reviewed.review_unlabelled)} without label. `,
      `Unsure: ${number(reviewed.unsure)}.`,
    ]));
}
