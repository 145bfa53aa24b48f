// One result: what went wrong, in pytest's own words, and whatever else is known.

import { useEffect, useRef } from "preact/hooks";
import { resultLink } from "./api.js";
import { Copy } from "./copy.js";
import { date, duration, parts, quoted, shape } from "./format.js";
import { html } from "./html.js";
import { Told } from "./marks.js";
import { link, linksToTests } from "./route.js";
import { isReport } from "./source.js";
import { Failure, Output } from "./texts.js";
import { ATTEMPT, KEY, OUTCOME } from "./types.js";

/** @typedef {import("./types.js").Result} Result */
/** @typedef {import("./model.js").Model} Model */

/** @param {{ model: Model }} properties */
export function Detail({ model }) {
  const key = model.route.test;
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  // The keyboard's focus follows what opens.
  useEffect(() => box.current?.focus(), [key]);
  if (key === null) return null;
  const result = model.result(key);
  return html`<aside class="detail" aria-label="Result" tabindex="-1" ref=${box}>
    <a class="back" href=${link({ ...model.route, test: null })} title="Back to the list (Esc)"><span class="narrow">‹ tests</span><span class="wide" aria-hidden="true">×</span><span class="unseen">Back to the list</span></a>
    ${
      result === null
        ? html`<p class="empty">loading …</p>`
        : result instanceof Error
          ? html`<p class="empty">${result.message}${" "}
            <button type="button" class="link" onClick=${() => model.answers.retry(`result ${key}`)}>try again</button></p>`
          : html`<${Whole} key=${key} id=${key} result=${result} model=${model} />`
    }
  </aside>`;
}

/** @param {{ id: string, result: Result, model: Model }} properties */
function Whole({ id, result, model }) {
  const [path, name, parameters] = parts(result.nodeid);
  const texts = failures(result);
  const history = linksToTests(model.route.project)(result.nodeid);
  const where = [result.xdist_worker, result.host].filter(Boolean).join(" · ");
  return html`
    <p class="quiet path">${path}</p>
    <h3>${name}<i>${parameters}</i></h3>
    <p class="facts">
      <span class=${`outcome ${result.outcome}`}>${shape(result.outcome)} ${result.outcome}</span>
      <span>${duration(result.duration)}</span>
      ${where && html`<span>${where}</span>`}
      <span>${date(result.start_time)}</span>
      ${result.file && html`<span class="quiet">${result.file}${result.line ? `:${result.line}` : ""}</span>`}
    </p>
    <${Told} model=${model} nodeid=${result.nodeid} />
    <p class="actions">
      ${history && html`<a class="button" href=${history} title="This test over all runs (h)">history</a>`}
      <${Copy} what=${() => result.nodeid} title="Copy the node id">copy node id</${Copy}>
      <${Copy} what=${() => `pytest ${quoted(result.nodeid)}`} title="Copy the command that runs it again">copy rerun</${Copy}>
      ${
        texts.length > 0 &&
        html`<${Copy} what=${() => texts.map((one) => one.text).join("\n\n")} title="Copy the text of the failure">copy text</${Copy}>`
      }
      ${
        isReport
          ? html`<${Copy} what=${() => JSON.stringify(result, null, 2)} title="Copy the JSON">copy JSON</${Copy}>`
          : html`<a class="button" href=${resultLink(id)} target="_blank" rel="noreferrer">JSON</a>`
      }
    </p>
    <${Attempts} id=${id} model=${model} />
    ${texts.map(
      (one) => html`<section key=${one.heading}>
      ${(texts.length > 1 || one.heading !== "call") && html`<h4>${one.heading}</h4>`}
      <${Failure} text=${one.text} />
    </section>`,
    )}
    <${Subtests} result=${result} />
    ${[
      ["log", result.log],
      ["stdout", result.stdout],
      ["stderr", result.stderr],
    ].map(([heading, text]) => text && html`<${Output} key=${heading} heading=${heading} text=${text} />`)}
    <${Properties} properties=${result.properties} />
    <${Phases} result=${result} />`;
}

/**
 * Pytest's own text of each phase that did not pass; what a publisher without it tells.
 * @param {Result} result @returns {{ heading: string, text: string }[]}
 */
function failures(result) {
  const texts = result.phases
    .filter((phase) => phase.text)
    .map((phase) => ({ heading: phase.when, text: /** @type {string} */ (phase.text) }));
  if (texts.length > 0 || !result.excinfo) return texts;
  const { type, value, traceback } = result.excinfo;
  return [{ heading: "call", text: `${traceback.join("")}${type}: ${value}` }];
}

/** @param {{ id: string, model: Model }} properties */
function Attempts({ id, model }) {
  const row = model.rows.byKey.get(id);
  const attempts = row ? model.rows.attempts(row) : [];
  if (attempts.length < 2) return null;
  return html`<p class="attempts">attempts: ${attempts.map(
    (one) => html`<a key=${one[KEY]}
      href=${link({ ...model.route, test: one[KEY] })} aria-current=${one[KEY] === id ? "true" : null}>
      <span class=${`outcome ${one[OUTCOME]}`}>${shape(one[OUTCOME])}</span> ${one[ATTEMPT]}</a>`,
  )}</p>`;
}

/** @param {{ result: Result }} properties */
function Subtests({ result }) {
  if (!result.subtests.length) return null;
  return html`<section>
    <h4>subtests</h4>
    ${result.subtests.map(
      (subtest, index) => html`<div key=${index}>
      <p class="subtest"><span class=${`outcome ${subtest.outcome}`}>${shape(subtest.outcome)}</span>
        ${subtest.description} <span class="quiet">${duration(subtest.duration)}</span></p>
      ${subtest.text && html`<${Failure} text=${subtest.text} />`}
    </div>`,
    )}
  </section>`;
}

/** @param {{ properties: Record<string, unknown> }} properties */
function Properties({ properties }) {
  const entries = Object.entries(properties);
  if (entries.length === 0) return null;
  return html`<section>
    <h4>properties</h4>
    <dl>${entries.map(
      ([name, value]) => html`<dt key=${name}>${name}</dt>
        <dd>${typeof value === "string" ? value : JSON.stringify(value)}</dd>`,
    )}</dl>
  </section>`;
}

/** What each phase took, as a bar. @param {{ result: Result }} properties */
function Phases({ result }) {
  const whole = result.phases.reduce((sum, phase) => sum + phase.duration, 0) || 1;
  return html`<section class="phases">
    <h4>phases</h4>
    ${result.phases.map(
      (phase, index) => html`<div class="phase" key=${index}>
      <span>${phase.when}</span>
      <span class="outcome ${phase.outcome}">${shape(phase.outcome)}</span>
      <span class="track"><span style=${{ width: `${(100 * phase.duration) / whole}%` }}></span></span>
      <span class="took">${duration(phase.duration)}</span>
    </div>`,
    )}
  </section>`;
}
