"use strict";
// Training runs: a table that is kept up to date, and the chart of the one that was chosen. All text enters as text.
const SVG = "http://www.w3.org/2000/svg";
const [WIDE, HIGH, LEFT, TOP, BELOW] = [640, 240, 40, 12, 28];
const EVERY = 5000; // milliseconds between two looks, while the page is seen
const board = { chosen: "", drawn: "" };

function shape(tag, attributes, text) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  if (text !== undefined) element.textContent = text;
  return element;
}

const percent = (share) => `${(100 * share).toFixed(1)} %`;
const shares = (table) => Object.entries(table || {}).map(([name, share]) => `${name} ${percent(share)}`).join(", ");

function families(rows, field) {
  const lines = new Map();
  for (const row of rows) {
    for (const [name, share] of Object.entries(row[field] || {})) {
      if (!lines.has(name)) lines.set(name, []);
      lines.get(name).push([row.round, share]);
    }
  }
  return lines;
}

function chart(rows, field, title) {
  const lines = [...families(rows, field)].slice(0, 8);
  const rounds = lines.flatMap(([, points]) => points.map(([round]) => round));
  const [first, last] = [Math.min(...rounds), Math.max(...rounds)];
  const x = (round) => LEFT + ((WIDE - LEFT - 8) * (round - first)) / Math.max(1, last - first);
  const y = (share) => TOP + (HIGH - TOP - BELOW) * (1 - share);
  const told = lines.map(([name, points]) => `${name}: ${percent(points[0][1])} to ${percent(points[points.length - 1][1])}`);
  const svg = shape("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, class: "chart", role: "img", "aria-label": `${title}, round ${first} to ${last}. ${told.join("; ")}` });
  for (const share of [0, 0.5, 1]) {
    svg.append(shape("line", { class: "frame", x1: LEFT, x2: WIDE - 8, y1: y(share), y2: y(share) }));
    svg.append(shape("text", { x: 0, y: y(share) + 4 }, `${100 * share} %`));
  }
  svg.append(shape("text", { x: LEFT, y: HIGH - 8 }, `round ${first}`), shape("text", { x: WIDE - 8, y: HIGH - 8, "text-anchor": "end" }, `round ${last}`));
  const key = made("p", undefined, "key soft");
  lines.forEach(([name, points], place) => {
    svg.append(shape("polyline", { class: `c${place % 4} line`, points: points.map(([round, share]) => `${x(round)},${y(share)}`).join(" ") }));
    for (const [round, share] of points) svg.append(shape("circle", { class: `c${place % 4}`, cx: x(round), cy: y(share), r: 3 }));
    const sample = shape("svg", { viewBox: "0 0 32 8", "aria-hidden": "true" });
    sample.append(shape("line", { class: `c${place % 4} line`, x1: 0, x2: 32, y1: 4, y2: 4, "stroke-width": 2 }));
    const item = made("span");
    item.append(sample, name);
    key.append(item);
  });
  const heading = made("h3", title);
  return [heading, svg, key];
}

async function show(name) {
  board.chosen = name;
  let run;
  try {
    run = await fetched(`/v1/runs/${encodeURIComponent(name)}`);
  } catch (error) {
    return say(error.message, true);
  }
  const stamp = JSON.stringify(run);
  if (board.chosen !== name || board.drawn === stamp) return undefined;
  board.drawn = stamp;
  const parts = [];
  for (const [field, title] of [["validation", `${name}: validation`], ["solve_rate", `${name}: solved while training`]]) {
    if (run.rows.some((row) => Object.keys(row[field] || {}).length)) parts.push(...chart(run.rows, field, title));
  }
  if (!parts.length) parts.push(made("p", `${name} has measured nothing yet.`, "soft"));
  if (run.report) {
    const open = made("button", "Its report", "plain");
    open.type = "button";
    open.addEventListener("click", () => opened(`/v1/runs/${encodeURIComponent(name)}/report`, "this run has no report"));
    parts.push(open);
  }
  at("run").replaceChildren(...parts);
  return undefined;
}

async function look() {
  if (document.hidden) return;
  let runs;
  try {
    runs = (await fetched("/v1/runs")).data;
  } catch (error) {
    return;
  }
  at("runs").hidden = !runs.length;
  const held = document.activeElement && document.activeElement.dataset ? document.activeElement.dataset.run : undefined;
  at("run-list").replaceChildren(...runs.map((run) => {
    const line = made("tr");
    const button = made("button", run.name, "plain");
    button.type = "button";
    button.dataset.run = run.name;
    button.addEventListener("click", () => show(run.name));
    const cell = made("td");
    cell.append(button);
    const when = new Date(1000 * run.changed).toLocaleString();
    line.append(cell, made("td", run.finished ? "finished" : `last sign ${when}`), made("td", String(run.rounds)), made("td", shares(run.validation)), made("td", shares(run.solve_rate)));
    return line;
  }));
  if (held !== undefined) for (const button of document.querySelectorAll("[data-run]")) if (button.dataset.run === held) button.focus();
  if (board.chosen) await show(board.chosen);
}

document.addEventListener("DOMContentLoaded", () => {
  at("key").addEventListener("change", look);
  look();
  setInterval(() => at("runs").hidden || look(), EVERY);
});
