// Rows as a tree by file and class, as the lines that are seen of it.

import { BAD, parts } from "./format.js";
import { FILE, NODEID, OUTCOME } from "./types.js";

/** @typedef {import("./types.js").Row} Row */
/** @typedef {{ key: string, title: string, level: number, number: number, bad: number, isOpen: boolean }} Group */
/** @typedef {{ group: Group } | { row: Row, level: number }} TreeLine */

/** Trees of more rows are closed at first, but for the files in which something is wrong. */
const MOST_OPEN = 1000;

/** @type {{ rows: Row[], length: number, toggled: string, lines: TreeLine[] }} */
let last = { rows: [], length: -1, toggled: "", lines: [] };

/** @param {Row[]} rows @param {Set<string>} toggled @param {boolean} isBehind more rows come with the next frame @returns {TreeLine[]} */
export function treeLines(rows, toggled, isBehind) {
  const closed = [...toggled].join("\n");
  if (isBehind && last.rows === rows) return last.lines;
  if (last.rows !== rows || last.length !== rows.length || last.toggled !== closed)
    last = { rows, length: rows.length, toggled: closed, lines: laidOut(rows, toggled) };
  return last.lines;
}

/** @param {Row[]} rows @param {Set<string>} toggled */
function laidOut(rows, toggled) {
  /** @type {TreeLine[]} */
  const lines = [];
  const isLarge = rows.length > MOST_OPEN;
  for (const [file, inFile] of grouped(rows, (row) => row[FILE] ?? parts(row[NODEID])[0])) {
    const group = groupOf(file, file || "no file", 0, inFile, isLarge, toggled);
    lines.push({ group });
    if (!group.isOpen) continue;
    for (const [name, inClass] of grouped(inFile, (row) => className(row[NODEID]))) {
      const level = name ? 2 : 1;
      if (name) {
        const inner = groupOf(`${file}::${name}`, name, 1, inClass, false, toggled);
        lines.push({ group: inner });
        if (!inner.isOpen) continue;
      }
      for (const row of inClass) lines.push({ row, level });
    }
  }
  return lines;
}

/**
 * @param {string} key @param {string} title @param {number} level @param {Row[]} rows
 * @param {boolean} isLarge @param {Set<string>} toggled
 */
function groupOf(key, title, level, rows, isLarge, toggled) {
  let bad = 0;
  for (const row of rows) if (BAD.has(row[OUTCOME])) bad += 1;
  const isOpen = toggled.has(key) === (isLarge && bad === 0);
  return { key, title, level, number: rows.length, bad, isOpen };
}

/** Classes, also such in classes. @param {string} nodeid */
function className(nodeid) {
  const begin = nodeid.indexOf("::");
  const bracket = nodeid.indexOf("[");
  const end = nodeid.lastIndexOf("::", bracket < 0 ? nodeid.length : bracket);
  return begin < end ? nodeid.slice(begin + 2, end) : "";
}

/** @param {Row[]} rows @param {(row: Row) => string} keyOf @returns {[string, Row[]][]} by their keys' order */
function grouped(rows, keyOf) {
  /** @type {Map<string, Row[]>} */
  const groups = new Map();
  for (const row of rows) {
    const key = keyOf(row);
    const group = groups.get(key);
    if (group) group.push(row);
    else groups.set(key, [row]);
  }
  return [...groups].sort(([a], [b]) => (a < b ? -1 : 1));
}
