// Lists of other things than results: of a run's tabs, and of the pages across runs.

import { Empty } from "./empty.js";
import { clock, count, counted, date } from "./format.js";
import { html } from "./html.js";
import { historyLink, nodeId, sign, took } from "./lines.js";
import { List } from "./list.js";
import { changesOf } from "./marks.js";
import { link, linksToResults, linksToTests } from "./route.js";

/** @typedef {import("./model.js").Model} Model */

/**
 * @template T
 * @param {Model} model @param {string} label @param {T[]} all
 * @param {(one: T, index: number) => string} keyOf @param {(one: T) => any} draw
 * @param {{ opens?: boolean, empty?: any, height?: number }} [more]
 */
export function listOf(model, label, all, keyOf, draw, more = {}) {
  const at = (/** @type {number} */ index) => /** @type {T} */ (all[index]);
  return html`<${List} model=${model} count=${all.length} label=${label} empty=${html`<${Empty} model=${model} />`}
    keyOf=${(/** @type {number} */ index) => keyOf(at(index), index)}
    draw=${(/** @type {number} */ index) => draw(at(index))} ...${more} />`;
}

/** @param {{ model: Model }} properties */
function RunningTests({ model }) {
  const { run } = model;
  const end = run?.state === "running" ? model.now : (run?.stopped ?? run?.seen ?? 0);
  const href = linksToTests(model.route.project);
  return listOf(
    model,
    "running",
    run?.running ?? [],
    (one) => `${one.session_id} ${one.worker}`,
    (one) => html`<a class="result" title=${one.nodeid} href=${href(one.nodeid)}>
      <span class="outcome running" aria-hidden="true">●</span>${nodeId(one.nodeid)}
      <span class="quiet where">${one.worker}</span>
      <span class="took">${clock(end - one.since)}</span></a>`,
  );
}

/** What failed before and passes in this run. @param {{ model: Model }} properties */
function Mended({ model }) {
  const href = linksToResults(model.route);
  const history = linksToTests(model.route.project);
  return listOf(
    model,
    "mended",
    changesOf(model)?.mended ?? [],
    (one) => one.key,
    (
      one,
    ) => html`<a class="result" title=${one.nodeid} href=${href(one.key)} aria-current=${model.route.test === one.key ? "true" : null}>
        ${sign("passed")}${nodeId(one.nodeid)}
        <span class="quiet where">${one.since && `failed since ${date(one.since.started)}`}</span></a>
      ${historyLink(history(one.nodeid))}`,
    { opens: true },
  );
}

/** @param {{ model: Model }} properties */
function Scopes({ model }) {
  const scopes = [...model.rows.scopes.values()].sort((a, b) => b.bad - a.bad || b.seconds - a.seconds);
  const longest = scopes.reduce((most, one) => Math.max(most, one.seconds), 0.001);
  return listOf(
    model,
    "scopes",
    scopes,
    (one) => one.scope,
    (one) => html`<a class="result" title=${one.scope} href=${link({ ...model.route, tab: "all", scope: one.scope })}>
      <span class="cut">${one.scope}</span>
      <span class="quiet">${counted(one.number, "result")}</span>
      ${one.bad > 0 && html`<span class="outcome failed">✗ ${count(one.bad)}</span>`}
      ${took(one.seconds, Math.sqrt(one.seconds / longest))}</a>`,
  );
}

/** What was planned and has no result, though the run is over. @param {{ model: Model }} properties */
function NotRun({ model }) {
  const href = linksToTests(model.route.project);
  return listOf(
    model,
    "not run",
    model.notRun() ?? [],
    (one) => one,
    (
      one,
    ) => html`<a class="result" title=${one} href=${href(one)}><span class="outcome none" aria-hidden="true">○</span>
      ${nodeId(one)}</a>`,
  );
}

/** @type {Record<string, any>} the lists of things that are no rows */
export const LISTS = { running: RunningTests, mended: Mended, scopes: Scopes, "not-run": NotRun };
