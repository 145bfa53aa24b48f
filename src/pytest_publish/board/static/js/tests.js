// The tabs of a run, and the list under each.

import { Copy } from "./copy.js";
import { BAD, bad, clock, count, counted, duration, quoted } from "./format.js";
import { html } from "./html.js";
import { List, NodeId, ResultLine } from "./list.js";
import { link } from "./route.js";
import { treeLines } from "./tree.js";
import { KEY, NODEID, OUTCOME } from "./types.js";

/** @typedef {import("./types.js").Row} Row */
/** @typedef {import("./types.js").Run} Run */
/** @typedef {import("./types.js").Running} Running */
/** @typedef {import("./model.js").Model} Model */

/** Scopes that a select offers; of more, the tab has them all. */
const MOST_CHOICES = 200;

/** @param {Model} model @returns {[string, string, number | null][]} name, title, number */
export function tabs(model) {
  const { run, rows } = model;
  const missing = run?.stopped && run.total !== null ? Math.max(0, run.total - run.done) : 0;
  const all = Object.values(run?.outcomes ?? {}).reduce((sum, number) => sum + number, 0);
  const isOver = run !== null && run.state !== "running";
  const running = run?.running?.length ?? 0;
  /** @type {[string, string, number | null][]} */
  const found = [["failures", "Failures", run ? bad(run.outcomes) : 0]];
  if (!isOver || running > 0) found.push(["running", isOver ? "Was running" : "Running", running]);
  found.push(["all", "All", all], ["slowest", "Slowest", null]);
  if (rows.scopes.size > 0) found.push(["scopes", "Scopes", rows.scopes.size]);
  if (missing > 0) found.push(["not-run", "Not run", missing]);
  return found;
}

/** The rows of the tab that is open. @param {Model} model @returns {Row[]} */
function shownRows(model) {
  const { tab, q, outcome, worker, scope } = model.route;
  const rows = model.rows.filtered({ q, outcome, worker, scope, bad: tab === "failures" });
  return tab === "slowest" ? model.rows.slowest(rows) : rows;
}

/** @param {Model} model */
function isTree({ route }) {
  return route.view === "tree" && route.tab !== "slowest";
}

/** The rows that j and k go through, in the order in which they are seen. @param {Model} model @returns {Row[]} */
export function steppedRows(model) {
  if (["running", "scopes", "not-run"].includes(model.route.tab)) return [];
  const rows = shownRows(model);
  if (!isTree(model)) return rows;
  return treeLines(rows, model.toggled).flatMap((line) => ("row" in line ? [line.row] : []));
}

/** @param {{ model: Model }} properties */
export function Tests({ model }) {
  const { route } = model;
  const found = tabs(model);
  const hasRows = !["running", "scopes", "not-run"].includes(route.tab);
  const lists = /** @type {Record<string, any>} */ ({ running: RunningTests, scopes: Scopes, "not-run": NotRun });
  const Shown = lists[route.tab] ?? (isTree(model) ? Tree : Flat);
  return html`<section class="tests" aria-label="Tests">
    <div class="tabs" role="tablist" aria-label="Lists of tests" onKeyDown=${stepTabs}>
      ${found.map(
        ([
          name,
          title,
          number,
        ]) => html`<a role="tab" key=${name} id=${`tab-${name}`} aria-selected=${route.tab === name}
          aria-controls="list" tabindex=${route.tab === name ? 0 : -1}
          href=${link({ ...route, tab: name })}>${title} ${number !== null && html`<b>${count(number)}</b>`}</a>`,
      )}
    </div>
    <div class="panel" role="tabpanel" id="list" aria-labelledby=${`tab-${route.tab}`}>
      ${hasRows && html`<${Filters} model=${model} />`}
      <${Shown} model=${model} key=${[route.run, route.tab, route.q, route.outcome, route.worker, route.scope, route.view].join("\n")} />
    </div>
  </section>`;
}

