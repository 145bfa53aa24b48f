// Starts the page and draws it whenever the model has changed.

import { render } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Copy } from "./copy.js";
import { Detail } from "./detail.js";
import { date } from "./format.js";
import { Head } from "./head.js";
import { html } from "./html.js";
import { help, KEYS, listen } from "./keys.js";
import { Model } from "./model.js";
import { Runs } from "./runs.js";
import { clock, isReport } from "./source.js";
import { showInTab } from "./tab.js";
import { Tests } from "./tests.js";
import { Workers } from "./workers.js";

/** @param {{ model: Model }} properties */
function Page({ model }) {
  const { route, run } = model;
  const isEmpty = model.hasRuns && model.runs.size === 0;
  const hasRun = route.run !== null || route.isLatest || isEmpty;
  const column = route.test !== null ? "detail" : hasRun ? "run" : "runs";
  return html`<div class=${`page shows-${column} ${model.line === "open" ? "" : "is-old"}`}>
    ${model.line !== "open" && html`<${Banner} model=${model} />`}
    ${isReport && html`<${Made} isOver=${run?.state !== "running"} />`}
    <${Runs} model=${model} />
    <main class="run" aria-label="Run">
      ${hasRun && !isEmpty && html`<a class="back" href="#/">‹ runs</a>`}
      ${
        run !== null
          ? html`<${Head} run=${run} model=${model} /><${Workers} model=${model} /><${Tests} model=${model} />`
          : html`<${Welcome} model=${model} isEmpty=${isEmpty} />`
      }
    </main>
    <${Detail} model=${model} />
    ${model.isHelpOpen && html`<${Help} model=${model} />`}
  </div>`;
}

/** @param {{ model: Model }} properties */
function Banner({ model }) {
  const text = model.line === "stopped" ? "The board was stopped" : "The connection to the board is lost";
  return html`<p class="banner" role="alert">${text}: what you see is old. Trying again …</p>`;
}

/** @param {{ isOver: boolean }} properties */
function Made({ isOver }) {
  const rest = isOver ? "" : ": the run was still going on";
  return html`<p class="made">Report of ${date(clock())}${rest}</p>`;
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
  render(html`<${Page} model=${model} />`, root);
  showInTab(model.run);
});
listen(model);
model.start();
