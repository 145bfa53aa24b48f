// The runs that the page knows.

/** @typedef {import("./types.js").Run} Run */

export class Known {
  constructor() {
    /** @type {Map<number, Run>} */
    this.byId = new Map();
    /** @type {Run[] | null} */
    this.sorted = null;
    this.version = 0; // another one when a run has begun or ended
  }

  /** @param {number | undefined} id */
  get(id) {
    return id === undefined ? undefined : this.byId.get(id);
  }

  /** Take in what the board told at a time. @param {Run} run @param {number} now */
  take(run, now) {
    const before = this.byId.get(run.id);
    if (before?.state !== run.state) this.version += 1;
    if (run.state === "gone") this.byId.delete(run.id);
    else this.byId.set(run.id, { ...run, told: now, running: run.running ?? before?.running ?? [] });
    this.sorted = null;
  }

  /** The runs, the newest first. */
  get newest() {
    this.sorted ??= [...this.byId.values()].sort((a, b) => b.started - a.started || b.id - a.id);
    return this.sorted;
  }

  /** Those of one project, or all. @param {string | null} project */
  of(project) {
    return project ? this.newest.filter((run) => run.project === project) : this.newest;
  }
}
