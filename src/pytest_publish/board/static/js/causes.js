// Failures grouped by cause: the exception, its message without what differs, and the place.

import * as api from "./api.js";
import { count, counted, date } from "./format.js";
import { Answer, choose, nothing, Page, Projects } from "./history.js";
import { html } from "./html.js";
import { historyLink } from "./lines.js";
import { listOf } from "./lists.js";
import { linksToTests, linkToRun } from "./route.js";

/** @typedef {import("./types.js").Cause} Cause */
/** @typedef {import("./model.js").Model} Model */

/** @type {[string, string][]} */
const TIMES = [
  ["1", "last day"],
  ["7", "last 7 days"],
  ["30", "last 30 days"],
  ["365", "last year"],
];
/** Two rows of text. */
const HEIGHT = 52;

/** @param {{ model: Model }} properties */
export function Causes({ model }) {
  const { project, days } = model.route;
  const about = { key: `causes ${project} ${days}`, ask: () => api.causes(project, days) };
  const beside = html`<span class="beside">
    ${choose("time", TIMES, days, (value) => model.go({ days: value }))}<${Projects} model=${model} /></span>`;
  const empty = nothing(model, "Nothing has failed in this time.");
  return html`<${Page} model=${model} title="Causes of failures" beside=${beside}>
    <${Answer} model=${model} about=${about}>${(/** @type {{ causes: Cause[] }} */ { causes }) =>
      causeList(model, causes, empty)}
    </${Answer}>
  </${Page}>`;
}

/** @param {Model} model @param {Cause[]} causes @param {any} empty */
export function causeList(model, causes, empty) {
  return listOf(model, "causes", causes, (one) => String(one.id), line, { empty, height: HEIGHT });
}

/** @param {Cause} one */
function line(one) {
  const { first, last } = one;
  const when = first.run_id === last.run_id ? date(last.started) : `${date(first.started)} to ${date(last.started)}`;
  return html`<a class="result two" href=${linkToRun(last, last.key)} title=${`${one.type}: ${one.message}\nOpen the last of them`}>
      <span class="times"><b>${count(one.number)}</b>×</span>
      <span class="both">
        <span class="cut"><b>${one.type}</b> <code>${one.message}</code></span>
        <span class="cut quiet">${one.frame && html`<code>${one.frame}</code> · `}${counted(one.tests, "test")}<span class="dates"> · ${when}</span></span>
      </span>
    </a>
    ${historyLink(linksToTests(last.project)(last.nodeid))}`;
}
