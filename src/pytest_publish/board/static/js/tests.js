// The tabs of a run, and the list under each.

import { Filters } from "./filters.js";
import { bad, counted } from "./format.js";
import { html } from "./html.js";
import { LISTS } from "./lists.js";
import { changesOf } from "./marks.js";
import { isTree, Results, Tree } from "./results.js";
import { Tabs } from "./tabs.js";

/** @typedef {import("./types.js").Run} Run */
/** @typedef {import("./model.js").Model} Model */

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
  const { run, tab, view, q, outcome, worker, scope, mark, cause } = route;
  const state = [run, tab, view, q, outcome, worker, scope, mark, cause];
  return html`<${Tabs} tabs=${tabs(model)} route=${route} label="Tests">
    ${LISTS[route.tab] === undefined && html`<${Filters} model=${model} />`}
    <${Shown} model=${model} key=${state.join("\n")} />
  </${Tabs}>`;
}

/** @param {Run} run */
export function summary(run) {
  return `${counted(bad(run.outcomes), "failure")} of ${counted(run.done, "test")}`;
}
