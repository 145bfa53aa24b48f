// A test's durations over runs, drawn by uPlot.

import UPlot from "uplot";
import { BAD, date, duration } from "./format.js";
import { linkToRun } from "./route.js";

/** @typedef {import("./types.js").TestHistory} TestHistory */
/** @typedef {import("./types.js").Past} Past */

const HEIGHT = 176;

/**
 * Draw into a box.
 * @param {HTMLElement} box @param {TestHistory} history
 * @param {(one: Past | null) => void} point told the result that is pointed at
 * @returns {() => void} what takes it away
 */
export function plot(box, { results, median }, point) {
  const past = [...results].reverse();
  const colour = colours(box);
  const axis = { stroke: colour("quiet"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false } };
  const chart = new UPlot(
    {
      width: box.clientWidth,
      height: HEIGHT,
      legend: { show: false },
      // Room beside the first and the last.
      scales: {
        x: { time: false, range: [-0.5, past.length - 0.5] },
        y: { range: (_chart, _least, most) => [0, 1.1 * most || 1] },
      },
      axes: [
        {
          ...axis,
          grid: { show: false },
          space: 120,
          size: 28,
          incrs: [1, 2, 5, 10, 20, 50, 100],
          values: (_chart, at) => at.map((index) => when(past[index])),
        },
        { ...axis, size: 64, space: 32, values: (_chart, at) => at.map(duration) },
      ],
      series: [{}, { stroke: colour("line"), width: 1, points: { show: false } }],
      cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
      hooks: {
        draw: [(chart) => mark(chart, past, median, colour)],
        setCursor: [(chart) => point(past[chart.cursor.idx ?? -1] ?? null)],
      },
    },
    [past.map((_one, index) => index), past.map((one) => one.duration)],
    box,
  );
  chart.over.addEventListener("click", () => {
    const one = past[chart.cursor.idx ?? -1];
    if (one) location.hash = linkToRun(one, one.key);
  });
  return () => chart.destroy();
}

/** @param {Past | undefined} one */
function when(one) {
  return one ? date(one.started) : "";
}

/** @param {HTMLElement} box @returns {(name: string) => string} the page's own colours */
function colours(box) {
  const style = getComputedStyle(box);
  return (name) => style.getPropertyValue(`--${name}`).trim() || "gray";
}

/**
 * A mark for each result, by its shape as well: a cross failed, a ring did not pass.
 * @param {UPlot} chart @param {Past[]} past @param {number | null} median @param {(name: string) => string} colour
 */
function mark(chart, past, median, colour) {
  const { ctx } = chart;
  const unit = devicePixelRatio || 1;
  ctx.save();
  ctx.lineWidth = 2 * unit;
  if (median !== null) dash(chart, median, unit, colour("quiet"));
  for (const [index, { outcome, duration: seconds }] of past.entries()) {
    const [x, y] = [chart.valToPos(index, "x", true), chart.valToPos(seconds, "y", true)];
    ctx.strokeStyle = ctx.fillStyle = colour(outcome);
    ctx.beginPath();
    if (BAD.has(outcome)) {
      const size = 4 * unit;
      ctx.moveTo(x - size, y - size);
      ctx.lineTo(x + size, y + size);
      ctx.moveTo(x + size, y - size);
      ctx.lineTo(x - size, y + size);
      ctx.stroke();
    } else {
      ctx.arc(x, y, 3 * unit, 0, 2 * Math.PI);
      if (outcome === "passed") ctx.fill();
      else ctx.stroke();
    }
  }
  ctx.restore();
}

/** @param {UPlot} chart @param {number} value @param {number} unit @param {string} colour */
function dash(chart, value, unit, colour) {
  const { ctx, bbox } = chart;
  const y = chart.valToPos(value, "y", true);
  ctx.save();
  ctx.strokeStyle = colour;
  ctx.lineWidth = unit;
  ctx.setLineDash([4 * unit, 4 * unit]);
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
  ctx.restore();
}
