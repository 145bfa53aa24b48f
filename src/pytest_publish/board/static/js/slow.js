// The slowest tests, and those that got slower.

import * as api from "./api.js";
import { last } from "./flaky.js";
import { counted, duration } from "./format.js";
import { Answer, nothing, Page, Projects, Search, searched } from "./history.js";
import { html } from "./html.js";
import { nodeId, took } from "./lines.js";
import { listOf } from "./lists.js";
import { linksToTests } from "./route.js";
import { Tabs } from "./tabs.js";

/** @typedef {import("./types.js").Slow} Test */
/** @typedef {import("./model.js").Model} Model */

/** @param {{ model: Model }} properties */
export function SlowTests({ model }) {
  const { project } = model.route;
  const about = { key: `slow ${project}`, ask: () => api.slow(project) };
  const beside = html`<${Search} model=${model} /><${Projects} model=${model} />`;
  return html`<${Page} model=${model} title="Slow tests" beside=${beside}>
    <${Answer} model=${model} about=${about}>${(/** @type {{ slowest: Test[], slower: Test[] }} */ answer) => html`
      <${Both} model=${model} answer=${answer} />`}
    </${Answer}>
  </${Page}>`;
}

/** @param {{ model: Model, answer: { slowest: Test[], slower: Test[] } }} properties */
function Both({ model, answer }) {
  const { tab, q, project } = model.route;
  const isSlower = tab === "slower";
  const all = isSlower ? answer.slower : answer.slowest;
  const tests = searched(all, q);
  const longest = Math.max(0.001, ...all.map((one) => one.median));
  /** @type {import("./tabs.js").Tab[]} */
  const tabs = [
    ["slowest", "Slowest", answer.slowest.length],
    ["slower", "Got slower", answer.slower.length],
  ];
  return html`<${Tabs} tabs=${tabs} route=${model.route} label="Slow tests">
    ${all.length > 0 && columns(isSlower, project)}
    ${listOf(
      model,
      tab,
      tests,
      (one) => `${one.project} ${one.nodeid}`,
      (one) => line(one, isSlower, project, longest),
      { empty: empty(model, isSlower) },
    )}
  </${Tabs}>`;
}

/** @param {boolean} isSlower @param {string | null} project */
function columns(isSlower, project) {
  return html`<div class="columns" aria-hidden="true">
    <span class="grows">test</span>
    ${!project && html`<span class="project">project</span>`}
    ${isSlower ? html`<span class="number">before</span><span class="number">times</span>` : html`<span class="number spread">spread</span>`}
    <span class="number runs-of">runs</span>
    <span class="took">median</span>
    <span class="last">last run</span>
  </div>`;
}

/** @param {Test} one @param {boolean} isSlower @param {string | null} project @param {number} longest */
function line(one, isSlower, project, longest) {
  return html`<a class="result" href=${linksToTests(one.project)(one.nodeid)} title=${one.nodeid}>
      <span class="grows">${nodeId(one.nodeid)}</span>
      ${!project && html`<span class="quiet project cut">${one.project}</span>`}
      ${
        isSlower
          ? html`<span class="number quiet">${duration(one.before ?? 0)}</span><span class="number slower">${(one.ratio ?? 1).toFixed(1)} ×</span>`
          : html`<span class="number quiet spread">${one.spread !== null && `± ${duration(one.spread)}`}</span>`
      }
      <span class="number quiet runs-of" title=${counted(one.runs, "run")}>${one.runs}</span>
      ${took(one.median, Math.sqrt(one.median / longest))}
    </a>
    ${last(one.last)}`;
}

/** @param {Model} model @param {boolean} isSlower */
function empty(model, isSlower) {
  return isSlower
    ? nothing(
        model,
        "No test got slower",
        "The median of a test's last five passes is compared with those before, beyond their usual spread: that takes some runs.",
      )
    : nothing(model, "No durations yet", "Tests are listed here as soon as they have passed in a run.");
}
