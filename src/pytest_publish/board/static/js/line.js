// The line to the board: the stream of what changes, and whether anybody is there.

import * as api from "./api.js";

/**
 * @typedef {{
 *   hello: (data: { now: number }) => void, runs: (runs: import("./types.js").Run[]) => void,
 *   rows: (rows: import("./types.js").Row[]) => void, reset: () => void,
 * }} Handlers
 */

export class Line {
  /** @param {Handlers} handlers @param {() => void} changed @param {() => void} again tries to load */
  constructor(handlers, changed, again) {
    this.handlers = handlers;
    this.changed = changed;
    this.again = again;
    /** @type {"open" | "lost" | "stopped"} */
    this.state = "open";
    /** @type {import("./source.js").Stream | null} */
    this.stream = null;
  }

  /** @param {Parameters<typeof api.stream>[0]} what */
  listen(what) {
    this.close();
    const stream = api.stream(what);
    this.stream = stream;
    for (const [name, handle] of Object.entries({ ...this.handlers, bye: () => this.end() }))
      stream.addEventListener(name, (event) => {
        if (stream !== this.stream) return;
        if (name === "hello") this.state = "open";
        handle(JSON.parse(/** @type {MessageEvent} */ (event).data));
        this.changed();
      });
    stream.addEventListener("error", () => {
      if (stream !== this.stream) return;
      if (this.state === "open") this.state = "lost";
      // The browser tries again by itself, unless it was answered with an error.
      if (stream.readyState === EventSource.CLOSED) this.lose();
      this.changed();
    });
  }

  end() {
    this.state = "stopped";
  }

  /** Nobody answers: try again. */
  lose() {
    if (this.state === "open") this.state = "lost";
    const { stream } = this;
    setTimeout(() => stream === this.stream && this.again(), 1000);
    this.changed();
  }

  close() {
    this.stream?.close();
    this.stream = null;
  }
}
