// A run's results as a list, or as a tree by file and class.

import { Empty } from "./empty.js";
import { count } from "./format.js";
import { html } from "./html.js";
import { resultLine } from "./lines.js";
import { List } from "./list.js";
import { marksOf } from "./marks.js";
import { linksToResults, linksToTests } from "./route.js";
import { treeLines } from "./tree.js";
import { ID, KEY, NODEID } from "./types.js";

/** @typedef {import("./types.js").Row} Row */
/** @typedef {import("./model.js").Model} Model */

/** The rows of the tab that is open. @param {Model} model @returns {Row[]} */
function shownRows(model) {
  const { tab, q, outcome, worker, scope, mark, cause } = model.route;
  const filter = { q, outcome, worker, scope, mark, cause, bad: tab === "failures" };
  const rows = model.rows.filtered(filter, marksOf(model));
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
  const lastKnown = model.rows.all[model.rows.loaded - 1]?.[ID] ?? 0;
  let number = rows.length;
  while (number > 0 && (rows[number - 1]?.[ID] ?? 0) > lastKnown) number -= 1;
  return number;
}

/** @param {Model} model @returns {(row: Row, level: number) => any} what draws a result */
function drawn(model) {
  const href = linksToResults(model.route);
  const history = linksToTests(model.route.project);
  const marks = marksOf(model);
  const { test } = model.route;
  return (row, level) => {
    const [key, nodeid] = [row[KEY], row[NODEID]];
    return resultLine({
      row,
      href: href(key),
      history: history(nodeid),
      isChosen: test === key,
      longest: model.rows.longest,
      mark: marks[nodeid]?.mark,
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
