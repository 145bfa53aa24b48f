// Where the page's data come from: the board that serves the page. No other module talks to
// it; a report, which is the page as one file, has embedded.js in this one's place.

/**
 * What a stream of changes offers; an EventSource is one.
 * @typedef {{
 *   addEventListener: (name: string, handle: (event: any) => void) => void,
 *   close: () => void, readyState: number,
 * }} Stream
 */

/** Whether this is a report: nothing in it changes any more. */
export const isReport = false;

/** Whether more is known than one run. */
export const hasHistory = true;

/** Epoch seconds. */
export function clock() {
  return Date.now() / 1000;
}

/** @param {string} path @returns {Promise<any>} */
export async function get(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error((await response.text()).trim() || `status ${response.status}`);
  return response.json();
}

/** @param {string} path @returns {Stream} */
export function open(path) {
  return new EventSource(path);
}
