// A sweep as it goes on: what the server tells is kept here, and shown where it has changed.
import { Chart } from "./chart.js";
import { EpisodeTable } from "./table.js";

const byId = (id) => document.getElementById(id);
// Three times as long as the server is ever silent.
const QUIET = 15_000;
const KINDS = { best: "best so far", open: "other episodes", lost: "lost", failed: "failed", diverged: "diverged" };

const sweep = { head: null, order: [], rows: [], curves: [] };
let chart = null;
let pointed = null;
let pinned = null;
let heard = Date.now();
let over = false;

const table = new EpisodeTable(byId("episodes-table"), sweep, { onPoint: point, onPin: pin });

const news = new EventSource("news");
news.onmessage = (event) => {
  heard = Date.now();
  take(JSON.parse(event.data));
};
news.onerror = () => lose();
setInterval(() => {
  if (Date.now() - heard > QUIET) lose();
}, 1000);

function take(told) {
  if (told.anew) {
    Object.assign(sweep, { order: [], rows: [], curves: [] });
    pinned = pointed = null;
  }
  if (told.head) sweep.head = told.head;
  for (const [index, ...row] of told.rows ?? []) {
    const [name, kind, state, score, done, share] = row;
    sweep.rows[index] = { name, kind, state, score, done, share };
    sweep.curves[index] ??= [];
    table.write(index);
  }
  for (const [index, from, scores] of told.curves ?? []) sweep.curves[index].splice(from, Infinity, ...scores);
  if (told.anew) table.clear();
  if (told.order) sweep.order = told.order;
  if (told.order || told.rows) table.sort();
  if (told.head) writeHead(sweep.head);
  if (told.rows || told.head) writeKey();
  if (told.head || told.rows || told.curves) draw();
  write("updated", `Updated ${time(told.at)}`);
  writeOr("notice", told.notice);
  regain();
  if (told.ending) end(told.ending);
  show();
}

function draw() {
  if (chart === null) chart = new Chart(byId("chart"), sweep, point);
  else chart.update();
}

function writeHead(head) {
  document.title = `${head.phase}: ${head.name}`;
  for (const part of ["name", "compared", "phase", "message"]) write(part, head[part]);
  write("chart-words", head.words);
  byId("warnings").replaceChildren(...head.warnings.map((text) => made("p", text, "warning")));
  byId("cards").replaceChildren(...head.cards.map(card));
  byId("cost-lines").replaceChildren(...head.cost.map(costLine));
}

function card({ title, figure, text }) {
  const box = document.createElement("div");
  const said = made("dd", "");
  said.append(made("span", figure, "figure"), text);
  box.append(made("dt", title), said);
  return box;
}

function costLine({ name, steps, share, meaning }) {
  const row = document.createElement("tr");
  const head = made("th", name, "text");
  head.scope = "row";
  row.append(head, made("td", steps), made("td", share), made("td", meaning, "text"));
  return row;
}

// What each kind of line and mark means, of those that there are.
function writeKey() {
  const { head, rows } = sweep;
  const there = new Set(rows.map((row) => row.kind));
  const words = { ...KINDS, open: head.cuts.some((cut) => cut.made) ? "kept" : KINDS.open };
  const lines = Object.keys(words).filter((kind) => there.has(kind)).map((kind) => [kind, words[kind]]);
  for (const cut of head.cuts) lines.push([cut.made ? "made" : "next", cut.text]);
  if (head.baseline !== null) lines.push(["constant", "a constant answer"]);
  byId("key").replaceChildren(...lines.map(([kind, text]) => {
    const item = made("li", "", kind);
    item.append(document.createElement("i"), made("span", text));
    return item;
  }));
}

// One episode in the table and in the curves: the one pointed at, else the one that is kept.
function show() {
  const index = pointed ?? pinned;
  table.mark(index);
  chart?.point(index);
  write("pointed", index === null ? "" : saidOf(index));
}

function saidOf(index) {
  const { name, state, score, done } = sweep.rows[index];
  const said = `${name}: ${state}, best ${score}, ${done} evaluations`;
  return index === pinned ? `${said}. Escape lets go.` : said;
}

function point(index) {
  pointed = index;
  show();
}

function pin(index) {
  pinned = index === pinned ? null : index;
  pointed = null;
  show();
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && pinned !== null) pin(pinned);
});
const wanted = byId("find-name");
wanted.addEventListener("input", () => wanted.setCustomValidity(""));
byId("find").addEventListener("submit", (event) => {
  event.preventDefault();
  const index = sweep.rows.findIndex((row) => row.name === wanted.value.trim());
  if (index >= 0) {
    if (index !== pinned) pin(index);
    table.reveal(index);
    return;
  }
  wanted.setCustomValidity("There is no such episode: give a name like wi3-do7.");
  wanted.reportValidity();
});
byId("chart").addEventListener("click", () => {
  const index = chart?.nearest() ?? null;
  if (index !== null) pin(index);
});

function lose() {
  if (over) return;
  document.body.classList.add("stale");
  const gone = "the command that showed the sweep has ended, or cannot be reached from here";
  writeOr("stale", `Out of date since ${time(heard)}: ${gone}. The page goes on by itself if it comes back.`);
}

function regain() {
  document.body.classList.remove("stale");
  writeOr("stale", "");
}

function end({ words, steps }) {
  over = true;
  news.close();
  const parts = [made("p", "", "")];
  parts[0].append(made("strong", words), " This page stays as it is now.");
  for (const { what, commands } of steps) parts.push(made("p", what, "note"), made("pre", commands.join("\n")));
  byId("ending").replaceChildren(...parts);
  byId("ending").hidden = false;
}

function made(tag, text, className = "") {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}

// Untouched where nothing changes: what is read aloud is not read again.
function write(id, text) {
  const element = byId(id);
  if (element.textContent !== text) element.textContent = text;
}

function writeOr(id, text) {
  write(id, text);
  byId(id).hidden = text === "";
}

function time(moment) {
  return new Date(moment).toLocaleTimeString();
}