/** The arrow keys go from tab to tab. @param {KeyboardEvent} event */
function stepTabs(event) {
  const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (by === undefined) return;
  /** @type {Element[]} */
  const all = [.../** @type {HTMLElement} */ (event.currentTarget).querySelectorAll("a")];
  const next = document.activeElement && all[all.indexOf(document.activeElement) + by];
  if (!(next instanceof HTMLElement)) return;
  next.focus();
  next.click();
}

/** @param {{ model: Model }} properties */
function Filters({ model }) {
  const { route, rows } = model;
  const change = (/** @type {string} */ name) => (/** @type {Event} */ event) =>
    model.go({ [name]: /** @type {HTMLInputElement} */ (event.currentTarget).value }, true);
  const workers = [...new Set([...rows.lanes.values()].map((lane) => lane.worker))].filter(Boolean);
  const scopes = [...rows.scopes.keys()].slice(0, MOST_CHOICES);
  const failures = () => {
    const nodeids = new Set(rows.all.filter((row) => BAD.has(row[OUTCOME])).map((row) => row[NODEID]));
    return `pytest ${[...nodeids].map(quoted).join(" ")}`;
  };
  return html`<div class="filters">
    <input type="search" id="search" placeholder="search (/)" aria-label="Search in names and problems"
      value=${route.q} onInput=${change("q")} />
    ${(route.tab !== "failures" || route.outcome) && choice("outcome", rows.outcomes, route.outcome, change("outcome"))}
    ${(workers.length > 1 || route.worker) && choice("worker", workers, route.worker, change("worker"))}
    ${(scopes.length > 1 || route.scope) && choice("scope", scopes, route.scope, change("scope"))}
    ${
      route.tab === "failures" &&
      model.run &&
      bad(model.run.outcomes) > 0 &&
      html`<${Copy} what=${failures} title="Copy the command that runs the failures again">copy rerun</${Copy}>`
    }
    ${
      route.tab !== "slowest" &&
      html`<a class="button" role="button" href=${link({ ...route, view: route.view === "tree" ? "flat" : "tree" })}>
        ${route.view === "tree" ? "flat" : "by file"}</a>`
    }
  </div>`;
}

/** @param {string} name @param {string[]} values @param {string} value @param {(event: Event) => void} onChange */
function choice(name, values, value, onChange) {
  const all = value && !values.includes(value) ? [value, ...values] : values;
  return html`<select aria-label=${name} value=${value} class=${value ? "is-set" : ""} onChange=${onChange}>
    <option value="">${name}: all</option>
    ${all.map((one) => html`<option key=${one} value=${one} selected=${one === value}>${one}</option>`)}
  </select>`;
}

