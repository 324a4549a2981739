// The page of the report of a period, such as a shift.

import { branchSection, classSection, regionSection, reviewSection } from "./report-rejects.js";
import { call } from "./api.js";
import { changeSection } from "./report-changes.js";
import { chartSection } from "./report-chart.js";
import { dateTime, number } from "./format.js";
import { durationText } from "./duration-text.js";
import { emptyState, errorState, h, setText } from "./dom.js";
import { faultSection, standstillSection } from "./report-stops.js";
import { fileQuery, readSelection, toRequest, writeSelection } from "./report-period.js";
import { headline } from "./report-headline.js";
import { latencySection, productSections, sourceSection } from "./report-products.js";
import { mayActAs } from "./session.js";
import { reportForm } from "./report-form.js";
import { shape } from "./shapes.js";
import { startPage } from "./shell.js";
import { totalOf } from "./report-counts.js";

let selection = readSelection(location.search);
let cameras = [];
const groups = new Set();
let loading = 0;

const { main, session } = await startPage();
const form = reportForm(selection, (next) => {
  selection = next;
  history.replaceState(null, "", location.pathname + writeSelection(selection));
  load();
});
const said = h("p", { class: "only-spoken", role: "status" });
const content = h("div", { class: "report" }, emptyState("Making the report"));
main.replaceChildren(h("h1", {}, "Report"), form.element, said, content);

call("LineService", "ListCameras").then((answer) => {
  cameras = answer.cameras.map((camera) => camera.id);
  showSources();
}, () => null);
load();

async function load() {
  const turn = ++loading;
  content.setAttribute("aria-busy", "true");
  setText(said, "Making the report");
  form.showFiles(null);
  try {
    const shiftStart = selection.period === "previous" ? await presentShiftStart() : "";
    const { report } = await call("ReportService", "GetReport", toRequest(selection, shiftStart));
    if (turn !== loading) return;
    for (const source of report.sources) if (source.group) groups.add(source.id);
    showSources();
    form.showFiles(fileQuery(report, selection.ids));
    content.replaceChildren(...sectionsOf(report));
    setText(said, `Report made: ${number(totalOf(report.parts))} parts`);
  } catch (error) {
    if (turn !== loading) return;
    setText(said, "");
    content.replaceChildren(error.code === "FAILED_PRECONDITION"
      ? emptyState("No report without a journal", `${error.message} See [journal] in docs/configuration.md.`)
      : errorState("The report cannot be made", error));
  }
  content.removeAttribute("aria-busy");
}

const presentShiftStart = async () => (await call("LineService", "GetStatus")).status.shift.start_time;

const showSources = () => form.showSources([...new Set([...cameras, ...groups])].sort());

function sectionsOf(report) {
  const parts = totalOf(report.parts);
  return [
    h("p", { class: "report-period" }, h("strong", {}, `${minute(report.from_time)} to ${minute(report.to_time)}`),
      h("span", { class: "soft" }, [
        ` (${durationText(Date.parse(report.to_time) - Date.parse(report.from_time))})`,
        selection.ids.length > 0 ? selection.ids.join(", ") : "all cameras and groups",
        report.host && `machine ${report.host}`,
        `made ${dateTime(report.create_time)}`,
      ].filter(Boolean).join(", "))),
    ...(report.kept_from_time ? [keptNote(report)] : []),
    headline(report),
    ...(parts > 0 && report.intervals.length > 0 ? [chartSection(report)] : [emptyState("No parts in this period")]),
    h("div", { class: "report-columns" },
      wide(sourceSection(report)), regionSection(report), branchSection(report), classSection(report), reviewSection(report),
      faultSection(report), latencySection(report), wide(standstillSection(report)), productSections(report).map(wide)),
    changeSection(report, mayActAs(session, "engineer")),
  ];
}

// On paper, these need the whole width.
function wide(element) {
  element.classList.add("wide");
  return element;
}

function keptNote({ from_time: from, kept_from_time: kept }) {
  return h("p", { class: "kept-note review" }, shape("review"),
    h("span", {}, h("strong", {}, `The report is incomplete. `),
      `The journal no longer keeps the verdicts from ${minute(from)} to ${minute(kept)}: the numbers are those after it.`));
}

const minute = (time) => dateTime(time).slice(0, 16);
