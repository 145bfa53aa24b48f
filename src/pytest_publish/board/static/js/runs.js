// The column of runs.

import { HAS_HISTORY } from "./api.js";
import { bad, count, date, progress, STATES } from "./format.js";
import { html } from "./html.js";
import { branch } from "./metadata.js";
import { LATEST, link, linkToRun } from "./route.js";
import { isReport } from "./source.js";

/** @typedef {import("./types.js").Run} Run */
/** @typedef {import("./model.js").Model} Model */

/** @param {{ model: Model }} properties */
export function Runs({ model }) {
  const runs = model.known.newest;
  return html`<nav class="runs" aria-label="Runs">
    ${HAS_HISTORY && html`<${Views} model=${model} />`}
    <h1>Runs</h1>
    ${runs.length === 0 && model.hasRuns && html`<p class="quiet">none yet</p>`}
    ${
      runs.length > 0 &&
      !isReport &&
      html`<a class="latest" href=${LATEST} aria-current=${model.route.isLatest ? "true" : null}
        title="Show the newest run, also when another one begins">always the newest</a>`
    }
    <ul>
      ${runs.map((run) => html`<${Line} key=${run.id} run=${run} model=${model} />`)}
    </ul>
    ${
      runs.length > 0 &&
      model.hasOlder(null) &&
      html`<button type="button" class="link" onClick=${() => model.loadRuns(null, true)}>older runs</button>`
    }
  </nav>`;
}

/** The pages about more than one run. @type {[page: string, title: string][]} */
const VIEWS = [
  ["runs", "All runs"],
  ["flaky", "Flaky tests"],
  ["slow", "Slow tests"],
  ["causes", "Causes of failures"],
];

/** @param {{ model: Model }} properties */
function Views({ model: { route } }) {
  return html`<ul class="views">
    ${VIEWS.filter(([page]) => page !== "runs" || !isReport).map(
      ([page, title]) => html`<li key=${page}><a href=${link({ page, project: route.project })}
        aria-current=${route.page === page && !route.isHome ? "page" : null}>${title}</a></li>`,
    )}
  </ul>`;
}

/** @param {{ run: Run, model: Model }} properties */
function Line({ run, model }) {
  const isShown = model.route.page === "run" && run.id === model.run?.id;
  const failed = bad(run.outcomes);
  const [sign, word] = stateOf(run);
  const part = progress(run);
  const figure = run.state === "running" && part !== null ? `${Math.floor(part * 100)} %` : count(run.done);
  return html`<li>
    <a href=${linkToRun(run)} aria-current=${isShown ? "page" : null}
      title=${`${run.run_id}\n${word}`}>
      <span class=${`sign state-${run.state} ${failed ? "has-failed" : ""}`} aria-hidden="true">${sign}</span>
      <span class="what">${run.project || run.run_id.slice(0, 8)}</span>
      <span class="figure">${failed ? html`<b>✗${count(failed)}</b> ` : ""}${figure}</span>
      <span class="quiet when">${ends(run.state) ? `${word} · ` : ""}${date(run.started)}${branch(run) && ` · ${branch(run)}`}</span>
      <span class="unseen">${word}${failed ? `, ${failed} failed` : ""}</span>
    </a>
  </li>`;
}

/** Whether a state is an end that somebody should know of. @param {string} state */
function ends(state) {
  return state !== "running" && state !== "finished";
}

/** A run that is over and has failures shows a cross instead of a tick. @param {Run} run */
export function stateOf(run) {
  const [sign, word] = STATES[run.state] ?? ["?", run.state];
  return run.state === "finished" && bad(run.outcomes) ? ["✗", "finished"] : [sign, word];
}
