// Draws what /events tells. Every value from outside becomes a text node or an attribute, never markup.
"use strict";

const SVG = "http://www.w3.org/2000/svg";
const byId = (id) => document.getElementById(id);

function make(tag, attributes = {}, ...children) {
  const isDrawing = ["svg", "g", "path", "line", "rect", "text", "title", "polyline", "marker", "defs"].includes(tag);
  const element = isDrawing ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value != null) element.setAttribute(name, value);
  element.append(...children.filter((child) => child != null).map((child) => child instanceof Node ? child : String(child)));
  return element;
}

const number = (value) => value == null ? "–" : Number(value).toLocaleString("en");
const words = { current: "in use by signers", staged: "staged, not signing yet", in_use: "still in use", unproven: "not proven", retirable: "may go" };
const bases = { enforced: "enforced: old-key tokens issued after the switch are refused", observed: "observed: every token handed out was watched", declared: "declared: the switch is stated", none: "none" };

// Times come as RFC 3339 in UTC and are shown so; the difference to the sidecar's clock is taken out.
let skew_ms = 0;
const now = () => Date.now() - skew_ms;
const inWords = (at) => `${new Date(at).toISOString().slice(0, 19)}Z`;

// Without the date where that is today's.
function moment(text) {
  const [date, time] = text.split("T");
  return inWords(now()).startsWith(date) ? time : `${date} ${time}`;
}

function ago(text) {
  if (text == null) return "never";
  const seconds = Math.round((now() - Date.parse(text)) / 1000);
  return seconds >= 0 ? `${span(seconds)} ago` : `in ${span(-seconds)}`;
}

function span(seconds) {
  const parts = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const first = parts.findIndex(([, size]) => seconds >= size);
  if (first < 0) return "0 s";
  const [unit, size] = parts[first], rest = parts[first + 1];
  const whole = Math.floor(seconds / size), left = rest ? Math.floor((seconds % size) / rest[1]) : 0;
  return left ? `${whole} ${unit} ${left} ${rest[0]}` : `${whole} ${unit}`;
}

// Touches only what differs, so that focus, selection and screen readers rest while a clock ticks beside them.
function show(target, ...children) {
  fill(target, [...make("div", {}, ...children).childNodes]);
}

function fill(target, wanted) {
  wanted.forEach((fresh, place) => {
    const there = target.childNodes[place];
    if (!there) target.append(fresh);
    else if (there.nodeName !== fresh.nodeName) there.replaceWith(fresh);
    else if (fresh instanceof Text) { if (there.data !== fresh.data) there.data = fresh.data; }
    else {
      for (const { name } of [...there.attributes]) if (!fresh.hasAttribute(name)) there.removeAttribute(name);
      for (const { name, value } of fresh.attributes) if (there.getAttribute(name) !== value) there.setAttribute(name, value);
      fill(there, [...fresh.childNodes]);
    }
  });
  while (target.childNodes.length > wanted.length) target.lastChild.remove();
}

function countdown(key) {
  if (key.state === "retirable") return "may go now";
  if (!key.retirable_at) return null;
  const seconds = Math.ceil((Date.parse(key.retirable_at) - now()) / 1000);
  return seconds > 0 ? `may go in ${span(seconds)}` : "due, waiting for evidence";
}

function card(key) {
  const wait = key.generation === "old" ? countdown(key) : null;
  const rows = [
    ["Accepted", number(key.accepted_total)],
    ["Handed out", key.issued_total == null ? "not watched" : number(key.issued_total)],
    ["Live tokens", number(key.live_tokens)],
    ["Last used", ago(key.last_used_at)],
    ["Latest expiry", key.latest_expiry_at ? ago(key.latest_expiry_at) : "none seen"],
    ["Basis", bases[key.basis] || key.basis || "none"],
  ];
  return make("article", { class: `card ${key.generation}`, "data-key": key.id },
    make("header", {}, make("h3", {}, key.id), make("span", { class: `badge ${key.generation}` }, `${key.generation} key`)),
    make("p", {}, make("strong", {}, words[key.state] || key.state || "held by nobody any more")),
    wait && make("p", { class: "countdown" }, wait),
    make("dl", {}, ...rows.flatMap(([term, value]) => [make("dt", {}, term), make("dd", {}, value)])),
    make("p", { class: "why" }, key.why));
}

function drawKeys(keys) {
  show(byId("keys"), ...(keys.length ? keys.map(card) : [make("p", {}, "There is no key.")]));
}

