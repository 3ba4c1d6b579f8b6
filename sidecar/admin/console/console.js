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

// Times come as RFC 3339; the difference to the sidecar's clock is taken out.
let skew_ms = 0;
const now = () => Date.now() - skew_ms;

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

// Replaces the content only where it differs, so that focus, selection and screen readers rest.
function show(target, ...children) {
  const fresh = make(target.tagName.toLowerCase(), {}, ...children);
  if (fresh.innerHTML !== target.innerHTML) target.replaceChildren(...fresh.childNodes);
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
    ["Basis", bases[key.basis] || key.basis],
  ];
  if (key.holders != null) rows.push(["Held by", key.holders]);
  return make("article", { class: `card ${key.generation}`, "data-key": key.id },
    make("header", {}, make("h3", {}, key.id), make("span", { class: `badge ${key.generation}` }, `${key.generation} key`)),
    make("p", {}, make("strong", {}, words[key.state] || key.state)),
    wait && make("p", { class: "countdown" }, wait),
    make("dl", {}, ...rows.flatMap(([term, value]) => [make("dt", {}, term), make("dd", {}, value)])),
    make("p", { class: "why" }, key.why));
}

const marks = { "done": ["✓", "good"], "not yet": ["○", "old"], "unknown": ["?", "open"] };

