// Faults by reason, and times without verdicts.

import { barTable } from "./report-bar-table.js";
import { dateTime, milliseconds, number, plain } from "./format.js";
import { durationText } from "./duration-text.js";
import { h } from "./dom.js";
import { section, smallTable } from "./fact-list.js";

const SHOWN = 8;
const LIMIT = 100;

/** FAULT verdicts by reason. @param {Object} report @returns {HTMLElement} */
export function faultSection({ faults }) {
  const name = ({ id, reason }) => `${id || "images of clients"}: ${plain(reason, "FAULT_REASON_")}`;
  return section("Faults by reason", faults.length > 0
    ? barTable("FAULT verdicts by reason", "Camera or group, reason", faults.map((fault) => ({ name: name(fault), count: fault.count })), "fault")
    : h("p", { class: "soft" }, "No FAULT."));
}

/** Times without verdicts. @param {Object} report @returns {HTMLElement} */
export function standstillSection({ standstills, standstill_total: total }) {
  if (standstills.length === 0) return section("Standstills", h("p", { class: "soft" }, "No time without verdicts of more than a minute."));
  const rest = standstills.slice(SHOWN);
  return section("Standstills",
    h("p", { class: "soft" }, `Times without verdicts of more than a minute, longest first. Sum: ${durationText(milliseconds(total))}.`),
    table("Standstills", standstills.slice(0, SHOWN)),
    rest.length > 0 && h("details", {},
      h("summary", {}, `${number(rest.length)} more${standstills.length >= LIMIT ? "; only the longest 100 are listed" : ""}`),
      table("Further standstills", rest)));
}

function table(caption, standstills) {
  return smallTable(caption, ["Begin", "End", "Duration", "Note"], standstills.map((one) => [
    dateTime(one.from_time), dateTime(one.to_time), durationText(Date.parse(one.to_time) - Date.parse(one.from_time)),
    one.started ? h("span", { class: "tag" }, "daemon started") : "",
  ]));
}
