// The line of each page's list that keys or clicks have reached.

export class Cursor {
  /** @param {{ route: import("./route.js").Route, changed: () => void }} model */
  constructor(model) {
    this.model = model;
    /** @type {Map<string, string>} */
    this.keys = new Map();
    this.wantsFocus = false; // the keyboard's focus is to go there as soon as the line is drawn
  }

  get place() {
    const { page, run, nodeid } = this.model.route;
    return `${page} ${run ?? nodeid}`;
  }

  get key() {
    return this.keys.get(this.place) ?? null;
  }

  /** @param {string} key @param {string} [place] the page on which it is */
  reach(key, place = this.place) {
    this.keys.set(place, key);
  }

  /** Put the keyboard's focus on a line. @param {string} key */
  focus(key) {
    this.reach(key);
    this.wantsFocus = true;
    this.model.changed();
  }
}
