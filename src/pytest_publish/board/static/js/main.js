// Starts the page and draws it whenever the model has changed.

import { render } from "preact";
import { html } from "./html.js";
import { Detail } from "./detail.js";
import { Head } from "./head.js";
import { KEYS, listen } from "./keys.js";
import { Model } from "./model.js";
import { Runs } from "./runs.js";
import { showInTab } from "./tab.js";
import { Tests } from "./tests.js";
import { Workers } from "./workers.js";

/** @param {{ model: Model }} properties */
function Page({ model }) {
  const { route, run } = model;
  const column = route.test !== null ? "detail" : route.run !== null ? "run" : "runs";
  return html`<div class=${`page shows-${column}`}>
    ${model.line !== "open" && html`<${Banner} model=${model} />`}
    <${Runs} model=${model} />
    <main class="run" aria-label="Run">
      ${route.run !== null && html`<a class="back" href="#/" aria-label="Back to the runs">‹ runs</a>`}
      ${run !== null
        ? html`<${Head} run=${run} /><${Workers} model=${model} /><${Tests} model=${model} />`
        : html`<${Welcome} model=${model} />`}
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

/** @param {{ model: Model }} properties */
function Welcome({ model }) {
  if (model.isLoading) return html`<p class="empty">loading …</p>`;
  if (model.error) return html`<p class="empty">${model.error}</p>`;
  if (model.runs.size > 0) return html`<p class="empty">Choose a run.</p>`;
  return html`<div class="empty">
    <p>No run yet. Start one, and watch it here:</p>
    <pre>pytest --publish ${location.origin} --publish-events</pre>
  </div>`;
}

/** @param {{ model: Model }} properties */
function Help({ model }) {
  const close = () => {
    model.isHelpOpen = false;
    model.changed();
  };
  return html`<div class="help" role="dialog" aria-label="Keys" onClick=${close}>
    <dl>${KEYS.map(([key, what]) => html`<dt key=${key}><kbd>${key}</kbd></dt><dd>${what}</dd>`)}</dl>
  </div>`;
}

const root = /** @type {HTMLElement} */ (document.getElementById("page"));
const model = new Model(() => {
  // Whoever opens the board wants to see the newest run.
  const newest = model.newest[0];
  if (model.route.run === null && location.hash === "" && newest)
    model.go({ run: newest.run_id, project: newest.project || null }, true);
  render(html`<${Page} model=${model} />`, root);
  showInTab(model.run);
});
listen(model);
model.start();
