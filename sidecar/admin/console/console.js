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
  return make("article", { class: `card ${key.generation}`, "data-key": key.id },
    make("header", {}, make("h3", {}, key.id), make("span", { class: `badge ${key.generation}` }, `${key.generation} key`)),
    make("p", {}, make("strong", {}, words[key.state] || key.state)),
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

function drawService(service) {
  const head = ["Service", "Needs", "Found", "Holds"].map((name) => make("th", { scope: "col" }, name));
  const rows = service.needs.map((need) => {
    const [text, kind] = holds(need.satisfied);
    return make("tr", {},
      make("td", {}, need.name), make("td", {}, need.requires), make("td", {}, need.version),
      make("td", { class: kind }, text, make("div", { class: "quiet" }, need.why)));
  });
  show(byId("services"), rows.length
    ? make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows))
    : make("p", { class: "note" }, "It names no service that it needs."));
  drawGraph(service);
}

function drawGraph(service) {
  const wide = 210, tall = 36, gap = 110, step = 48, needs = service.needs;
  if (!needs.length || needs.length > 20) return show(byId("graph"));
  const short = (text) => text.length > 28 ? `${text.slice(0, 27)}…` : text;
  const node = (name, version, x, y) => make("g", { class: "node" }, make("title", {}, `${name} ${version}`),
    make("rect", { x, y, width: wide, height: tall, rx: 5 }),
    make("text", { x: x + 8, y: y + 15 }, short(name)), make("text", { x: x + 8, y: y + 30 }, short(version)));
  const width = 2 * wide + gap + 8, height = needs.length * step, middle = height / 2;
  const x1 = 4 + wide, x2 = x1 + gap;
  show(byId("graph"), make("svg", { viewBox: `0 0 ${width} ${height}`, width, role: "img", "aria-label": "Who is needed; the table below says the same in words." },
    node(service.name, service.version, 4, middle - tall / 2),
    ...needs.flatMap((need, index) => {
      const y = index * step + step / 2;
      const edge = { class: `edge ${holds(need.satisfied)[1]}`, d: `M${x1},${middle} C${x1 + gap / 2},${middle} ${x2 - gap / 2},${y} ${x2},${y}` };
      return [make("path", edge), node(need.name, need.version, x2, y - tall / 2)];
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
  if (!changes.length) return show(byId("changes"), make("li", { class: "quiet" }, "None since the start."));
  show(byId("changes"), ...changes.map((each) => make("li", {},
    make("time", { datetime: each.at, title: each.at }, each.at.slice(11, 19)), " ", each.level === "info" ? null : make("strong", { class: "bad" }, `${each.level}: `), each.what)));
}

function draw(state) {
  document.title = `${state.title} · sidecar`;
  show(byId("title"), state.title);
  show(byId("version"), state.subtitle);
  const reasons = Object.entries(state.waits_for);
  byId("status").className = `badge ${reasons.length ? "bad" : "good"}`;
  show(byId("status"), reasons.length ? `✗ not ready: ${reasons.map(([name]) => name).join(", ")}` : "✓ ready");
  show(byId("keys-note"), state.note);
  drawKeys(state.keys);
  drawTokens(state.history);
  drawService(state.service);
  drawRefusals(state.refusals);
  drawChanges(state.changes);
  show(byId("links"), ...state.links.map((path) => make("a", { href: path }, `/${path}`)));
}

let last = null, lostSince = null;

function settle() {
  const isLost = lostSince != null;
  document.body.classList.toggle("is-stale", isLost);
  byId("stale").hidden = !isLost;
  if (isLost) show(byId("stale"), `The sidecar has not answered since ${lostSince}. What you see is the last known state.`);
}

function listen() {
  const events = new EventSource("events");
  events.addEventListener("state", (event) => {
    last = JSON.parse(event.data);
    skew_ms = Date.now() - Date.parse(last.now);
    lostSince = null;
    draw(last);
    settle();
  });
  events.addEventListener("error", () => {
    lostSince = lostSince || new Date().toLocaleTimeString("en-GB");
    settle();
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, 2000);
  });
}

// Countdowns and ages go on between two events.
setInterval(() => { if (last && lostSince == null) drawKeys(last.keys); }, 1000);
listen();
