// All runs, and which two of them to compare.

import { useEffect } from "preact/hooks";
import { SmallBar } from "./bar.js";
import { bad, clock, count, counted, date } from "./format.js";
import { nothing, Page, Projects } from "./history.js";
import { html } from "./html.js";
import { listOf } from "./lists.js";
import { branch, ciLink } from "./metadata.js";
import { link, linkToRun } from "./route.js";
import { stateOf } from "./runs.js";

/** @typedef {import("./types.js").Run} Run */
/** @typedef {import("./model.js").Model} Model */

/** Two rows of text. */
const HEIGHT = 52;

/** @param {{ model: Model }} properties */
export function Overview({ model }) {
  const { project } = model.route;
  useEffect(() => {
    if (project) model.loadRuns(project);
  }, [project]);
  const runs = model.known.of(project);
  const hasMore = runs.length > 0 && model.hasOlder(project);
  const empty = model.hasRuns
    ? nothing(model, "There are no runs of this project.")
    : html`<p class="empty">loading …</p>`;
  const beside = html`<span class="beside"><${Chosen} model=${model} /><${Projects} model=${model} /></span>`;
  return html`<${Page} model=${model} title="All runs" beside=${beside}>
    ${listOf(
      model,
      "runs",
      runs,
      (run) => String(run.id),
      (run) => line(model, run),
      { empty, height: HEIGHT },
    )}
    ${hasMore && html`<button type="button" class="link more" onClick=${() => model.loadRuns(project, true)}>older runs</button>`}
  </${Page}>`;
}

/** The runs that are chosen, the older one first. @param {Model} model */
function chosen(model) {
  const { a, b } = model.route;
  return model.known.newest.filter((run) => run.run_id === a || run.run_id === b).reverse();
}

/** @param {{ model: Model }} properties */
function Chosen({ model }) {
  const [first, second] = chosen(model);
  if (!first) return html`<span class="quiet hint">Tick two runs to compare them.</span>`;
  if (!second)
    return html`<span class="quiet hint" role="status">Tick another run of ${first.project || "the same project"}.</span>`;
  const href = link({ page: "compare", project: first.project, a: first.run_id, b: second.run_id });
  return html`<a class="button main" href=${href}>Compare these two</a>`;
}

/** @param {Model} model @param {Run} run */
function line(model, run) {
  const { a, b } = model.route;
  const [first] = chosen(model);
  const isChosen = run.run_id === a || run.run_id === b;
  const isOpen = isChosen || (!(a && b) && (!first || first.project === run.project));
  const toggle = () => {
    const kept = [a, b].filter((id) => id && id !== run.run_id);
    const [one = "", two = ""] = isChosen ? kept : [...kept, run.run_id];
    model.go({ a: one, b: two }, true);
  };
  const ci = ciLink(run);
  return html`<label class="tick"><input type="checkbox" checked=${isChosen} disabled=${!isOpen} onChange=${toggle} />
      <span class="unseen">Compare the run of ${run.project} of ${date(run.started)}</span></label>
    ${summary(run, model.now)}
    <span class="ci">${ci && html`<a class="link" href=${ci} target="_blank" rel="noreferrer" title=${ci}>CI ↗</a>`}</span>`;
}

/** @param {Run} run @param {number} now */
function summary(run, now) {
  const [shape, word] = stateOf(run);
  const failed = bad(run.outcomes);
  const end = run.stopped ?? (run.state === "running" ? now : run.seen);
  const isPlain = run.state === "finished";
  return html`<a class="result two" href=${linkToRun(run)} title=${run.run_id}>
    <span class=${`sign state-${run.state} ${failed ? "has-failed" : ""}`}><span aria-hidden="true">${shape}</span>
      <span class="unseen">${word}</span></span>
    <span class="both">
      <span class="cut"><b>${run.project || "run"}</b> <span class="quiet run-id">${run.run_id.length > 24 ? "" : run.run_id}</span></span>
      <span class="cut quiet">${date(run.started)}${!isPlain && ` · ${word}`}${branch(run) && ` · ${branch(run)}`}</span>
    </span>
    <span class="outcomes">
      <${SmallBar} run=${run} />
      <span class="quiet cut">${failed > 0 && html`<span class="outcome failed">✗ ${count(failed)}</span> of `}${counted(run.done, "test")}${
        run.total !== null && run.total > run.done
          ? html` <span class="planned">(${count(run.total)} planned)</span>`
          : ""
      }</span>
    </span>
    <span class="took">${clock(end - run.started)}</span>
  </a>`;
}
