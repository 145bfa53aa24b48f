// Two runs side by side.

import * as api from "./api.js";
import { SmallBar } from "./bar.js";
import { bad, clock, count, date, duration } from "./format.js";
import { Answer, nothing, Page, Search, searched } from "./history.js";
import { html } from "./html.js";
import { historyLink, nodeId, sign } from "./lines.js";
import { listOf } from "./lists.js";
import { branch } from "./metadata.js";
import { link, linksToTests, linkToRun } from "./route.js";
import { stateOf } from "./runs.js";
import { Tabs } from "./tabs.js";

/** @typedef {import("./types.js").Run} Run */
/** @typedef {import("./types.js").Pair} Pair */
/** @typedef {import("./types.js").Side} Side */
/** @typedef {import("./types.js").Comparison} Comparison */
/** @typedef {import("./model.js").Model} Model */

/** The lists, and what it means that one is empty. @type {[name: string, title: string, none: string][]} */
const LISTS = [
  ["broken", "Broken", "Nothing that passed in the first run fails in the second."],
  ["mended", "Mended", "Nothing that failed in the first run passes in the second."],
  ["added", "New tests", "The second run has no test that the first has not."],
  ["removed", "Gone", "The second run has each test of the first."],
  ["slower", "Slower", "No test took notably longer."],
  ["faster", "Faster", "No test took notably less time."],
];

/** @param {{ model: Model }} properties */
export function Compare({ model }) {
  const { project, a, b } = model.route;
  const all = link({ page: "runs", project });
  const about = { key: `compare ${project} ${a} ${b}`, ask: () => api.compare(project, a, b) };
  return html`<${Page} model=${model} title="Two runs compared" beside=${html`<${Search} model=${model} />`}>
    ${
      a && b
        ? html`<${Answer} model=${model} about=${about}>${(/** @type {Comparison} */ answer) => html`
          <${Both} model=${model} answer=${answer} />`}</${Answer}>`
        : nothing(model, "Which runs?", html`Choose two of <a class="link" href=${all}>the list of runs</a>.`)
    }
  </${Page}>`;
}

/** @param {{ model: Model, answer: Comparison }} properties */
function Both({ model, answer }) {
  const { route } = model;
  /** @type {Pair[]} */
  const pairs = answer[route.tab] ?? [];
  const none = LISTS.find(([name]) => name === route.tab)?.[2] ?? "";
  /** @type {import("./tabs.js").Tab[]} */
  const tabs = LISTS.map(([name, title]) => [name, title, answer.counts[name] ?? 0]);
  return html`<div class="two-runs">
      ${one(answer.a)}
      <a class="button swap" href=${link({ ...route, a: route.b, b: route.a })} title="Compare the other way round">
        <span aria-hidden="true">⇄</span><span class="unseen">swap</span></a>
      ${one(answer.b)}
    </div>
    <${Tabs} tabs=${tabs} route=${route} label="Differences">
      ${pairs.length < (answer.counts[route.tab] ?? 0) && html`<p class="explained quiet">The first ${count(pairs.length)} are listed.</p>`}
      ${listOf(
        model,
        route.tab,
        searched(pairs, route.q),
        (pair) => pair.nodeid,
        (pair) => line(pair, answer),
        { empty: nothing(model, none) },
      )}
    </${Tabs}>`;
}

/** @param {Run} run */
function one(run) {
  const [shape, word] = stateOf(run);
  const failed = bad(run.outcomes);
  return html`<a class="a-run" href=${linkToRun(run)} title=${run.run_id}>
    <span class="cut"><span class=${`state-${run.state} ${failed ? "has-failed" : ""}`}><span aria-hidden="true">${shape}</span>
      <span class="unseen">${word}</span></span> <b>${date(run.started)}</b> <span class="quiet">${branch(run)}</span></span>
    <${SmallBar} run=${run} />
    <span class="quiet cut">${count(failed)} of ${count(run.done)} failed, ${clock((run.stopped ?? run.seen) - run.started)}</span>
  </a>`;
}

/** @param {Pair} pair @param {Comparison} answer */
function line(pair, { a, b }) {
  const [run, side] = pair.b ? [b, pair.b] : [a, pair.a];
  return html`<a class="result" href=${linkToRun(run, side?.[1])} title=${pair.nodeid}>
      <span class="change">${was(pair.a)}<span class="quiet" aria-hidden="true">→</span><span class="unseen">, then </span>${was(pair.b)}</span>
      <span class="grows">${nodeId(pair.nodeid)}</span>
      <span class="number quiet">${pair.a && duration(pair.a[2])}</span>
      <span class="number">${pair.b && duration(pair.b[2])}</span>
    </a>
    ${historyLink(linksToTests(b.project)(pair.nodeid))}`;
}

/** @param {Side | null} side */
function was(side) {
  return side
    ? sign(side[0])
    : html`<span class="outcome none"><span aria-hidden="true">·</span><span class="unseen">not there</span></span>`;
}