/** @param {{ model: Model }} properties */
function Flat({ model }) {
  const rows = shownRows(model);
  const { tab } = model.route;
  const key = model.cursor ?? model.route.test;
  const chosen = key === null ? -1 : rows.findIndex((row) => row[KEY] === key);
  return html`<${List} model=${model} count=${rows.length} label=${tab} chosen=${chosen} known=${known(model, rows)}
    line=${(/** @type {number} */ index) => resultLine(model, /** @type {Row} */ (rows[index]), 0)}
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

/** @param {Model} model @param {Row} row @param {number} level */
function resultLine(model, row, level) {
  return {
    key: row[KEY],
    draw: () => html`<${ResultLine} row=${row} href=${link({ ...model.route, test: row[KEY] })} level=${level}
      isChosen=${model.route.test === row[KEY]} longest=${model.rows.longest} />`,
  };
}

/** The results below their files and classes. @param {{ model: Model }} properties */
function Tree({ model }) {
  const lines = treeLines(shownRows(model), model.toggled);
  const line = (/** @type {number} */ index) => {
    const one = /** @type {typeof lines[number]} */ (lines[index]);
    if ("row" in one) return resultLine(model, one.row, one.level);
    return { key: `group ${one.group.key}`, draw: () => groupLine(model, one.group) };
  };
  const key = model.cursor ?? model.route.test;
  const chosen = key === null ? -1 : lines.findIndex((one) => "row" in one && one.row[KEY] === key);
  return html`<${List} model=${model} count=${lines.length} label="by file" chosen=${chosen} line=${line}
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

/** @param {{ model: Model }} properties */
function RunningTests({ model }) {
  const running = model.run?.running ?? [];
  const end = model.run?.state === "running" ? model.now : (model.run?.stopped ?? model.run?.seen ?? 0);
  return html`<${List} model=${model} count=${running.length} label="running" empty=${html`<${Empty} model=${model} />`}
    line=${(/** @type {number} */ index) => {
      const one = /** @type {Running} */ (running[index]);
      return {
        key: `${one.session_id} ${one.worker}`,
        draw: () => html`<span class="result" title=${one.nodeid}>
          <span class="outcome running" aria-hidden="true">●</span><${NodeId} nodeid=${one.nodeid} />
          <span class="quiet where">${one.worker}</span>
          <span class="took">${clock(end - one.since)}</span></span>`,
      };
    }} />`;
}

/** @param {{ model: Model }} properties */
function Scopes({ model }) {
  const scopes = [...model.rows.scopes.values()].sort((a, b) => b.bad - a.bad || b.seconds - a.seconds);
  const longest = Math.max(...scopes.map((one) => one.seconds), 0.001);
  return html`<${List} model=${model} count=${scopes.length} label="scopes" empty=${html`<${Empty} model=${model} />`}
    line=${(/** @type {number} */ index) => {
      const one = /** @type {import("./rows.js").ScopeSum} */ (scopes[index]);
      const share = Math.sqrt(one.seconds / longest);
      return {
        key: one.scope,
        draw: () => html`<a class="result" title=${one.scope} href=${link({ ...model.route, tab: "all", scope: one.scope })}>
          <span class="cut">${one.scope}</span>
          <span class="quiet">${counted(one.number, "result")}</span>
          ${one.bad > 0 && html`<span class="outcome failed">✗ ${count(one.bad)}</span>`}
          <span class="took where" style=${{ "--share": `${100 * share}%` }}>${duration(one.seconds)}</span></a>`,
      };
    }} />`;
}

/** What was planned and has no result, though the run is over. @param {{ model: Model }} properties */
function NotRun({ model }) {
  if (model.notRun === null && !model.isLoading) model.loadNotRun();
  const nodeids = model.notRun ?? [];
  return html`<${List} model=${model} count=${nodeids.length} label="not run" empty=${html`<p class="empty">loading …</p>`}
    line=${(/** @type {number} */ index) => ({
      key: String(index),
      draw: () => html`<span class="result" title=${nodeids[index]}><span class="outcome none" aria-hidden="true">○</span>
        <${NodeId} nodeid=${nodeids[index]} /></span>`,
    })} />`;
}

/** Why a list is empty. @param {{ model: Model }} properties */
function Empty({ model }) {
  const { route, run } = model;
  if (model.isLoading) return html`<p class="empty">loading …</p>`;
  if (route.q || route.outcome || route.worker || route.scope)
    return html`<p class="empty">Nothing fits the filters. <a class="link" href=${link({
      ...route,
      q: "",
      outcome: "",
      worker: "",
      scope: "",
    })}>Show all</a></p>`;
  if (route.tab === "failures")
    return html`<p class="empty">${run?.state === "running" ? "No failures so far." : "No failures."}</p>`;
  if (route.tab === "running" && run !== null && !tellsEvents(run))
    return html`<p class="empty">This run tells results only: <code>--publish-events</code> would show what runs.</p>`;
  return html`<p class="empty">${route.tab === "running" ? "Nothing runs." : "No results yet."}</p>`;
}

/** @param {Run} run */
export function tellsEvents(run) {
  return run.sessions.some((session) => session.has_events);
}

/** @param {Run} run */
export function summary(run) {
  return `${counted(bad(run.outcomes), "failure")} of ${counted(run.done, "test")}`;
}