function drawTokens(history) {
  const target = byId("tokens");
  if (!history || history.length < 2) return show(target, make("p", { class: "note" }, "The chart begins after a few seconds of watching."));
  const width = Math.max(320, Math.min(1000, target.clientWidth || 1000)), height = 200, left = 46, base = height - 24;
  const start = history[0].at, stop = history[history.length - 1].at;
  const top = Math.max(1, ...history.map((point) => Math.max(point.new, point.old)));
  const x = (at) => left + (width - left - 8) * (at - start) / Math.max(1, stop - start);
  const y = (value) => base - (base - 12) * value / top;
  const line = (name) => make("polyline", { class: `line-${name}`, points: history.map((point) => `${x(point.at).toFixed(1)},${y(point[name]).toFixed(1)}`).join(" ") });
  const last = history[history.length - 1];
  const summary = `Accepted tokens a second, from ${span(Math.round(stop - start))} ago until now: new key ${last.new.toFixed(1)}, old keys ${last.old.toFixed(1)}.`;
  show(target,
    make("p", { class: "note" }, "Accepted tokens a second."),
    make("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": summary },
      make("line", { class: "axis", x1: left, x2: width - 8, y1: base, y2: base }),
      make("text", { x: left - 6, y: y(top) + 4, "text-anchor": "end" }, top >= 10 ? Math.round(top) : top.toFixed(1)),
      make("text", { x: left - 6, y: base + 4, "text-anchor": "end" }, "0"),
      make("text", { x: left, y: height - 6 }, `${span(Math.round(stop - start))} ago`),
      make("text", { x: width - 8, y: height - 6, "text-anchor": "end" }, "now"),
      line("old"), line("new")),
    make("p", { class: "legend" }, make("span", { class: "new" }, `new key: ${last.new.toFixed(1)}/s`), make("span", { class: "old" }, `old keys: ${last.old.toFixed(1)}/s`)));
}

const holds = (satisfied) => satisfied === true ? ["✓ satisfied", "good"] : satisfied === false ? ["✗ not satisfied", "bad"] : ["? not known", "open"];

// A cell is a text, a number, or whether something is satisfied and why.
function cellOf(value) {
  if (typeof value === "number") return make("td", { class: "number" }, number(value));
  if (value == null || typeof value !== "object") return make("td", {}, value);
  const [text, kind] = holds(value.satisfied);
  return make("td", { class: kind }, text, make("div", { class: "quiet" }, value.why));
}

function tableOf({ caption, columns, rows }) {
  const kind = (index) => rows.some((row) => typeof row[index] === "number") ? "number" : null;
  return make("table", {}, caption && make("caption", {}, caption),
    make("thead", {}, make("tr", {}, ...columns.map((name, index) => make("th", { scope: "col", class: kind(index) }, name)))),
    make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map(cellOf)))));
}

function drawServices(services) {
  show(byId("services-title"), services.title);
  show(byId("services-note"), services.note);
  byId("services").hidden = !services.tables.length;
  show(byId("services"), ...services.tables.map(tableOf));
  drawGraph(services);
}

function drawGraph({ nodes, edges }) {
  const wide = 190, tall = 38, gap = 90, step = 50;
  const isDrawn = nodes.length > 1;
  byId("graph").hidden = !isDrawn;
  if (!isDrawn) return show(byId("graph"));
  const left = (column) => 4 + column * (wide + gap), middle = (row) => 4 + tall / 2 + row * step;
  // Names that begin alike often differ at their end.
  const short = (text) => text.length > 25 ? `${text.slice(0, 13)}…${text.slice(-11)}` : text;
  const width = left(Math.max(...nodes.map((node) => node.column))) + wide + 4;
  const height = middle(Math.max(...nodes.map((node) => node.row), ...edges.flatMap((edge) => edge.via.map(([, row]) => row)))) + tall / 2 + 4;
  const box = (node) => make("g", { class: node.outside ? "node outside" : "node" }, make("title", {}, `${node.name} ${node.text}`),
    make("rect", { x: left(node.column), y: middle(node.row) - tall / 2, width: wide, height: tall, rx: 5 }),
    // A drawing in a drawing: wide letters end at its margin.
    make("svg", { x: left(node.column) + 8, y: middle(node.row) - tall / 2, width: wide - 10, height: tall },
      make("text", { y: tall / 2 - 3 }, short(node.name)), make("text", { y: tall / 2 + 13 }, short(node.text))));
  const line = (edge) => {
    const from = nodes[edge.from], to = nodes[edge.to], [words, kind] = holds(edge.satisfied);
    let x = left(from.column) + wide, y = middle(from.row), path = `M${x},${y}`;
    const bend = (toX, toY) => { path += ` C${x + gap / 2},${y} ${toX - gap / 2},${toY} ${toX},${toY}`; [x, y] = [toX, toY]; };
    for (const [column, row] of edge.via) { bend(left(column), middle(row)); x += wide; path += ` H${x}`; }
    const [startX, startY] = [x, y];
    bend(left(to.column), middle(to.row));
    return make("g", { class: `line ${kind}` }, make("title", {}, `${from.name} needs ${to.name}: ${words.slice(2)}`),
      make("path", { class: `edge ${kind}`, d: path }),
      make("text", { class: "sign", x: (startX + x) / 2, y: (startY + y) / 2 + 4, "text-anchor": "middle" }, words[0]));
  };
  show(byId("graph"), make("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": "Who needs whom; the table below says the same in words." },
    ...edges.map(line), ...nodes.map(box)));
}

