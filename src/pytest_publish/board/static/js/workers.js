// A row for each worker: what it runs now, and its time line.

import { useEffect, useRef, useState } from "preact/hooks";
import { html } from "./html.js";
import { BAD, clock, counted, parts, time } from "./format.js";
import { DURATION, OUTCOME, START } from "./types.js";

/** @typedef {import("./types.js").Row} Row */
/** @typedef {import("./types.js").Running} Running */
/** @typedef {import("./model.js").Model} Model */

/** More workers than these fold into a line that opens. */
const MOST = 16;

/** @param {{ model: Model }} properties */
export function Workers({ model }) {
  const [isOpen, open] = useState(false);
  const run = model.run;
  if (run === null) return null;
  const running = new Map((run.running ?? []).map((one) => [one.worker ?? "", one]));
  const names = [...new Set([...model.rows.byWorker.keys(), ...running.keys()])].sort(byNumber);
  if (names.length === 0) return null;
  if (names.length > MOST && !isOpen)
    return html`<section class="workers">
      <button class="link" onClick=${() => open(true)}>
        ${counted(names.length, "worker")}, ${counted(running.size, "test")} running: show them
      </button>
    </section>`;
  const end = run.stopped ?? (run.state === "running" ? Date.now() / 1000 : run.seen);
  return html`<section class="workers" aria-label="Workers">
    ${names.map((name) => html`<div class="worker" key=${name}>
        <span class="name">${name}</span>
        <${Timeline} rows=${model.rows.byWorker.get(name) ?? []} begin=${run.started} end=${end}
          running=${running.get(name)} name=${name} />
        <${Now} running=${running.get(name)} run=${run} />
      </div>`)}
    ${run.state === "running" && !run.sessions.some((session) => session.has_events) &&
    html`<p class="quiet">This run tells results only: with <code>--publish-events</code> you would see what runs now.</p>`}
  </section>`;
}

/** @param {{ running: Running | undefined, run: import("./types.js").Run }} properties */
function Now({ running, run }) {
  if (!running) return html`<span class="now quiet">${run.state === "running" ? "idle" : ""}</span>`;
  const [, name, parameters] = parts(running.nodeid);
  return html`<span class="now" title=${running.nodeid}>
      <span class="cut">${name}<i>${parameters}</i></span>
    </span>
    <span class="since" title=${`since ${time(running.since)}`}>${clock(Date.now() / 1000 - running.since)}</span>`;
}

/**
 * Blocks as wide as their tests took. Drawn on a canvas, because a worker may have run
 * tens of thousands.
 * @param {{ rows: Row[], begin: number, end: number, running: Running | undefined, name: string }} properties
 */
function Timeline({ rows, begin, end, running, name }) {
  const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  const drawn = `${rows.length} ${Math.round(end)} ${running?.since ?? ""}`;
  useEffect(() => {
    if (canvas.current) draw(canvas.current, rows, begin, end, running);
  }, [drawn]);
  const failed = rows.filter((row) => BAD.has(row[OUTCOME])).length;
  const label = `${name || "tests"}: ${counted(rows.length, "test")}, ${failed} failed`;
  return html`<canvas ref=${canvas} class="timeline" role="img" aria-label=${label}></canvas>`;
}

/**
 * @param {HTMLCanvasElement} canvas @param {Row[]} rows @param {number} begin @param {number} end
 * @param {Running | undefined} running
 */
function draw(canvas, rows, begin, end, running) {
  const ratio = devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth * ratio, canvas.clientHeight * ratio];
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const context = canvas.getContext("2d");
  if (!context || !width) return;
  const style = getComputedStyle(canvas);
  const colour = (/** @type {string} */ name) => style.getPropertyValue(`--${name}`).trim() || "gray";
  const scale = width / Math.max(end - begin, 0.001);
  context.clearRect(0, 0, width, height);
  let filled = -1; // the last pixel that a block reaches
  for (const row of rows) {
    const isBad = BAD.has(row[OUTCOME]);
    const left = (row[START] - begin) * scale;
    const wide = Math.max(row[DURATION] * scale - ratio / 2, ratio / 2);
    if (left + wide < filled && !isBad) continue; // nobody would see it
    context.fillStyle = colour(row[OUTCOME]);
    context.fillRect(left, 0, isBad ? Math.max(wide, 2 * ratio) : wide, height);
    filled = Math.max(filled, left + wide);
  }
  if (running) {
    context.fillStyle = colour("running");
    context.fillRect((running.since - begin) * scale, height / 3, (end - running.since) * scale, height / 3);
  }
}

/** gw2 before gw10. @param {string} a @param {string} b */
function byNumber(a, b) {
  return a.length - b.length || a.localeCompare(b);
}
