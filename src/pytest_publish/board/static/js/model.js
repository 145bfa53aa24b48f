// What the page knows: runs, the run that is shown with its rows, and the line to the board.

import { Answers } from "./answers.js";
import * as api from "./api.js";
import { Cursor } from "./cursor.js";
import { Known } from "./known.js";
import { Line } from "./line.js";
import { link, parse } from "./route.js";
import { Rows } from "./rows.js";
import { clock } from "./source.js";

/** @typedef {import("./types.js").Run} Run */
/** @typedef {import("./route.js").Route} Route */

export class Model {
  /** @param {() => void} draw called at most once a frame after something has changed */
  constructor(draw) {
    this.draw = draw;
    this.isDrawing = false;
    this.route = parse(location.hash);
    this.isEntry = true; // nothing was shown before
    this.known = new Known();
    this.answers = new Answers(() => this.changed());
    /** The run that is loaded; pages about other things leave it so. @type {{ id: string | null, project: string | null }} */
    this.loaded = { id: this.route.run, project: this.route.run === null ? null : this.route.project };
    /** @type {Run | null} */
    this.run = null;
    this.rows = new Rows();
    this.isLoading = true;
    this.hasRuns = false;
    /** @type {Map<string, number | null>} of a project, or "" for all: since when runs are known; null if all are */
    this.since = new Map();
    this.error = "";
    /** @type {Set<string>} the groups of the tree that are not as they are at first */
    this.toggled = new Set();
    this.cursor = new Cursor(this);
    /** @type {import("./list.js").Shown | null} the list that is seen */
    this.list = null;
    this.isHelpOpen = false;
    this.turn = 0; // of loading; what an earlier one brings is not wanted any more
    this.visits = 0;
    this.ahead = 0; // seconds by which the board's clock is ahead of this one
    this.line = new Line(
      {
        hello: ({ now }) => this.begin(now),
        runs: (runs) => this.update(runs),
        rows: (rows) => this.rows.add(rows),
        reset: () => this.load(),
      },
      () => this.changed(),
      () => this.load(),
    );
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

  /** Another one when there is something new across runs, or somebody comes to look. */
  get version() {
    return `${this.known.version} ${this.visits}`;
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
    this.isEntry = false;
    const isLoaded = route.run !== null && route.run === this.loaded.id;
    // A link may leave out the project, where the run's id alone tells which one is meant.
    this.route = isLoaded && route.project === null ? { ...route, project: this.loaded.project } : route;
    const isOther = before.page !== route.page || before.nodeid !== route.nodeid;
    if (isOther) this.visits += 1;
    this.cursor.wantsFocus = false;
    if (before.test !== null && route.test === null && !isOther) this.cursor.focus(before.test);
    else if (isOther && this.cursor.key !== null) this.cursor.focus(this.cursor.key);
    const { run, project } = this.route;
    if (route.page === "run" && (!isLoaded || project !== this.loaded.project)) {
      this.loaded = { id: run, project };
      this.load();
    }
    this.changed();
  }

  /** Load the run that is shown, then listen to what changes. */
  async load() {
    const turn = ++this.turn;
    this.line.close();
    this.run = null;
    this.rows = new Rows();
    this.error = "";
    this.isLoading = true;
    this.changed();
    try {
      if (this.loaded.id !== null) await this.loadRun(this.loaded.id, this.loaded.project, turn);
    } catch (error) {
      if (turn !== this.turn) return;
      if (error instanceof TypeError) {
        this.line.lose();
        return;
      }
      this.error = String(error instanceof Error ? error.message : error);
    }
    if (turn !== this.turn) return;
    this.isLoading = false;
    const { id, project } = this.loaded;
    this.line.listen({ run: this.run && id, project, after: this.rows.last });
    this.changed();
  }

  /** @param {string} id @param {string | null} project @param {number} turn */
  async loadRun(id, project, turn) {
    const found = await api.run(id, project);
    if (turn !== this.turn) return;
    this.run = found;
    this.loaded.project = found.project || null;
    if (this.route.run === id) this.route = { ...this.route, project: this.loaded.project };
    this.update([found]);
    for await (const part of api.rows(id, project)) {
      if (turn !== this.turn) return;
      this.rows.add(part);
      this.changed();
    }
    this.rows.loaded = this.rows.all.length;
  }

  /** The board answers. @param {number} now its clock */
  begin(now) {
    this.ahead = now - clock();
    this.answers.retryAll();
    this.loadRuns(null); // what changed before, or while the line was lost
  }

  /** The newest runs; those after the ones that are known already. @param {string | null} project @param {boolean} [older] */
  async loadRuns(project, older = false) {
    const name = project ?? "";
    const before = older ? (this.since.get(name) ?? null) : null;
    try {
      const runs = await api.runs(before, project);
      this.hasRuns = true;
      const oldest = runs.length < api.MOST_RUNS ? null : (runs.at(-1)?.started ?? null);
      if (older || oldest === null || !this.since.has(name)) this.since.set(name, oldest);
      this.update(runs);
    } catch {
      // The stream tells that the line is lost, and when it is back.
    }
    this.changed();
  }

  /** @param {Run[]} runs */
  update(runs) {
    for (const run of runs) {
      this.known.take(run, this.now);
      if (run.id !== this.run?.id) continue;
      if (run.state === "gone") this.load();
      else this.run = this.known.get(run.id) ?? null;
    }
    const { route } = this;
    const newest = this.known.newest[0];
    if (route.isLatest && newest && newest.id !== this.run?.id && (this.hasRuns || this.run))
      this.follow({ ...route, run: newest.run_id, project: newest.project || null });
    // A link to a run that had not begun.
    else if (this.error && runs.some((run) => run.run_id === this.loaded.id)) this.load();
  }

  /** Whether there are older runs than those that are known. @param {string | null} project */
  hasOlder(project) {
    return this.since.get("") !== null && this.since.get(project ?? "") !== null;
  }

  /** The whole of a result; null until it is there. @param {string} key */
  result(key) {
    return this.answers.get(`result ${key}`, () => api.result(key));
  }

  /** What was planned and has no result; null until that is there. */
  notRun() {
    const { id, project } = this.loaded;
    if (id === null) return null;
    const found = this.answers.get(`not run ${this.run?.id}`, () => api.notRun(id, project), this.run?.done);
    return found instanceof Error ? null : found;
  }
}
