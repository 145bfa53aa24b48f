// What stays on top of a run: its state, the bar, the figures, and what its sessions tell.

import { Bar } from "./bar.js";
import { bad, clock, count, counted, date, OUTCOMES, time } from "./format.js";
import { html } from "./html.js";
import { changesOf } from "./marks.js";
import { branch, ciLink, Value } from "./metadata.js";
import { link } from "./route.js";
import { stateOf } from "./runs.js";

/** @typedef {import("./types.js").Run} Run */
/** @typedef {import("./types.js").Session} Session */
/** @typedef {import("./model.js").Model} Model */

/** Seconds without a sign of life that are worth telling though a test may take as long. */
const QUIET = 60;

/** @param {{ run: Run, model: Model }} properties */
export function Head({ run, model }) {
  const [sign, word] = stateOf(run);
  const ci = ciLink(run);
  const before = changesOf(model)?.before;
  const about = [branch(run), run.run_id.length > 24 ? run.run_id.slice(0, 8) : run.run_id];
  return html`<header class="head">
    <div class="title">
      <h2>${run.project || "run"}</h2>
      ${about.filter(Boolean).map((text) => html`<span class="quiet cut" title=${run.run_id}>${text}</span>`)}
      ${ci && html`<a class="link" href=${ci} target="_blank" rel="noreferrer" title=${ci}>CI ↗</a>`}
      <span class=${`state state-${run.state} ${bad(run.outcomes) ? "has-failed" : ""}`}>
        <span aria-hidden="true">${sign}</span> ${word}${note(run, model.now)}
      </span>
    </div>
    <${Bar} run=${run} />
    <${Figures} run=${run} now=${model.now} />
    <${About} run=${run}>
      ${
        before &&
        html`<a class="link compare" href=${link({ page: "compare", project: run.project, a: before.run_id, b: run.run_id })}
          title=${`Compare with the run before, ${before.run_id}`}>compare with ${date(before.started)}</a>`
      }
    </${About}>
  </header>`;
}

/** @param {Run} run @param {number} now */
function note(run, now) {
  if (run.state === "silent") return ` since ${date(run.seen)}`;
  if (run.state === "running") return now - run.seen > QUIET ? `, last heard of ${clock(now - run.seen)} ago` : "";
  const codes = new Set(run.sessions.map((session) => session.exitstatus).filter((code) => code !== null));
  return codes.size === 0 ? "" : `, exit code ${[...codes].join(", ")}`;
}

/** @param {{ run: Run, now: number }} properties */
function Figures({ run, now }) {
  const over = run.stopped ?? (run.state === "running" ? now : run.seen);
  const left = secondsLeft(run, now);
  return html`<p class="figures">
    ${Object.entries(OUTCOMES).map(([outcome, [sign, word]]) => {
      const number = run.outcomes[outcome] ?? 0;
      const isShown = number > 0 || outcome === "passed" || outcome === "failed";
      return (
        isShown &&
        html`<span class=${`outcome ${outcome} ${number ? "" : "none"}`}>
          <span aria-hidden="true">${sign}</span> ${count(number)} ${word}
        </span>`
      );
    })}
    <span class="of">${count(run.done)}${run.total !== null && ` of ${count(run.total)}`}</span>
    <span class="elapsed" title="elapsed">${clock(over - run.started)}${left !== null && html`<span class="quiet">, ~${clock(left)} left</span>`}</span>
  </p>`;
}

/**
 * What the board tells by the durations of earlier runs; without those, by how far the run is
 * and what it took till then.
 * @param {Run} run @param {number} now @returns {number | null}
 */
function secondsLeft(run, now) {
  const { progress, started, state, left: told } = run;
  if (typeof told === "number" && state === "running") return Math.max(0, told - (now - (run.told ?? now)));
  if (state !== "running" || progress === null || progress < 0.02 || progress >= 1) return null;
  // Counted from what was heard last, so that it runs down between two results.
  const [elapsed, since] = [run.seen - started, Math.max(0, now - run.seen)];
  const left = (elapsed * (1 - progress)) / progress - since;
  return left >= 1 ? left : null; // it takes longer than it did
}

/** @param {{ run: Run, children: any }} properties */
function About({ run, children }) {
  return html`<div class="below">${children}<details class="about">
    <summary>${counted(run.sessions.length, "session")}, begun ${date(run.started)}</summary>
    ${run.sessions.map((session, index) => html`<${OfSession} key=${session.session_id} session=${session} number=${index + 1} isOne=${run.sessions.length === 1} />`)}
  </details></div>`;
}

/** @param {{ session: Session, number: number, isOne: boolean }} properties */
function OfSession({ session, number, isOne }) {
  const versions = Object.entries(session.versions ?? {}).map(([name, version]) => `${name} ${version}`);
  /** @type {[string, unknown][]} */
  const facts = [
    ["state", isOne ? null : `${session.state}, ${count(session.done)} of ${session.total ?? "?"} done`],
    ["host", session.host],
    ["platform", session.platform],
    ["versions", versions.join(", ")],
    ["rootdir", session.rootdir],
    ["arguments", session.args?.join(" ")],
    ["workers", session.workers === null ? null : `${session.workers}, --dist ${session.xdist_dist}`],
    ["deselected", session.deselected || null],
    ["session", session.session_id],
    ...Object.entries(session.metadata),
  ];
  return html`<dl>
    ${!isOne && html`<dt>session ${number}</dt><dd>${time(session.started ?? session.seen)}</dd>`}
    ${facts
      .filter(([, value]) => value !== null && value !== undefined && value !== "")
      .map(([name, value]) => html`<dt key=${name}>${name}</dt><dd><${Value} value=${value} /></dd>`)}
  </dl>`;
}
