// The shapes of what the board answers, for tsc; docs/board.md describes them.

/**
 * A result without its body, its fields in the order of the answer's `columns`.
 * @typedef {[
 *   id: number, key: string, nodeid: string, name: string, file: string | null,
 *   outcome: string, worker: string | null, scope: string | null,
 *   start: number, duration: number, attempt: number, problem: string | null,
 * ]} Row
 *
 * @typedef {{
 *   session_id: string, state: string, started: number | null, stopped: number | null,
 *   seen: number, exitstatus: number | null, total: number | null, deselected: number | null,
 *   done: number, outcomes: Record<string, number>, has_events: boolean,
 *   host: string | null, platform: string | null, rootdir: string | null,
 *   versions: Record<string, string> | null, args: string[] | null,
 *   xdist_dist: string | null, workers: number | null, metadata: Record<string, unknown>,
 * }} Session
 *
 * @typedef {{
 *   session_id: string, worker: string | null, nodeid: string, attempt: number, since: number,
 * }} Running
 *
 * @typedef {{
 *   id: number, run_id: string, project: string, state: string, started: number, stopped: number | null,
 *   seen: number, total: number | null, done: number, progress: number | null,
 *   outcomes: Record<string, number>, sessions: Session[], running?: Running[],
 *   left?: number | null, metadata?: Record<string, unknown>,
 *   told?: number,
 * }} Run `told` is when this page heard of it, by the board's clock
 *
 * @typedef {{ type: string, value: string, traceback: string[] }} ExcInfo
 *
 * @typedef {{
 *   when: string, outcome: string, start_time: number, stop_time: number, duration: number,
 *   excinfo: ExcInfo | null, text?: string | null,
 * }} Phase
 *
 * @typedef {{
 *   description: string, outcome: string, duration: number, excinfo: ExcInfo | null,
 *   text?: string | null,
 * }} Subtest
 *
 * A run as others name it.
 * @typedef {{ run_id: string, project: string, started: number }} RunRef
 *
 * What a failure has to do with the runs before.
 * @typedef {{ mark: "new" | "failing" | "flaky", since: RunRef | null, cause: number | null }} Mark
 *
 * @typedef {{
 *   failures: Record<string, Mark>, mended: { nodeid: string, since: RunRef | null, key: string }[],
 *   before: RunRef | null, causes: { id: number, type: string, message: string, number: number }[],
 * }} Changes
 *
 * Failures with the same exception, message and place.
 * @typedef {{
 *   id: number, type: string, message: string, frame: string | null, number: number, tests: number,
 *   first: RunRef, last: RunRef & { key: string, nodeid: string },
 * }} Cause
 *
 * A result among those of its test over many runs.
 * @typedef {{
 *   key: string, run_id: string, project: string, started: number, outcome: string, duration: number,
 *   attempt: number, worker: string | null, cause: number | null, commit: string | null,
 * }} Past
 *
 * @typedef {{
 *   project: string, nodeid: string, name: string, file: string | null, results: Past[],
 *   causes: Cause[], median: number | null, flips: number,
 * }} TestHistory
 *
 * `outcomes` has a letter for each of the last runs, the oldest first.
 * @typedef {{
 *   project: string, nodeid: string, reruns: number, changed: number, flips: number, rate: number,
 *   runs: number, outcomes: string, last: RunRef & { key: string, outcome: string },
 * }} Flaky
 *
 * @typedef {{
 *   project: string, nodeid: string, median: number, spread: number | null, runs: number,
 *   last: RunRef & { key: string }, before?: number, ratio?: number,
 * }} Slow
 *
 * @typedef {[outcome: string, key: string, duration: number]} Side
 * @typedef {{ nodeid: string, a: Side | null, b: Side | null }} Pair
 * @typedef {{ a: Run, b: Run, counts: Record<string, number>, [list: string]: any }} Comparison
 *
 * @typedef {{ project: string, runs: number, last: number }} Project
 *
 * The JSON of a result as it was published.
 * @typedef {{
 *   nodeid: string, name: string, outcome: string, duration: number, start_time: number,
 *   stdout: string, stderr: string, log: string, excinfo: ExcInfo | null, attempt: number,
 *   file: string | null, line: number | null, xdist_worker: string | null,
 *   xdist_scope: string | null, host?: string, phases: Phase[], subtests: Subtest[],
 *   properties: Record<string, unknown>,
 * }} Result
 */

/** Where the fields of a row stand. */
export const ID = 0;
export const KEY = 1;
export const NODEID = 2;
export const NAME = 3;
export const FILE = 4;
export const OUTCOME = 5;
export const WORKER = 6;
export const SCOPE = 7;
export const START = 8;
export const DURATION = 9;
export const ATTEMPT = 10;
export const PROBLEM = 11;
