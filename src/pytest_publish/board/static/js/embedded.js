// Stands in for source.js in a report: answers what is asked out of the file itself, which
// report.py wrote. Only what is asked for is unpacked.

/** @typedef {import("./source.js").Stream} Stream */
/** @typedef {Record<string, any>} Answers by what was asked */

const OTHERWISE = "This report has one run and what concerns it: ask the board for more.";
/** What of a query tells two answers apart; the rest only says how much of it is wanted. */
const TELLING = ["nodeid", "days", "a", "b"];

export const isReport = true;

/** @type {{ made: number, hasHistory: boolean, index: string[][], answers: Answers }} */
const first = await unpacked("index");
/** @type {Map<string, string>} the id of the block that has an answer */
const places = new Map();
for (const [number, asked] of first.index.entries()) for (const one of asked) places.set(one, `block-${number}`);
/** @type {{ id: string, answers: Promise<Answers> }} the block that was unpacked last */
let last = { id: "", answers: Promise.resolve({}) };

export const hasHistory = first.hasHistory;

/** Epoch seconds: it is always the time when the report was made. */
export function clock() {
  return first.made;
}

/** @param {string} path @returns {Promise<any>} */
export async function get(path) {
  const asked = nameOf(path);
  if (Object.hasOwn(first.answers, asked)) return structuredClone(first.answers[asked]);
  const id = places.get(asked);
  if (id === undefined) throw new Error(OTHERWISE);
  if (last.id !== id) last = { id, answers: unpacked(id) };
  return (await last.answers)[asked];
}

/** @param {string} path */
function nameOf(path) {
  const [place = "", query = ""] = path.split("?", 2);
  const asked = new URLSearchParams(query);
  const telling = TELLING.filter((name) => asked.has(name)).map((name) => `${name}=${asked.get(name)}`);
  return [decodeURIComponent(place), ...telling].join("?");
}

/** @param {string} id @returns {Promise<any>} */
async function unpacked(id) {
  const text = atob(document.getElementById(id)?.textContent ?? "");
  const bytes = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).json();
}

/** A stream that says hello, and then nothing. @param {string} _path @returns {Stream} */
export function open(_path) {
  const event = { data: JSON.stringify({ now: first.made }) };
  return {
    addEventListener: (name, handle) => name === "hello" && setTimeout(() => handle(event)),
    close: () => {},
    readyState: EventSource.OPEN,
  };
}
