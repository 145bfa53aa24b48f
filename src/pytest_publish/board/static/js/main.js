// Starts the page and draws it whenever the model has changed.

import { render } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Causes } from "./causes.js";
import { Compare } from "./compare.js";
import { Copy } from "./copy.js";
import { Detail } from "./detail.js";
import { FlakyTests } from "./flaky.js";
import { date } from "./format.js";
import { Head } from "./head.js";
import { html } from "./html.js";
import { help, KEYS, listen } from "./keys.js";
import { Model } from "./model.js";
import { Overview } from "./overview.js";
import { Runs } from "./runs.js";
import { SlowTests } from "./slow.js";
import { clock, isReport } from "./source.js";
import { showInTab } from "./tab.js";
import { Test } from "./test.js";
import { Tests } from "./tests.js";
import { Workers } from "./workers.js";

/** The pages about more than one run. @type {Record<string, any>} */
const PAGES = { runs: Overview, test: Test, flaky: FlakyTests, slow: SlowTests, causes: Causes, compare: Compare };

/** @param {{ model: Model }} properties */
function Page({ model }) {
  const { route, line } = model;
  const isEmpty = model.hasRuns && model.known.newest.length === 0;
  const isRun = route.page === "run" || isEmpty;
  const hasMain = isRun || !route.isHome;
  const column = isRun && route.test !== null ? "detail" : hasMain ? "run" : "runs";
  return html`<div class=${`page shows-${column} ${line.state === "open" ? "" : "is-old"}`}>
    ${line.state !== "open" && html`<${Banner} isStopped=${line.state === "stopped"} />`}
    ${isReport && html`<${Made} isOver=${model.run?.state !== "running"} />`}
    <${Runs} model=${model} />
    <main class="run" aria-label=${isRun ? "Run" : "Runs"}>
      ${hasMain && !isEmpty && html`<a class="back" href="#/">‹ runs</a>`}
      ${isRun ? html`<${OneRun} model=${model} isEmpty=${isEmpty} />` : html`<${PAGES[route.page]} model=${model} key=${route.page} />`}
    </main>
    ${isRun && html`<${Detail} model=${model} />`}
    ${model.isHelpOpen && html`<${Help} model=${model} />`}
  </div>`;
}

/** @param {{ model: Model, isEmpty: boolean }} properties */
function OneRun({ model, isEmpty }) {
  const { run } = model;
  if (run === null || isEmpty) return html`<${Welcome} model=${model} isEmpty=${isEmpty} />`;
  return html`<${Head} run=${run} model=${model} /><${Workers} model=${model} /><${Tests} model=${model} />`;
}

/** @param {{ isStopped: boolean }} properties */
function Banner({ isStopped }) {
  const text = isStopped ? "The board was stopped" : "The connection to the board is lost";
  return html`<p class="banner" role="alert">${text}: what you see is old. Trying again …</p>`;
}

/** @param {{ isOver: boolean }} properties */
function Made({ isOver }) {
  return html`<p class="made">Report of ${date(clock())}${!isOver && ": the run was still going on"}</p>`;
}

/** @param {{ model: Model, isEmpty: boolean }} properties */
function Welcome({ model, isEmpty }) {
  const command = `pytest --publish ${location.origin} --publish-events`;
  if (model.error) return html`<p class="empty">${model.error}</p>`;
  if (isEmpty)
    return html`<div class="empty">
      <h2>No run yet</h2>
      <p>Start one, and watch it here:</p>
      <pre>${command}</pre>
      <${Copy} what=${() => command} title="Copy the command">copy</${Copy}>
    </div>`;
  return html`<p class="empty">${model.isLoading || !model.hasRuns ? "loading …" : "Choose a run."}</p>`;
}

/** @param {{ model: Model }} properties */
function Help({ model }) {
  const box = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useEffect(() => box.current?.showModal(), []);
  const close = () => help(model, false);
  return html`<dialog class="help" aria-label="Keys" ref=${box} onClose=${close} onClick=${close}>
    <dl>${KEYS.map(([key, what]) => html`<dt key=${key}><kbd>${key}</kbd></dt><dd>${what}</dd>`)}</dl>
  </dialog>`;
}

const root = /** @type {HTMLElement} */ (document.getElementById("page"));
const model = new Model(() => {
  model.rows.isBehind = false;
  render(html`<${Page} model=${model} />`, root);
  showInTab(model);
  if (model.rows.isBehind) model.changed();
});
listen(model);
model.start();
