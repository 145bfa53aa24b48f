// A row for each worker: what it runs now, and its time line.

import { useState } from "preact/hooks";
import { tellsEvents } from "./empty.js";
import { clock, counted, parts, time } from "./format.js";
import { html } from "./html.js";
import { linksToTests } from "./route.js";
import { laneKey } from "./rows.js";
import { Timeline } from "./timeline.js";
import { OUTCOME } from "./types.js";

/** @typedef {import("./types.js").Row} Row */
/** @typedef {import("./types.js").Run} Run */
/** @typedef {import("./types.js").Running} Running */
/** @typedef {import("./model.js").Model} Model */

/**
 * @typedef {{
 *   key: string, session: string, worker: string, title: string, rows: Row[], bad: number,
 *   running: Running | undefined, note: string,
 * }} Worker
 */

/** More workers than these fold into a line that opens. */
const MOST = 16;

/** @param {{ model: Model }} properties */
export function Workers({ model }) {
  const [isOpen, open] = useState(false);
  const run = model.run;
  if (run === null) return null;
  const workers = workersOf(model, run);
  if (workers.length === 0) return null;
  const isFolded = workers.length > MOST && !isOpen;
  return html`<section class="workers" aria-label="Workers">
    ${
      workers.length > MOST &&
      html`<button type="button" class="link" aria-expanded=${isOpen} onClick=${() => open(!isOpen)}>
        ${counted(workers.length, "worker")}${run.state === "running" && `, ${counted(run.running?.length ?? 0, "test")} running`}:
        ${isOpen ? " fold them" : " show them"}
      </button>`
    }
    ${!isFolded && workers.map((one) => html`<${Line} key=${one.key} one=${one} run=${run} model=${model} />`)}
    ${
      run.state === "running" &&
      !tellsEvents(run) &&
      html`<p class="quiet">This run tells results only: with <code>--publish-events</code> you would see what runs now.</p>`
    }
  </section>`;
}

/** @param {Model} model @param {Run} run @returns {Worker[]} in the order of their sessions and numbers */
function workersOf(model, run) {
  const { lanes } = model.rows;
  const running = new Map((run.running ?? []).map((one) => [laneKey(one.session_id, one.worker), one]));
  const keys = new Set([...lanes.keys(), ...running.keys()]);
  return run.sessions.flatMap((session, index) => {
    const prefix = `${session.session_id} `;
    const names = [...keys].filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length));
    names.sort(byNumber);
    const notes = notesOn(names, session, lanes, running);
    return names.map((worker) => {
      const key = `${prefix}${worker}`;
      const lane = lanes.get(key);
      // Of several sessions, each has a gw0.
      const title = run.sessions.length > 1 ? `${index + 1}${worker && "·"}${worker}` : worker;
      const { rows, bad } = lane ?? { rows: [], bad: 0 };
      return {
        key,
        session: session.session_id,
        worker,
        title,
        rows,
        bad,
        running: running.get(key),
        note: notes.get(worker) ?? "",
      };
    });
  });
}

/**
 * Which workers crashed, and which took over from them: xdist numbers those on.
 * @param {string[]} names @param {import("./types.js").Session} session
 * @param {Map<string, import("./rows.js").Lane>} lanes @param {Map<string, Running>} running
 */
function notesOn(names, session, lanes, running) {
  /** @type {Map<string, string>} */
  const notes = new Map();
  const crashed = names.filter((worker) => {
    const key = laneKey(session.session_id, worker);
    return !running.has(key) && lanes.get(key)?.rows.at(-1)?.[OUTCOME] === "crashed";
  });
  for (const worker of crashed) notes.set(worker, "✝ crashed");
  if (session.workers === null) return notes;
  for (const worker of names) {
    const number = Number(worker.slice(2)) - session.workers;
    const before = number >= 0 ? crashed[number] : undefined;
    if (before !== undefined && !notes.has(worker)) notes.set(worker, `took over from ${before}`);
  }
  return notes;
}

/** @param {{ one: Worker, run: Run, model: Model }} properties */
function Line({ one, run, model }) {
  const end = run.stopped ?? (run.state === "running" ? model.now : run.seen);
  return html`<div class="worker">
    <span class="name" title=${one.session}>${one.title}</span>
    <${Timeline} one=${one} begin=${run.started} end=${end} model=${model} />
    <${Now} one=${one} run=${run} end=${end} history=${linksToTests(model.route.project)} />
  </div>`;
}

/** @param {{ one: Worker, run: Run, end: number, history: (nodeid: string) => string | null }} properties */
function Now({ one: { running, note }, run, end, history }) {
  if (!running)
    return html`<span class="now quiet">${note || (run.state === "running" && tellsEvents(run) ? "idle" : "")}</span>`;
  const [, name, parameters] = parts(running.nodeid);
  const isOver = run.state !== "running";
  return html`<span class="now" title=${note ? `${running.nodeid} (${note})` : running.nodeid}>
      <span class="cut">${isOver && html`<span class="quiet">was running </span>`}<a class="inside" href=${history(running.nodeid)}>${name}<i>${parameters}</i></a></span>
    </span>
    <span class="since" title=${`since ${time(running.since)}`}>${clock(end - running.since)}</span>`;
}

/** gw2 before gw10. @param {string} a @param {string} b */
function byNumber(a, b) {
  return a.length - b.length || a.localeCompare(b);
}
