// What the board answered, kept. While something newer is on its way, the old is shown.

/** Answers that are kept, so that memory stays constant. */
const MOST = 200;
/** Milliseconds after which the same may be asked again. */
const PAUSE = 2000;

/** @typedef {{ value: any, version: unknown, at: number, isOnItsWay: boolean }} Answer */

export class Answers {
  /** @param {() => void} changed called when there is something new */
  constructor(changed) {
    this.changed = changed;
    /** @type {Map<string, Answer>} */
    this.known = new Map();
  }

  /**
   * What was answered; null until it is there. It is asked for again when the version is
   * another one.
   * @template T @param {string} key @param {() => Promise<T>} ask @param {unknown} [version]
   * @returns {T | Error | null}
   */
  get(key, ask, version = "") {
    const known = this.known.get(key) ?? this.room(key);
    const isOld = known.version !== version && performance.now() - known.at > PAUSE;
    if (isOld && !known.isOnItsWay) this.ask(known, ask, version);
    return known.value;
  }

  /** @param {string} key @returns {Answer} */
  room(key) {
    const [oldest] = this.known.keys();
    if (oldest !== undefined && this.known.size >= MOST) this.known.delete(oldest);
    const fresh = { value: null, version: null, at: Number.NEGATIVE_INFINITY, isOnItsWay: false };
    this.known.set(key, fresh);
    return fresh;
  }

  /** @param {Answer} known @param {() => Promise<any>} ask @param {unknown} version */
  async ask(known, ask, version) {
    known.isOnItsWay = true;
    try {
      known.value = await ask();
    } catch (error) {
      // What is old is worth more than nothing.
      if (known.value === null || known.value instanceof Error) known.value = error;
    }
    Object.assign(known, { version, at: performance.now(), isOnItsWay: false });
    this.changed();
  }

  /** Try again to get what could not be got. @param {string} key */
  retry(key) {
    this.known.delete(key);
    this.changed();
  }

  /** The same, for everything: somebody answers again. */
  retryAll() {
    for (const [key, { value }] of this.known) if (value instanceof Error) this.known.delete(key);
    this.changed();
  }
}
