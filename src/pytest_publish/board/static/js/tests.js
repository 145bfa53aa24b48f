// The tabs of a run, and the list under each.

import { useState } from "preact/hooks";
import { html } from "./html.js";
import { BAD, bad, clock, count, counted, OUTCOMES, quoted } from "./format.js";
import { List, NodeId, ResultLine } from "./list.js";
import { link } from "./route.js";
import { FILE, KEY, NODEID, OUTCOME } from "./types.js";
import { Copy } from "./copy.js";

/** @typedef {import("./types.js").Row} Row */
/** @typedef {import("./types.js").Run} Run */
/** @typedef {import("./model.js").Model} Model */

/** @param {Model} model @returns {[string, string, number | null][]} name, title, number */
export function tabs(model) {
  const run = model.run;
  const missing = run?.stopped && run.total !== null ? Math.max(0, run.total - run.done) : 0;
  const all = Object.values(run?.outcomes ?? {}).reduce((sum, number) => sum + number, 0);
  return [
    ["failures", "Failures", run ? bad(run.outcomes) : 0],
    ["running", "Running", run?.running?.length ?? 0],
    ["all", "All", all],
    ["slowest", "Slowest", null],
    ...(missing ? [/** @type {[string, string, number]} */ (["not-run", "Not run", missing])] : []),
  ];
}

/** The rows of the tab that is open, for the list and for the keys. @param {Model} model @returns {Row[]} */
export function shownRows(model) {
  const { tab, q, outcome, worker, scope } = model.route;
  const rows = model.rows.filtered({ q, outcome, worker, scope, bad: tab === "failures" });
  return tab === "slowest" ? model.rows.slowest(rows) : rows;
}

/** @param {{ model: Model }} properties */
export function Tests({ model }) {
  const { tab, view } = model.route;
  return html`<section class="tests" aria-label="Tests">
    <div class="tabs" role="tablist">
      ${tabs(model).map(([name, title, number]) => html`<a role="tab" key=${name} aria-selected=${tab === name}
          href=${link({ ...model.route, tab: name })}>${title} ${number !== null && html`<b>${count(number)}</b>`}</a>`)}
    </div>
    ${tab !== "running" && tab !== "not-run" && html`<${Filters} model=${model} />`}
    ${tab === "running"
      ? html`<${Running} model=${model} />`
      : tab === "not-run"
        ? html`<${NotRun} model=${model} />`
        : view === "tree" && tab !== "slowest"
          ? html`<${Tree} model=${model} />`
          : html`<${Flat} model=${model} />`}
  </section>`;
}

/** @param {{ model: Model }} properties */
function Filters({ model }) {
  const { route, rows } = model;
  const change = (/** @type {string} */ name) => (/** @type {Event} */ event) =>
    model.go({ [name]: /** @type {HTMLInputElement} */ (event.currentTarget).value }, true);
  const workers = [...rows.byWorker.keys()].filter(Boolean);
  const failures = () =>
    `pytest ${rows.all.filter((row) => BAD.has(row[OUTCOME])).map((row) => quoted(row[NODEID])).join(" ")}`;
  return html`<div class="filters">
    <input type="search" id="search" placeholder="search (/)" aria-label="Search in names and problems"
      value=${route.q} onInput=${change("q")} />
    ${route.tab !== "failures" && choice("outcome", Object.keys(OUTCOMES), route.outcome, change("outcome"))}
    ${workers.length > 1 && choice("worker", workers, route.worker, change("worker"))}
    ${rows.scopes.size > 1 && rows.scopes.size < 1000 && choice("scope", [...rows.scopes], route.scope, change("scope"))}
    ${route.tab === "failures" && model.run && bad(model.run.outcomes) > 0 &&
    html`<${Copy} what=${failures} title="Copy the command that runs the failures again">rerun</${Copy}>`}
    ${route.tab !== "slowest" &&
    html`<a class="button" href=${link({ ...route, view: route.view === "tree" ? "flat" : "tree" })}>
      ${route.view === "tree" ? "flat" : "by file"}</a>`}
  </div>`;
}

/** @param {string} name @param {string[]} values @param {string} value @param {(event: Event) => void} onChange */
function choice(name, values, value, onChange) {
  return html`<select aria-label=${name} value=${value} onChange=${onChange}>
    <option value="">${name}</option>
    ${values.map((one) => html`<option key=${one} value=${one} selected=${one === value}>${one}</option>`)}
  </select>`;
}

/** @param {{ model: Model }} properties */
function Flat({ model }) {
  const rows = shownRows(model);
  const { test, tab } = model.route;
  const chosen = test === null ? -1 : rows.findIndex((row) => row[KEY] === test);
  return html`<${List} count=${rows.length} label=${tab} chosen=${chosen} tellsNew=${tab === "failures" && !model.isLoading}
    line=${(/** @type {number} */ index) => resultLine(model, /** @type {Row} */ (rows[index]), false)}
    empty=${html`<${Empty} model=${model} />`} />`;
}

