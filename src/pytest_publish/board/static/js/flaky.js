// Tests that pass and fail without a change.

import * as api from "./api.js";
import { counted, date, shape } from "./format.js";
import { Answer, nothing, Page, Projects, Search, searched } from "./history.js";
import { html } from "./html.js";
import { nodeId } from "./lines.js";
import { listOf } from "./lists.js";
import { linksToTests, linkToRun } from "./route.js";
import { isReport } from "./source.js";
import { strip } from "./strip.js";

/** @typedef {import("./types.js").Flaky} Test */
/** @typedef {import("./model.js").Model} Model */

/** @param {{ model: Model }} properties */
export function FlakyTests({ model }) {
  const { project, q } = model.route;
  const about = { key: `flaky ${project}`, ask: () => api.flaky(project) };
  const beside = html`<${Search} model=${model} /><${Projects} model=${model} />`;
  return html`<${Page} model=${model} title="Flaky tests" beside=${beside}>
    <p class="explained quiet">Passed after a rerun in one run, changed between runs of one commit, or flips often.</p>
    <${Answer} model=${model} about=${about}>${(/** @type {{ tests: Test[] }} */ { tests }) => html`
      ${tests.length > 0 && Columns(project)}
      ${listOf(model, "flaky tests", searched(tests, q), keyOf, (one) => line(one, project), { empty: empty(model) })}`}
    </${Answer}>
  </${Page}>`;
}

/** @param {Test} one */
function keyOf(one) {
  return `${one.project} ${one.nodeid}`;
}

/** @param {string | null} project */
function Columns(project) {
  return html`<div class="columns" aria-hidden="true">
    <span class="grows">test</span>
    ${!project && html`<span class="project">project</span>`}
    <span class="strips">last 30 runs</span>
    <span class="number">flips</span>
    <span class="why">why</span>
    <span class="last">last run</span>
  </div>`;
}

/** @param {Test} one @param {string | null} project the one that all are of */
function line(one, project) {
  return html`<a class="result" href=${linksToTests(one.project)(one.nodeid)} title=${one.nodeid}>
      <span class="grows">${nodeId(one.nodeid)}</span>
      ${!project && html`<span class="quiet project cut">${one.project}</span>`}
      <span class="strips">${strip(one.outcomes)}</span>
      <span class="number" title=${`${counted(one.flips, "flip")} in ${counted(one.runs, "run")}`}>${Math.round(100 * one.rate)} %<span class="unseen"> flips</span></span>
      <span class="quiet why cut">${why(one)}</span>
    </a>
    ${last(one.last, one.last.outcome)}`;
}

/** @param {Test} one */
function why(one) {
  const found = [];
  if (one.reruns) found.push(`rerun in ${counted(one.reruns, "run")}`);
  if (one.changed) found.push(`both in ${counted(one.changed, "commit")}`);
  return found.join(", ") || counted(one.flips, "flip");
}

/** A link to a result in its run, beside a line. @param {import("./types.js").RunRef & { key: string }} run @param {string} [outcome] */
export function last(run, outcome) {
  return html`<a class="last link" href=${linkToRun(run, run.key)} title=${`Open it in the run ${run.run_id}`}>
    ${outcome && html`<span class=${`outcome ${outcome}`}>${shape(outcome)}<span class="unseen"> ${outcome}</span></span>`} ${date(run.started)}</a>`;
}

/** @param {Model} model */
function empty(model) {
  return nothing(
    model,
    "No flaky tests",
    "No test has passed and failed without a change, as far as the runs here tell.",
    html`To tell a test that flips from one that was broken, the board has to know the commit of each run:`,
    html`<code>pytest --publish ${isReport ? "URL" : location.origin} --publish-events --publish-metadata commit=$(git rev-parse HEAD)</code>`,
  );
}
