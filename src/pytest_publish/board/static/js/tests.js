// The tabs of a run, and the list under each.

import { Copy } from "./copy.js";
import { BAD, bad, counted, quoted } from "./format.js";
import { html } from "./html.js";
import { isTree, LISTS, Results, Tree } from "./lists.js";
import { changesOf } from "./marks.js";
import { link } from "./route.js";
import { Tabs } from "./tabs.js";
import { NODEID, OUTCOME } from "./types.js";

/** @typedef {import("./types.js").Run} Run */
/** @typedef {import("./model.js").Model} Model */

/** Scopes that a select offers; of more, the tab has them all. */
const MOST_CHOICES = 200;

/** @param {Model} model @returns {import("./tabs.js").Tab[]} */
function tabs(model) {
  const { run, rows } = model;
  const missing = run?.stopped && run.total !== null ? Math.max(0, run.total - run.done) : 0;
  const all = Object.values(run?.outcomes ?? {}).reduce((sum, number) => sum + number, 0);
  const isOver = run !== null && run.state !== "running";
  const running = run?.running?.length ?? 0;
  const mended = changesOf(model)?.mended.length ?? 0;
  /** @type {import("./tabs.js").Tab[]} */
  const found = [["failures", "Failures", run ? bad(run.outcomes) : 0]];
  if (mended > 0 || model.route.tab === "mended") found.push(["mended", "Mended", mended]);
  if (!isOver || running > 0) found.push(["running", isOver ? "Was running" : "Running", running]);
  found.push(["all", "All", all], ["slowest", "Slowest", null]);
  if (rows.scopes.size > 0) found.push(["scopes", "Scopes", rows.scopes.size]);
  if (missing > 0) found.push(["not-run", "Not run", missing]);
  return found;
}

/** @param {{ model: Model }} properties */
export function Tests({ model }) {
  const { route } = model;
  const Shown = LISTS[route.tab] ?? (isTree(model) ? Tree : Results);
  const state = [route.run, route.tab, route.q, route.outcome, route.worker, route.scope, route.view];
  return html`<${Tabs} tabs=${tabs(model)} route=${route} label="Tests">
    ${LISTS[route.tab] === undefined && html`<${Filters} model=${model} />`}
    <${Shown} model=${model} key=${state.join("\n")} />
  </${Tabs}>`;
}

/** @param {{ model: Model }} properties */
function Filters({ model }) {
  const { route, rows } = model;
  const change = (/** @type {string} */ name) => (/** @type {Event} */ event) =>
    model.go({ [name]: /** @type {HTMLInputElement} */ (event.currentTarget).value }, true);
  const workers = [...new Set([...rows.lanes.values()].map((lane) => lane.worker))].filter(Boolean);
  const failures = () => {
    const nodeids = new Set(rows.all.filter((row) => BAD.has(row[OUTCOME])).map((row) => row[NODEID]));
    return `pytest ${[...nodeids].map(quoted).join(" ")}`;
  };
  return html`<div class="filters">
    <input type="search" id="search" placeholder="search (/)" aria-label="Search in names and problems"
      value=${route.q} onInput=${change("q")} />
    ${(route.tab !== "failures" || route.outcome) && choice("outcome", rows.outcomes, route.outcome, change("outcome"))}
    ${(workers.length > 1 || route.worker) && choice("worker", workers, route.worker, change("worker"))}
    ${(rows.scopes.size > 1 || route.scope) && choice("scope", scopes(rows), route.scope, change("scope"))}
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

/** @param {import("./rows.js").Rows} rows */
function scopes(rows) {
  const found = [];
  for (const scope of rows.scopes.keys()) if (found.push(scope) === MOST_CHOICES) break;
  return found;
}

/** @param {string} name @param {string[]} values @param {string} value @param {(event: Event) => void} onChange */
function choice(name, values, value, onChange) {
  const all = value && !values.includes(value) ? [value, ...values] : values;
  return html`<select aria-label=${name} value=${value} class=${value ? "is-set" : ""} onChange=${onChange}>
    <option value="">${name}: all</option>
    ${all.map((one) => html`<option key=${one} value=${one} selected=${one === value}>${one}</option>`)}
  </select>`;
}

/** @param {Run} run */
export function summary(run) {
  return `${counted(bad(run.outcomes), "failure")} of ${counted(run.done, "test")}`;
}