const marks = { "done": ["✓", "good"], "not yet": ["…", "old"], "unknown": ["?", "open"] };

function drawSteps(steps) {
  byId("steps-section").hidden = !steps.length;
  show(byId("steps"), ...steps.map((step) => {
    const [sign, kind] = marks[step.progress] || marks.unknown;
    return make("li", { class: kind },
      make("span", { class: "mark", "aria-hidden": "true" }, sign),
      make("strong", {}, step.title), make("span", { class: "badge" }, step.progress),
      make("p", { class: "quiet" }, step.why),
      ...step.missing.slice(0, 3).map((each) => make("p", { class: "quiet" }, `${each.where}: ${each.what}`)),
      step.missing.length > 3 ? make("p", { class: "quiet" }, `and ${step.missing.length - 3} more`) : null);
  }));
}

function drawRefusals(refusals) {
  if (!refusals.length) return show(byId("refusals"), make("p", { class: "note" }, "None."));
  const rows = refusals.map((each) => [each.enforced ? each.reason : `${each.reason} (observed only)`, each.generation, each.count]);
  show(byId("refusals"), tableOf({ columns: ["Reason", "Key", "Count"], rows }));
}

function drawChanges(changes) {
  if (!changes.length) return show(byId("changes"), make("li", { class: "quiet" }, "None since the start."));
  show(byId("changes"), ...changes.map((each) => make("li", {},
    make("time", { datetime: each.at }, moment(each.at)), " ", each.level === "info" ? null : make("strong", { class: "bad" }, `${each.level}: `), each.what)));
}

function draw(state) {
  document.title = `${state.title} · sidecar`;
  show(byId("title"), state.title);
  show(byId("version"), state.subtitle);
  show(byId("keys-note"), state.note);
  drawSteps(state.steps);
  drawKeys(state.keys);
  drawTokens(state.history);
  drawServices(state.services);
  drawRefusals(state.refusals);
  drawChanges(state.changes);
  show(byId("links"), ...state.links.map((path) => make("a", { href: path }, `/${path}`)));
}

let last = null, lostSince = null, heardAt = Date.now();

// Whether what is shown is of now; if not, nothing on the page says that all is well.
function settle() {
  const why = lostSince != null ? `The server of this page has not answered since ${lostSince}.` : last.lost;
  const status = why == null ? last.status : { kind: "open", text: "? no answer" };
  byId("status").className = `badge ${status.kind}`;
  show(byId("status"), status.text);
  document.body.classList.toggle("is-stale", why != null);
  byId("stale").hidden = why == null;
  if (why != null) show(byId("stale"), last ? `${why} What you see is the last known state.` : why);
}

function take(state) {
  last = state;
  skew_ms = Date.now() - Date.parse(last.now);
  lostSince = null;
  draw(last);
  settle();
}

function lose() {
  lostSince = lostSince || inWords(heardAt - skew_ms);
  settle();
}

// A server that is there says so every ten seconds. One that is frozen, or cut off, closes nothing.
const PATIENCE_MS = 25000;

function listen() {
  const events = new EventSource("events");
  const begunAt = Date.now();
  const watch = setInterval(() => {
    if (Date.now() - Math.max(begunAt, heardAt) < PATIENCE_MS) return;
    lose();
    stop();
    listen();
  }, 1000);
  const stop = () => { clearInterval(watch); events.close(); };
  const hear = () => { heardAt = Date.now(); };
  events.addEventListener("here", hear);
  events.addEventListener("state", (event) => { hear(); take(JSON.parse(event.data)); });
  events.addEventListener("error", () => {
    if (events.readyState !== EventSource.CLOSED) return lose();
    // Too many pages are open: until there is room for this one, it asks.
    stop();
    fetch("state", { signal: AbortSignal.timeout(PATIENCE_MS) })
      .then((answer) => answer.ok ? answer.json() : Promise.reject(answer))
      .then((state) => { hear(); take(state); }, lose)
      .finally(() => setTimeout(listen, 2000));
  });
}

// Countdowns and ages go on between two events.
setInterval(() => { if (last && !last.lost && lostSince == null) drawKeys(last.keys); }, 1000);
listen();