/** @param {Model} model @param {Row} row @param {boolean} isInTree */
function resultLine(model, row, isInTree) {
  return {
    key: row[KEY],
    draw: () => html`<${ResultLine} row=${row} href=${link({ ...model.route, test: row[KEY] })} isInTree=${isInTree}
      isChosen=${model.route.test === row[KEY]} longest=${model.rows.longest} />`,
  };
}

/** The results below their files. @param {{ model: Model }} properties */
function Tree({ model }) {
  const [closed, close] = useState(/** @type {Set<string>} */ (new Set()));
  const toggle = (/** @type {string} */ file) => {
    const next = new Set(closed);
    if (!next.delete(file)) next.add(file);
    close(next);
  };
  /** @type {({ file: string, rows: Row[] } | { row: Row })[]} */
  const lines = [];
  for (const [file, rows] of grouped(shownRows(model))) {
    lines.push({ file, rows });
    if (!closed.has(file)) for (const row of rows) lines.push({ row });
  }
  const line = (/** @type {number} */ index) => {
    const one = /** @type {typeof lines[number]} */ (lines[index]);
    if ("row" in one) return resultLine(model, one.row, true);
    return { key: `file ${one.file}`, draw: () => fileLine(one.file, one.rows, closed.has(one.file), toggle) };
  };
  const chosen = lines.findIndex((one) => "row" in one && one.row[KEY] === model.route.test);
  return html`<${List} count=${lines.length} label="by file" chosen=${chosen} line=${line}
    empty=${html`<${Empty} model=${model} />`} />`;
}

/** @param {Row[]} rows */
function grouped(rows) {
  /** @type {Map<string, Row[]>} */
  const groups = new Map();
  for (const row of rows) {
    const group = groups.get(row[FILE] ?? "");
    if (group) group.push(row);
    else groups.set(row[FILE] ?? "", [row]);
  }
  return [...groups].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** @param {string} file @param {Row[]} rows @param {boolean} isClosed @param {(file: string) => void} toggle */
function fileLine(file, rows, isClosed, toggle) {
  const failed = rows.filter((row) => BAD.has(row[OUTCOME])).length;
  return html`<button class="file" aria-expanded=${!isClosed} onClick=${() => toggle(file)}>
    <span aria-hidden="true">${isClosed ? "▸" : "▾"}</span> ${file || "no file"}
    <span class="quiet">${count(rows.length)}</span>
    ${failed > 0 && html`<span class="outcome failed">✗ ${count(failed)}</span>`}
  </button>`;
}

/** @param {{ model: Model }} properties */
function Running({ model }) {
  const running = model.run?.running ?? [];
  return html`<${List} count=${running.length} label="running" chosen=${-1} empty=${html`<${Empty} model=${model} />`}
    line=${(/** @type {number} */ index) => {
      const one = /** @type {import("./types.js").Running} */ (running[index]);
      return {
        key: `${one.session_id} ${one.worker}`,
        draw: () => html`<span class="result">
          <span class="outcome running">●</span><${NodeId} nodeid=${one.nodeid} />
          <span class="quiet where">${one.worker}</span>
          <span class="took">${clock(Date.now() / 1000 - one.since)}</span></span>`,
      };
    }} />`;
}

/** What was planned and has no result, though the run is over. @param {{ model: Model }} properties */
function NotRun({ model }) {
  if (model.notRun === null) model.loadNotRun();
  const nodeids = model.notRun ?? [];
  return html`<${List} count=${nodeids.length} label="not run" chosen=${-1} empty=${html`<p class="empty">…</p>`}
    line=${(/** @type {number} */ index) => ({
      key: String(index),
      draw: () => html`<span class="result"><span class="outcome none">○</span>
        <${NodeId} nodeid=${nodeids[index]} /></span>`,
    })} />`;
}

/** Why a list is empty. @param {{ model: Model }} properties */
function Empty({ model }) {
  const { route, run } = model;
  if (model.isLoading) return html`<p class="empty">loading …</p>`;
  if (route.q || route.outcome || route.worker || route.scope)
    return html`<p class="empty">Nothing fits the filters.</p>`;
  if (route.tab === "failures")
    return html`<p class="empty">${run?.state === "running" ? "No failures so far." : "No failures."}</p>`;
  if (route.tab === "running" && run?.state === "running" && !run.sessions.some((session) => session.has_events))
    return html`<p class="empty">This run tells results only: <code>--publish-events</code> would show what runs.</p>`;
  return html`<p class="empty">${route.tab === "running" ? "Nothing runs." : "No results yet."}</p>`;
}

/** @param {Run} run */
export function summary(run) {
  return `${counted(bad(run.outcomes), "failure")} of ${counted(run.done, "test")}`;
}
