// One test over all runs.

import { useEffect, useRef, useState } from "preact/hooks";
import * as api from "./api.js";
import { causeList } from "./causes.js";
import { Copy } from "./copy.js";
import { BAD, counted, date, duration, parts, quoted } from "./format.js";
import { Answer, nothing, Page } from "./history.js";
import { html } from "./html.js";
import { sign, took } from "./lines.js";
import { listOf } from "./lists.js";
import { linkToRun } from "./route.js";
import { letterOf, strip } from "./strip.js";
import { Tabs } from "./tabs.js";

/** @typedef {import("./types.js").TestHistory} TestHistory */
/** @typedef {import("./types.js").Past} Past */
/** @typedef {import("./model.js").Model} Model */

/** @param {{ model: Model }} properties */
export function Test({ model }) {
  const { project, nodeid } = model.route;
  const [path, name, parameters] = parts(nodeid);
  const about = { key: `test ${project} ${nodeid}`, ask: () => api.test(project, nodeid) };
  const title = html`<span class="quiet path">${path}</span>${name}<i>${parameters}</i>`;
  return html`<${Page} model=${model} title=${title} name=${nodeid}>
    <${Answer} model=${model} about=${about}>${(/** @type {TestHistory} */ answer) => html`
      <${History} model=${model} history=${answer} key=${nodeid} />`}
    </${Answer}>
  </${Page}>`;
}

/** @param {{ model: Model, history: TestHistory }} properties */
function History({ model, history }) {
  const { results, causes } = history;
  /** @type {import("./tabs.js").Tab[]} */
  const tabs = [
    ["results", "Results", results.length],
    ["causes", "Causes", causes.length],
  ];
  const none = nothing(model, "This test has not failed in the runs that are known.");
  return html`<${About} history=${history} />
    <${Plot} history=${history} />
    <${Tabs} tabs=${tabs} route=${model.route} label="Results of this test">
      ${model.route.tab === "causes" ? causeList(model, causes, none) : table(model, history)}
    </${Tabs}>`;
}

/** @param {{ history: TestHistory }} properties */
function About({ history: { project, nodeid, results, median, flips } }) {
  const failed = results.filter((one) => BAD.has(one.outcome)).length;
  const last = results.slice(0, 30).reverse();
  return html`<div class="about-test">
    <p class="facts">
      ${strip(last.map((one) => letterOf(one.outcome)).join(""))}
      ${project && html`<span>${project}</span>`}
      <span>${counted(results.length, "result")}</span>
      <span class=${failed ? "outcome failed" : "quiet"}>${failed ? `✗ ${failed} failed` : "none failed"}</span>
      <span>${counted(flips, "flip")}</span>
      ${median !== null && html`<span>median ${duration(median)}</span>`}
    </p>
    <p class="actions">
      <${Copy} what=${() => nodeid} title="Copy the node id">copy node id</${Copy}>
      <${Copy} what=${() => `pytest ${quoted(nodeid)}`} title="Copy the command that runs it again">copy rerun</${Copy}>
    </p>
  </div>`;
}

/** Its durations. What draws them is loaded only here. @param {{ history: TestHistory }} properties */
function Plot({ history }) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const [plot, load] = useState(/** @type {{ plot: typeof import("./plot.js").plot } | null} */ (null));
  const [told, tell] = useState("");
  const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
  const { results } = history;
  useEffect(() => {
    import("./plot.js").then(load);
  }, []);
  useEffect(() => {
    if (plot === null || box.current === null) return;
    return plot.plot(box.current, history, (one) => tell(one ? describe(one) : ""));
  }, [plot, history, isDark, innerWidth]);
  if (results.length < 2)
    return html`<p class="explained quiet">With the next run, a plot of its durations is here.</p>`;
  return html`<div class="plot" ref=${box} role="img" aria-label="Durations over runs, as in the list below"></div>
    <p class="explained quiet">${told || "Durations, the oldest at the left; the dashed line is the median of its passes."}</p>`;
}

/** @param {Past} one */
function describe(one) {
  return `${date(one.started)}: ${one.outcome}, ${duration(one.duration)}${one.commit ? `, ${one.commit.slice(0, 7)}` : ""}`;
}

/** @param {Model} model @param {TestHistory} history */
function table(model, { results, causes }) {
  const longest = Math.max(0.001, ...results.map((one) => one.duration));
  const reasons = new Map(causes.map((cause) => [cause.id, `${cause.type}: ${cause.message}`]));
  const draw = (/** @type {Past} */ one) => {
    const reason = one.cause === null ? "" : reasons.get(one.cause);
    return html`<a class="result" href=${linkToRun(one, one.key)} title=${one.run_id}>
      ${sign(one.outcome)}
      <span class="at">${date(one.started)}</span>
      <span class="quiet commit">${one.commit?.slice(0, 7)}</span>
      ${one.attempt > 1 && html`<span class="quiet" title=${`attempt ${one.attempt}`}>↻${one.attempt}</span>`}
      <span class="quiet problem cut">${reason}</span>
      ${one.worker !== null && html`<span class="quiet where">${one.worker}</span>`}
      ${took(one.duration, Math.sqrt(one.duration / longest))}
    </a>`;
  };
  return listOf(model, "results", results, (one) => one.key, draw, { empty: nothing(model, "No results.") });
}
