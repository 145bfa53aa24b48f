// What a failure has to do with the runs before: new, failing since a run, flaky; and what was mended.

import * as api from "./api.js";
import { bad, date } from "./format.js";
import { html } from "./html.js";
import { linksToTests, linkToRun } from "./route.js";

/** @typedef {import("./types.js").RunRef} RunRef */
/** @typedef {import("./types.js").Changes} Changes */
/** @typedef {import("./model.js").Model} Model */

/** What each mark means, for those who ask. @type {Record<string, string>} */
const MEANINGS = {
  new: "did not fail in the run before",
  failing: "failed in the run before as well",
  flaky: "passes and fails without a change of the code",
};

/** What the shown run changes; null until that is known, and where there are no other runs. @param {Model} model @returns {Changes | null} */
export function changesOf(model) {
  const { run } = model;
  if (run === null || !api.HAS_HISTORY) return null;
  const ask = () => api.changes(run.run_id, run.project || null);
  // What passes may mend something: of a run that goes on, that is asked now and then.
  const version = [run.state, bad(run.outcomes), run.outcomes["rerun"], Math.floor(model.now / 10)];
  const isOver = run.state !== "running";
  const found = model.answers.get(`changes ${run.id}`, ask, (isOver ? version.slice(0, 3) : version).join(" "));
  return found instanceof Error ? null : found;
}

/** @type {Record<string, import("./types.js").Mark>} */
const NONE = {};

/** The marks of the failures, by node id. @param {Model} model */
export function marksOf(model) {
  return changesOf(model)?.failures ?? NONE;
}

/** @param {{ mark: string }} properties */
export function Tag({ mark }) {
  return html`<span class=${`tag tag-${mark}`} title=${MEANINGS[mark]}>${mark}</span>`;
}

/** The same as a sentence. @param {{ model: Model, nodeid: string }} properties */
export function Told({ model, nodeid }) {
  const changes = changesOf(model);
  const found = changes?.failures[nodeid];
  const mended = changes?.mended.find((one) => one.nodeid === nodeid);
  if (found === undefined && mended === undefined) return null;
  return html`<p class="told">
    ${found === undefined ? html`<span class="tag tag-mended">mended</span>` : html`<${Tag} mark=${found.mark} />`}${" "}
    ${found === undefined ? mending(mended?.since ?? null) : SENTENCES[found.mark]?.(found.since, changes?.before ?? null)}
    ${found?.mark === "flaky" && html` <a class="link" href=${linksToTests(model.run?.project || null)(nodeid)}>its history</a>`}
  </p>`;
}

/** @type {Record<string, (since: RunRef | null, before: RunRef | null) => any>} */
const SENTENCES = {
  new: (_since, before) => (before ? html`in this run: it did not fail in ${runLink(before)}` : "in this run"),
  failing: (since) => (since ? html`since ${runLink(since)}` : "since the first run that is known"),
  flaky: () => MEANINGS["flaky"],
};

/** @param {RunRef | null} since */
function mending(since) {
  return since ? html`in this run: it failed since ${runLink(since)}` : "in this run";
}

/** @param {RunRef} run */
export function runLink(run) {
  return html`<a class="link" href=${linkToRun(run)} title=${run.run_id}>${date(run.started)}</a>`;
}
