// The page for thresholds: what a threshold would change, before it is saved.

import { Draft } from "./tuning-draft.js";
import { emptyState, errorState, h, setText } from "./dom.js";
import { evaluateThresholds, listChoices, setThreshold, suggestThreshold } from "./tuning-calls.js";
import { fileOf, thresholdName, thresholdText } from "./tuning-text.js";
import { historySection } from "./tuning-history.js";
import { mayActAs } from "./session.js";
import { onLive } from "./live.js";
import { outcomeSection } from "./tuning-outcomes.js";
import { readSelection, selectionForm, writeSelection } from "./tuning-selection.js";
import { scoreHistogram } from "./tuning-histogram.js";
import { setBanner } from "./banner.js";
import { startPage } from "./shell.js";
import { suggestionControls } from "./tuning-suggestion.js";
import { thresholdForm } from "./tuning-form.js";
import { trendSection } from "./tuning-trend.js";

let selection = readSelection(location.search);
/** The selection that is shown: the next one may still be evaluated. */
let shown = selection;
let loading = 0;
/** What the Undo button restores. */
let lastSave = null;
/** The active recipe that the page shows, as text; null: not known. */
let knownRecipe = null;

const { main, session } = await startPage();
const isEngineer = mayActAs(session, "engineer");

const draft = new Draft();
const selectionRow = selectionForm(selection, changeSelection);
const suggestion = suggestionControls((rate) => suggestThreshold(shown, rate), choose);
const form = thresholdForm(draft, { choose, save, undo }, isEngineer, suggestion.element);
const histogram = scoreHistogram(draft);
const outcomes = outcomeSection(draft);
const trend = trendSection(draft);
const changes = historySection(isEngineer);
const noScores = emptyState("No scores", "The selection has no verdicts with a score of the present model.");
const columns = h("div", { class: "tuning-columns", hidden: true },
  h("div", { class: "tuning-main" }, noScores, histogram.element, trend.element, changes.element),
  h("div", { class: "tuning-side" }, outcomes.element, form.element));
const progress = h("span", { class: "soft progress", role: "status" });
selectionRow.element.append(progress);
const message = h("div", {});
main.replaceChildren(h("h1", {}, "Tuning"), selectionRow.element, columns, message);

function changeSelection(next) {
  selection = next;
  history.replaceState(null, "", location.pathname + writeSelection(selection));
  suggestion.clear();
  open(null);
}

/** Evaluates the selection and shows the result, or why that is not possible. @param {number|null} threshold to choose */
async function open(threshold) {
  try {
    await load(threshold);
  } catch (error) {
    columns.hidden = true;
    message.replaceChildren(error.code === "FAILED_PRECONDITION"
      ? emptyState("Thresholds cannot be evaluated", `${error.message} See [journal] in docs/configuration.md.`)
      : errorState("The thresholds cannot be evaluated", error),
    h("p", { class: "empty" }, h("button", { type: "button", onclick: () => open(null) }, "Try again")));
  }
}

async function load(threshold) {
  const turn = ++loading;
  const selected = selection;
  columns.setAttribute("aria-busy", "true");
  setText(progress, "Evaluating ...");
  try {
    const evaluation = await evaluateThresholds(selected, threshold === null ? [] : [threshold]);
    if (turn !== loading) return;
    shown = selected;
    show(evaluation, threshold);
  } catch (error) {
    if (turn === loading) throw error;
  } finally {
    if (turn === loading) {
      columns.removeAttribute("aria-busy");
      setText(progress, "");
    }
  }
}

function show(evaluation, threshold) {
  const isEmpty = evaluation.histogram.length === 0;
  message.replaceChildren();
  columns.hidden = false;
  noScores.hidden = !isEmpty;
  histogram.element.hidden = isEmpty;
  draft.load(evaluation, threshold);
  form.show(shown, evaluation);
  outcomes.show(evaluation);
  histogram.show(evaluation);
  trend.show(evaluation);
}

/** Chooses a threshold; it is evaluated if it was not before. @param {number} threshold */
async function choose(threshold) {
  if (draft.has(threshold)) draft.moveTo(threshold);
  else await load(threshold);
}

async function save() {
  const { camera, region } = shown;
  const answer = await change({ camera, region }, draft.outcome.threshold, draft.evaluation.present_threshold);
  lastSave = { camera, region, threshold: answer.previous.threshold ?? null, expected: answer.threshold };
  return `The ${thresholdName(lastSave)} is ${thresholdText(answer.threshold)} now. Saved in ${fileOf(answer.previous)}.`;
}

async function undo() {
  const { camera, region, threshold, expected } = lastSave;
  const answer = await change({ camera, region }, threshold, expected);
  return `The change was undone: the ${thresholdName(lastSave)} is ${thresholdText(answer.threshold)} again.`;
}

async function change(which, threshold, expected) {
  try {
    const answer = await setThreshold(which, threshold, expected);
    if (answer.recipe) knownRecipe = recipeText(answer.recipe);
    changes.load();
    await open(null);
    return answer;
  } catch (error) {
    // Another person has changed it.
    if (error.code === "ABORTED") await open(draft.outcome.threshold);
    throw error;
  }
}

const recipeText = (recipe) => (recipe ? `${recipe.id} ${recipe.sha256}` : "");

onLive("status", ({ recipe }) => {
  const now = recipeText(recipe);
  if (knownRecipe !== null && now !== knownRecipe) {
    const reload = () => {
      setBanner("recipe");
      start();
    };
    setBanner("recipe", "The active recipe has changed: these thresholds may be old.", {
      action: h("button", { type: "button", class: "quiet", onclick: reload }, "Load again"),
    });
  }
  knownRecipe = now;
});

function start() {
  listChoices().then(selectionRow.showChoices, () => null);
  changes.load();
  open(null);
}
start();
