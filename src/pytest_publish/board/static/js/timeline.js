// What a worker has run, as blocks on a line.

import { useEffect, useRef } from "preact/hooks";
import { BAD, counted, duration } from "./format.js";
import { html } from "./html.js";
import { DURATION, KEY, NODEID, OUTCOME, START } from "./types.js";

/** @typedef {import("./types.js").Row} Row */
/** @typedef {import("./types.js").Running} Running */

/**
 * Blocks as wide as their tests took. Drawn on a canvas, because a worker may have run
 * tens of thousands.
 * @param {{ one: import("./workers.js").Worker, begin: number, end: number, model: import("./model.js").Model }} properties
 */
export function Timeline({ one, begin, end, model }) {
  const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  const { rows, bad, running } = one;
  const scheme = matchMedia("(prefers-color-scheme: dark)").matches;
  useEffect(() => {
    if (canvas.current) draw(canvas.current, rows, begin, end, running);
  }, [rows.length, Math.round(end), running?.since, innerWidth, model.route.test === null, scheme]);
  const at = (/** @type {MouseEvent} */ event) => {
    const box = /** @type {HTMLElement} */ (event.currentTarget).getBoundingClientRect();
    const when = begin + ((event.clientX - box.left) / box.width) * (end - begin);
    return rows.find((row) => row[START] <= when && when <= row[START] + row[DURATION]);
  };
  const tell = (/** @type {MouseEvent} */ event) => {
    const row = at(event);
    const element = /** @type {HTMLElement} */ (event.currentTarget);
    element.title = row ? `${row[NODEID]}\n${row[OUTCOME]}, ${duration(row[DURATION])}` : "";
  };
  const open = (/** @type {MouseEvent} */ event) => {
    const row = at(event);
    if (row) model.go({ test: row[KEY] });
  };
  const label = `${one.title || "tests"}: ${counted(rows.length, "test")}, ${bad} failed`;
  return html`<canvas ref=${canvas} class="timeline" role="img" aria-label=${label} onMouseMove=${tell} onClick=${open}></canvas>`;
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
  const colours = new Map();
  const colour = (/** @type {string} */ name) => {
    if (!colours.has(name)) colours.set(name, style.getPropertyValue(`--${name}`).trim() || "gray");
    return colours.get(name);
  };
  const scale = width / Math.max(end - begin, 0.001);
  context.clearRect(0, 0, width, height);
  let filled = -1; // the last pixel that a block reaches
  for (const row of rows) {
    const isBad = BAD.has(row[OUTCOME]);
    const left = (row[START] - begin) * scale;
    const wide = Math.max(row[DURATION] * scale - ratio / 2, ratio / 2);
    if (left + wide < filled && !isBad) continue; // nobody would see it
    context.fillStyle = colour(row[OUTCOME]);
    // A failure is taller as well, for those who don't see its colour.
    const top = isBad ? 0 : height / 4;
    context.fillRect(left, top, isBad ? Math.max(wide, 2 * ratio) : wide, height - 2 * top);
    filled = Math.max(filled, left + wide);
  }
  if (running) {
    context.fillStyle = colour("running");
    context.fillRect((running.since - begin) * scale, height / 3, (end - running.since) * scale, height / 3);
  }
}
