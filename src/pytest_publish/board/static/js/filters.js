// What chooses among a run's results.

import { Copy } from "./copy.js";
import { BAD, bad, count, quoted } from "./format.js";
import { html } from "./html.js";
import { changesOf, marksOf } from "./marks.js";
import { link } from "./route.js";
import { NODEID, OUTCOME } from "./types.js";

/** @typedef {import("./model.js").Model} Model */

/** Scopes that a select offers; of more, the tab has them all. */
const MOST_CHOICES = 200;

/** @param {{ model: Model }} properties */
export function Filters({ model }) {
  const { route, rows } = model;
  const change = (/** @type {string} */ name) => (/** @type {Event} */ event) =>
    model.go({ [name]: /** @type {HTMLInputElement} */ (event.currentTarget).value }, true);
  const workers = [...new Set([...rows.lanes.values()].map((lane) => lane.worker))].filter(Boolean);
  const marks = [...new Set(Object.values(marksOf(model)).map((one) => one.mark))];
  const causes = new Map((changesOf(model)?.causes ?? []).map((one) => [String(one.id), title(one)]));
  const failures = () => {
    const nodeids = new Set(rows.all.filter((row) => BAD.has(row[OUTCOME])).map((row) => row[NODEID]));
    return `pytest ${[...nodeids].map(quoted).join(" ")}`;
  };
  return html`<div class="filters">
    <input type="search" id="search" placeholder="search (/)" aria-label="Search in names and problems"
      value=${route.q} onInput=${change("q")} />
    ${(route.tab !== "failures" || route.outcome) && choice("outcome", rows.outcomes, route.outcome, change("outcome"))}
    ${(marks.length > 1 || route.mark) && choice("mark", marks, route.mark, change("mark"))}
    ${(causes.size > 1 || route.cause) && choice("cause", [...causes.keys()], route.cause, change("cause"), causes)}
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

/** @param {string} name @param {string[]} values @param {string} value @param {(event: Event) => void} onChange @param {Map<string, string>} [titles] */
function choice(name, values, value, onChange, titles) {
  const all = value && !values.includes(value) ? [value, ...values] : values;
  return html`<select aria-label=${name} value=${value} class=${value ? "is-set" : ""} onChange=${onChange}>
    <option value="">${name}: all</option>
    ${all.map((one) => html`<option key=${one} value=${one} selected=${one === value}>${titles?.get(one) ?? one}</option>`)}
  </select>`;
}

/** @param {import("./types.js").Changes["causes"][number]} cause */
function title({ type, message, number }) {
  return `${count(number)} × ${type}: ${message}`.slice(0, 80);
}
