// The lists of a run's tabs.

import { Empty } from "./empty.js";
import { clock, count, counted, date } from "./format.js";
import { html } from "./html.js";
import { historyLink, nodeId, resultLine, sign, took } from "./lines.js";
import { List } from "./list.js";
import { changesOf } from "./marks.js";
import { link, linksToResults, linksToTests } from "./route.js";
import { treeLines } from "./tree.js";
import { KEY, NODEID } from "./types.js";

/** @typedef {import("./types.js").Row} Row */
/** @typedef {import("./model.js").Model} Model */

/** The rows of the tab that is open. @param {Model} model @returns {Row[]} */
function shownRows(model) {
  const { tab, q, outcome, worker, scope } = model.route;
  const rows = model.rows.filtered({ q, outcome, worker, scope, bad: tab === "failures" });
  return tab === "slowest" ? model.rows.slowest(rows) : rows;
}

/** @param {Model} model */
export function isTree({ route }) {
  return route.view === "tree" && route.tab !== "slowest";
}

/** @param {{ model: Model }} properties */
export function Results({ model }) {
  const rows = shownRows(model);
  const line = drawn(model);
  return html`<${List} model=${model} count=${rows.length} label=${model.route.tab} known=${known(model, rows)} opens
    keyOf=${(/** @type {number} */ index) => /** @type {Row} */ (rows[index])[KEY]}
    draw=${(/** @type {number} */ index) => line(/** @type {Row} */ (rows[index]), 0)}
    empty=${html`<${Empty} model=${model} />`} />`;
}

/**
 * How many of the failures were there when the page was loaded; of other lists nobody reads on.
 * @param {Model} model @param {Row[]} rows
 */
function known(model, rows) {
  if (model.route.tab !== "failures" || model.isLoading) return rows.length;
  const lastKnown = model.rows.all[model.rows.loaded - 1]?.[0] ?? 0;
  let number = rows.length;
  while (number > 0 && (rows[number - 1]?.[0] ?? 0) > lastKnown) number -= 1;
  return number;
}

/** @param {Model} model @returns {(row: Row, level: number) => any} what draws a result */
function drawn(model) {
  const href = linksToResults(model.route);
  const history = linksToTests(model.route.project);
  const failures = changesOf(model)?.failures ?? {};
  const { test } = model.route;
  return (row, level) => {
    const [key, nodeid] = [row[KEY], row[NODEID]];
    return resultLine({
      row,
      href: href(key),
      history: history(nodeid),
      isChosen: test === key,
      longest: model.rows.longest,
      mark: failures[nodeid]?.mark,
      level,
    });
  };
}

/** The results below their files and classes. @param {{ model: Model }} properties */
export function Tree({ model }) {
  const lines = treeLines(shownRows(model), model.toggled, model.rows.isBehind);
  const line = drawn(model);
  const at = (/** @type {number} */ index) => /** @type {typeof lines[number]} */ (lines[index]);
  const keyOf = (/** @type {number} */ index) => {
    const one = at(index);
    return "row" in one ? one.row[KEY] : `group ${one.group.key}`;
  };
  const draw = (/** @type {number} */ index) => {
    const one = at(index);
    return "row" in one ? line(one.row, one.level) : groupLine(model, one.group);
  };
  return html`<${List} model=${model} count=${lines.length} label="by file" keyOf=${keyOf} draw=${draw} opens
    empty=${html`<${Empty} model=${model} />`} />`;
}

/** @param {Model} model @param {import("./tree.js").Group} group */
function groupLine(model, group) {
  const toggle = () => {
    const next = new Set(model.toggled);
    if (!next.delete(group.key)) next.add(group.key);
    model.toggled = next;
    model.changed();
  };
  return html`<button type="button" class=${`group level-${group.level}`} title=${group.key} aria-expanded=${group.isOpen} onClick=${toggle}>
    <span aria-hidden="true">${group.isOpen ? "▾" : "▸"}</span> <span class="cut">${group.title}</span>
    <span class="quiet">${count(group.number)}</span>
    ${group.bad > 0 && html`<span class="outcome failed">✗ ${count(group.bad)}</span>`}
  </button>`;
}

/**
 * A list of other things than rows.
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
