// What the page knows: runs, the run that is shown with its rows, and the line to the board.

import * as api from "./api.js";
import { link, parse } from "./route.js";
import { Rows } from "./rows.js";
import { clock } from "./source.js";

/** @typedef {import("./types.js").Run} Run */
/** @typedef {import("./types.js").Result} Result */
/** @typedef {import("./route.js").Route} Route */

/** Bodies that are kept, so that memory stays constant. */
const MOST_RESULTS = 200;

export class Model {
  /** @param {() => void} draw called at most once a frame after something has changed */
  constructor(draw) {
    this.draw = draw;
    this.route = parse(location.hash);
    /** @type {Map<number, Run>} */
    this.runs = new Map();
    /** @type {Run | null} */
    this.run = null;
    this.rows = new Rows();
    this.isLoading = true;
    this.hasRuns = false;
    this.areRunsAll = false;
    /** @type {"open" | "lost" | "stopped"} */
    this.line = "open";
    this.error = "";
    /** @type {Map<string, Result | Error | null>} */
    this.results = new Map();
    /** @type {string[] | null} */
    this.notRun = null;
    /** @type {Set<string>} the groups of the tree that are not as they are at first */
    this.toggled = new Set();
    /** @type {string | null} the row that the keys have reached */
    this.cursor = null;
    this.wantsFocus = false;
    this.isHelpOpen = false;
    /** @type {import("./source.js").Stream | null} */
    this.stream = null;
    this.isDrawing = false;
    this.turn = 0; // of loading; what an earlier one brings is not wanted any more
    this.ahead = 0; // seconds by which the board's clock is ahead of this one
  }

  start() {
    addEventListener("hashchange", () => this.follow(parse(location.hash)));
    addEventListener("resize", () => this.changed());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.changed());
    // Running times are told by the clock alone.
    setInterval(() => this.changed(), 1000);
    this.load();
  }

  /** Epoch seconds, by the board's clock. */
  get now() {
    return clock() + this.ahead;
  }

  /** Draw with the next frame. */
  changed() {
    if (this.isDrawing) return;
    this.isDrawing = true;
    requestAnimationFrame(() => {
      this.isDrawing = false;
      this.draw();
    });
  }

  /** Change the address. @param {Partial<Route>} change @param {boolean} [replace] add no step back */
  go(change, replace = false) {
    const hash = link({ ...this.route, ...change });
    if (hash === location.hash) return;
    if (replace) {
      history.replaceState(null, "", hash);
      this.follow(parse(hash));
    } else location.hash = hash;
  }

  /** @param {Route} route */
  follow(route) {
    const before = this.route;
    const isSame = before.run !== null && route.run === before.run;
    // A link may leave out the project, where the run's id alone tells which one is meant.
    this.route = isSame && route.project === null ? { ...route, project: before.project } : route;
    if (before.test !== null && route.test === null) this.focus(before.test);
    if (!isSame || this.route.project !== before.project) this.load();
    this.changed();
  }

  /** Put the keyboard's focus on a row. @param {string} key */
  focus(key) {
    this.cursor = key;
    this.wantsFocus = true;
    this.changed();
  }

  /** Load the run that is shown, then listen to what changes. */
  async load() {
    const turn = ++this.turn;
    this.stream?.close();
    const { run, project } = this.route;
    this.run = null;
    this.notRun = null;
    this.rows = new Rows();
    this.error = "";
    this.isLoading = true;
    this.changed();
    try {
      if (run !== null) {
        const found = await api.run(run, project);
        if (turn !== this.turn) return;
        this.run = found;
        this.route = { ...this.route, project: found.project || null };
        this.update([found]);
        for await (const part of api.rows(run, project)) {
          if (turn !== this.turn) return;
          this.rows.add(part);
          this.changed();
        }
        this.rows.loaded = this.rows.all.length;
      }
    } catch (error) {
      if (turn !== this.turn) return;
      if (error instanceof TypeError) {
        this.lose();
        return;
      }
      this.error = String(error instanceof Error ? error.message : error);
    }
    this.isLoading = false;
    this.listen();
    this.changed();
  }

  /** Nobody answers: try again. */
  lose() {
    if (this.line === "open") this.line = "lost";
    const turn = this.turn;
    setTimeout(() => turn === this.turn && this.load(), 1000);
    this.changed();
  }

  listen() {
    const { run, project } = this.route;
    this.stream?.close();
    const stream = api.stream({ run: this.run && run, project, after: this.rows.last });
    this.stream = stream;
    const on = (/** @type {string} */ name, /** @type {(data: any) => void} */ handle) =>
      stream.addEventListener(name, (event) => {
        if (stream !== this.stream) return;
        handle(JSON.parse(/** @type {MessageEvent} */ (event).data));
        this.changed();
      });
    on("hello", ({ now }) => {
      this.ahead = now - clock();
      this.line = "open";
      this.loadRuns(); // what changed before, or while the line was lost
    });
    on("runs", (runs) => this.update(runs));
    on("rows", (rows) => this.rows.add(rows));
    on("reset", () => this.load());
    on("bye", () => {
      this.line = "stopped";
    });
    stream.addEventListener("error", () => {
      if (stream !== this.stream) return;
      if (this.line === "open") this.line = "lost";
      // The browser tries again by itself, unless it was answered with an error.
      if (stream.readyState === EventSource.CLOSED) this.lose();
      this.changed();
    });
  }

  /** The newest runs; those after the ones that are known already. @param {boolean} [older] */
  async loadRuns(older = false) {
    const before = older ? (this.newest.at(-1)?.started ?? null) : null;
    try {
      const runs = await api.runs(before);
      this.hasRuns = true;
      if (older || runs.length < api.MOST_RUNS) this.areRunsAll = runs.length < api.MOST_RUNS;
      this.update(runs);
    } catch {
      // The stream tells that the line is lost, and when it is back.
    }
    this.changed();
  }

  /** @param {Run[]} runs */
  update(runs) {
    for (const run of runs) {
      if (run.state === "gone") this.runs.delete(run.id);
      else this.runs.set(run.id, { ...run, running: run.running ?? this.runs.get(run.id)?.running ?? [] });
      if (run.id !== this.run?.id) continue;
      if (run.state === "gone") this.load();
      else this.run = this.runs.get(run.id) ?? null;
    }
    const { route } = this;
    const newest = this.newest[0];
    if (route.isLatest && newest && newest.id !== this.run?.id && (this.hasRuns || this.run))
      this.follow({ ...route, run: newest.run_id, project: newest.project || null });
    // A link to a run that had not begun.
    else if (this.error && route.run !== null && runs.some((run) => run.run_id === route.run)) this.load();
  }

  /** The runs, the newest first. */
  get newest() {
    return [...this.runs.values()].sort((a, b) => b.started - a.started || b.id - a.id);
  }

  /** The whole of a result; null until it is there. @param {string} key */
  result(key) {
    const known = this.results.get(key);
    if (known !== undefined) return known;
    if (this.results.size > MOST_RESULTS) this.results.clear();
    this.results.set(key, null);
    const keep = (/** @type {Result | Error} */ result) => {
      this.results.set(key, result);
      this.changed();
    };
    api.result(key).then(keep, keep);
    return null;
  }

  /** Try again to get what could not be got. @param {string} key */
  retry(key) {
    this.results.delete(key);
    this.changed();
  }

  async loadNotRun() {
    const { run, project } = this.route;
    if (run === null || this.notRun !== null) return;
    this.notRun = [];
    try {
      this.notRun = await api.notRun(run, project);
    } catch {
      this.notRun = null; // the next drawing tries again
    }
    this.changed();
  }
}
