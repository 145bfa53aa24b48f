// What the page knows: runs, the run that is shown with its rows, and the line to the board.

import * as api from "./api.js";
import { link, parse } from "./route.js";
import { Rows } from "./rows.js";

/** @typedef {import("./types.js").Run} Run */
/** @typedef {import("./types.js").Result} Result */
/** @typedef {import("./route.js").Route} Route */

export class Model {
  /** @param {() => void} draw called at most once a frame after something has changed */
  constructor(draw) {
    this.draw = draw;
    this.route = parse(location.hash);
    /** @type {Map<string, Run>} */
    this.runs = new Map();
    /** @type {Run | null} */
    this.run = null;
    this.rows = new Rows();
    this.isLoading = true;
    /** @type {"open" | "lost" | "stopped"} */
    this.line = "open";
    this.error = "";
    /** @type {Map<string, Result | Error>} */
    this.results = new Map();
    /** @type {string[] | null} */
    this.notRun = null;
    this.isHelpOpen = false;
    /** @type {EventSource | null} */
    this.stream = null;
    this.isDrawing = false;
  }

  start() {
    addEventListener("hashchange", () => this.follow(parse(location.hash)));
    // Running times and silence are told by the clock alone.
    setInterval(() => this.changed(), 1000);
    this.load();
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

  /** Change the address. @param {Partial<Route>} change @param {boolean} [replace] keep the way back */
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
    this.route = route;
    if (route.run !== before.run || route.project !== before.project) this.load();
    this.changed();
  }

  /** Load the runs and the run that is shown, then listen to what changes. */
  async load() {
    this.stream?.close();
    const { run, project } = this.route;
    this.run = null;
    this.notRun = null;
    this.rows = new Rows();
    this.isLoading = true;
    this.changed();
    try {
      this.update(await api.runs());
      if (run !== null) {
        this.update([await api.run(run, project)]);
        for await (const part of api.rows(run, project)) {
          if (this.route.run !== run || this.route.project !== project) return; // it was left meanwhile
          this.rows.add(part);
          this.changed();
        }
      }
      this.error = "";
      this.line = "open";
    } catch (error) {
      this.error = String(error instanceof Error ? error.message : error);
      if (error instanceof TypeError) {
        // Nobody answers.
        this.line = "lost";
        setTimeout(() => this.load(), 1000);
      }
    }
    this.isLoading = false;
    if (this.line === "open") this.listen();
    this.changed();
  }

  listen() {
    const { run, project } = this.route;
    this.stream?.close();
    const stream = api.stream({ run: this.error ? null : run, project, after: this.rows.last });
    this.stream = stream;
    const on = (/** @type {string} */ name, /** @type {(data: any) => void} */ handle) =>
      stream.addEventListener(name, (event) => {
        handle(JSON.parse(/** @type {MessageEvent} */ (event).data));
        this.changed();
      });
    on("runs", (runs) => this.update(runs));
    on("rows", (rows) => this.rows.add(rows));
    on("reset", () => this.load());
    on("bye", () => {
      this.line = "stopped";
    });
    stream.addEventListener("open", () => {
      this.line = "open";
      this.changed();
    });
    stream.addEventListener("error", () => {
      if (this.line === "open") this.line = "lost";
      // The browser tries again by itself, unless it was answered with an error.
      if (stream.readyState === EventSource.CLOSED) setTimeout(() => this.load(), 2000);
      this.changed();
    });
  }

  /** @param {Run[]} runs */
  update(runs) {
    for (const run of runs) {
      this.runs.set(`${run.project}\n${run.run_id}`, run);
      const isShown =
        run.run_id === this.route.run && (this.route.project === null || this.route.project === run.project);
      if (isShown) this.run = run;
    }
  }

  /** The runs, the newest first. */
  get newest() {
    return [...this.runs.values()].sort((a, b) => b.started - a.started);
  }

  /** The whole of a result; undefined until it is there. @param {string} key */
  result(key) {
    if (!this.results.has(key)) {
      if (this.results.size > 200) this.results.clear(); // so that memory stays constant
      api.result(key).then(
        (result) => this.keep(key, result),
        (error) => this.keep(key, error),
      );
    }
    return this.results.get(key);
  }

  /** @param {string} key @param {Result | Error} result */
  keep(key, result) {
    this.results.set(key, result);
    this.changed();
  }

  async loadNotRun() {
    const { run, project } = this.route;
    if (run === null) return;
    this.notRun = [];
    this.notRun = await api.notRun(run, project);
    this.changed();
  }
}