function drawSteps(steps) {
  byId("steps-panel").hidden = !steps || !steps.length;
  if (!steps) return;
  show(byId("steps"), ...steps.map((step) => {
    const [mark, kind] = marks[step.progress];
    return make("li", { "data-progress": step.progress },
      make("div", { class: kind }, make("span", { class: "mark", "aria-hidden": "true" }, `${mark} `), step.progress),
      make("strong", {}, `${step.number}. ${step.title}`));
  }));
  const next = steps.find((step) => step.progress !== "done");
  show(byId("step-detail"), next
    ? make("p", {}, make("strong", {}, `Step ${next.number}: `), next.why)
    : make("p", {}, "The rotation is complete."),
    ...(next ? (next.missing || []).slice(0, 8).map((item) => make("p", { class: "quiet" }, `${item.where}: ${item.what}`)) : []));
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

function drawServices(services) {
  const rows = services.flatMap((service) => {
    const needs = service.needs.length ? service.needs : [null];
    return needs.map((need, index) => {
      const [text, kind] = need ? holds(need.satisfied) : ["", ""];
      return make("tr", {},
        make("td", {}, index ? "" : service.name),
        make("td", {}, index ? "" : service.versions.map((each) => service.replicas == null ? each.version : `${each.version} × ${each.replicas}`).join(", ")),
        make("td", {}, need ? `${need.name} ${need.requires}` : "nothing"),
        make("td", {}, need ? need.version || "not known" : ""),
        make("td", { class: kind }, text, need && need.why ? make("div", { class: "quiet" }, need.why) : null));
    });
  });
  show(byId("services"), make("table", {},
    make("thead", {}, make("tr", {}, ...["Service", "Runs", "Needs", "Found", "Holds"].map((name) => make("th", { scope: "col" }, name)))),
    make("tbody", {}, ...rows)));
  drawGraph(services);
}

function drawGraph(services) {
  const names = [...new Set(services.flatMap((service) => [service.name, ...service.needs.map((need) => need.name)]))];
  const edges = services.flatMap((service) => service.needs.map((need) => ({ from: service.name, to: need.name, kind: holds(need.satisfied)[1] })));
  if (!edges.length || names.length > 40) return show(byId("graph"));
  const depth = new Map(names.map((name) => [name, 0]));
  for (let round = 0; round < names.length; round++)
    for (const edge of edges) depth.set(edge.to, Math.min(names.length, Math.max(depth.get(edge.to), depth.get(edge.from) + 1)));
  const levels = [...new Set(names.map((name) => depth.get(name)))].sort((a, b) => a - b);
  const columns = levels.map((level) => names.filter((name) => depth.get(name) === level));
  const wide = 190, tall = 36, gap = 90, step = 54;
  const place = new Map(columns.flatMap((column, i) => column.map((name, j) => [name, { x: 8 + i * (wide + gap), y: 8 + j * step }])));
  const width = columns.length * (wide + gap) - gap + 16, height = Math.max(...columns.map((column) => column.length)) * step + 8;
  const version = new Map(services.map((service) => [service.name, service.versions.map((each) => each.version).join(", ")]));
  const short = (text) => text.length > 26 ? `${text.slice(0, 25)}…` : text;
  show(byId("graph"), make("svg", { viewBox: `0 0 ${width} ${height}`, style: null, width, role: "img", "aria-label": "Who needs whom; the table below says the same in words." },
    ...edges.map((edge) => {
      const a = place.get(edge.from), b = place.get(edge.to);
      const x1 = a.x + wide, y1 = a.y + tall / 2, x2 = b.x, y2 = b.y + tall / 2;
      return make("path", { class: `edge ${edge.kind}`, d: `M${x1},${y1} C${x1 + gap / 2},${y1} ${x2 - gap / 2},${y2} ${x2},${y2}` });
    }),
    ...names.map((name) => {
      const { x, y } = place.get(name);
      return make("g", { class: "node" }, make("title", {}, name), make("rect", { x, y, width: wide, height: tall, rx: 5 }),
        make("text", { x: x + 8, y: y + 15 }, short(name)), make("text", { x: x + 8, y: y + 30 }, short(version.get(name) || "")));
    })));
}

function drawRefusals(refusals) {
  if (!refusals.length) return show(byId("refusals"), make("p", { class: "note" }, "None."));
  show(byId("refusals"), make("table", {},
    make("thead", {}, make("tr", {}, ...["Reason", "Key", "Count"].map((name) => make("th", { scope: "col" }, name)))),
    make("tbody", {}, ...refusals.map((each) => make("tr", {}, make("td", {}, each.enforced ? each.reason : `${each.reason} (observed only)`),
      make("td", {}, each.generation), make("td", { class: "number" }, number(each.count)))))));
}

function drawChanges(changes) {
  show(byId("changes"), ...(changes.length ? changes : []).map((each) => make("li", {},
    make("time", { datetime: each.at, title: each.at }, each.at.slice(11, 19)), " ", each.level === "info" ? null : make("strong", { class: "bad" }, `${each.level}: `), each.what)));
  if (!changes.length) show(byId("changes"), make("li", { class: "quiet" }, "None since the start."));
}

function draw(state) {
  document.title = `${state.title} · sidecar`;
  show(byId("title"), state.title);
  show(byId("version"), state.subtitle);
  const reasons = Object.entries(state.waits_for);
  byId("status").className = `badge ${reasons.length ? "bad" : "good"}`;
  show(byId("status"), reasons.length ? `✗ not ready: ${reasons.map(([name]) => name).join(", ")}` : "✓ ready");
  show(byId("keys-note"), state.note);
  show(byId("keys"), ...(state.keys.length ? state.keys.map(card) : [make("p", {}, "There is no key.")]));
  drawSteps(state.steps);
  drawTokens(state.history);
  drawServices(state.services);
  drawRefusals(state.refusals);
  drawChanges(state.changes);
  show(byId("links"), ...state.links.map((path) => make("a", { href: path }, `/${path}`)));
}

let last = null, heardAt = 0, lostSince = null;

function settle() {
  const isLost = lostSince != null || (last && last.stale);
  document.body.classList.toggle("is-stale", Boolean(isLost));
  byId("stale").hidden = !isLost;
  if (isLost) show(byId("stale"), lostSince != null
    ? `The sidecar has not answered since ${lostSince}. What you see is the last known state.` : last.stale);
}

function listen() {
  const events = new EventSource("events");
  events.addEventListener("state", (event) => {
    last = JSON.parse(event.data);
    heardAt = Date.now();
    skew_ms = heardAt - Date.parse(last.now);
    lostSince = null;
    draw(last);
    settle();
  });
  events.addEventListener("error", () => {
    lostSince = lostSince || new Date(heardAt || Date.now()).toLocaleTimeString("en-GB");
    settle();
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, 2000);
  });
}

setInterval(() => { if (last && lostSince == null) show(byId("keys"), ...(last.keys.length ? last.keys.map(card) : [make("p", {}, "There is no key.")])); }, 1000);
listen();
