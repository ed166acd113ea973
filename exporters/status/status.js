"use strict";
// Draws /api/v1/status and keeps it drawn. Only what differs is touched: open details, focus and selections stay.
// Texts are set as texts, never as markup: whatever a server said is shown, and does nothing.

const EVERY = 1000, HIDDEN_EVERY = 15000, SLOWEST = 15000, PATIENCE = 5000, STALE_AFTER = 4000;
const FILTER_FROM = 8, MANY = 50, MOST_OPEN = 50; // targets; a question must not become too long
const MARKS = {
  idle: "○", connecting: "►", authenticating: "►", streaming: "●", degraded: "▲", stalled: "■", backoff: "◊",
  auth_rejected: "×", stopped: "□",
};
const CAUSES = { good: "good", disconnected: "disconnected", auth: "locked out", stalled: "stalled", degraded: "degraded" };
const SVG = "http://www.w3.org/2000/svg";

// -- making and changing elements ------------------------------------------------------------------------------------

const byId = id => document.getElementById(id);

function make(tag, className, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...children);
  return node;
}

function draw(tag, attributes, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function mark(node, name, value) {
  if (value === null || value === false) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

function show(node, isShown) {
  if (node.hidden === isShown) node.hidden = !isShown;
}

// One child for each item, known by its key; it is made once and filled again and again.
function keep(parent, items, keyOf, create, fill) {
  const known = parent.kept ??= new Map();
  const keys = new Set(items.map(keyOf));
  for (const [key, node] of known) {
    if (!keys.has(key)) {
      node.remove();
      known.delete(key);
    }
  }
  let next = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    let node = known.get(key);
    if (!node) known.set(key, node = create(item));
    if (node === next) next = next.nextElementSibling;
    else parent.insertBefore(node, next);
    fill(node, item);
  }
}

function table(caption, ...heads) {
  const body = make("tbody");
  const row = make("tr", "", ...heads.map(head => Object.assign(make("th", "", head), { scope: "col" })));
  const node = make("table", "", make("caption", "", caption), make("thead", "", row), body);
  node.fill = (items, keyOf, cellsOf) => {
    show(node, items.length > 0);
    keep(body, items, keyOf, () => make("tr", "", ...heads.map(head => {
      const cell = make("td");
      cell.dataset.label = head;
      return cell;
    })), (line, item) => cellsOf(item).forEach((value, at) => {
      const cell = line.children[at];
      if (typeof value === "function") value(cell);
      else put(cell, value);
    }));
  };
  return node;
}

// -- words -----------------------------------------------------------------------------------------------------------

function span(seconds) {
  if (seconds === null) return "–";
  if (seconds < 59.95) return seconds > 0 && seconds < 0.995 ? `${seconds.toFixed(2)} s` : `${seconds.toFixed(seconds < 10 && seconds % 1 ? 1 : 0)} s`;
  const whole = Math.round(seconds);
  for (const [large, size, small, smallSize] of [["d", 86400, "h", 3600], ["h", 3600, "min", 60], ["min", 60, "s", 1]]) {
    if (whole < size) continue;
    const rest = Math.floor(whole % size / smallSize);
    return `${Math.floor(whole / size)} ${large}${rest ? ` ${rest} ${small}` : ""}`;
  }
  return "–";
}

function milliseconds(seconds) {
  if (seconds === null) return "–";
  const value = seconds * 1000;
  return value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : value.toFixed(0);
}

// Rounded down: what is not all of it never reads as 100 %.
function percent(share) {
  return share === null ? "–" : `${(Math.floor(Math.round(share * 1e10) / 1e6) / 100).toFixed(2)} %`;
}

function clock(utc) {
  const at = new Date(utc * 1000), isToday = at.toDateString() === new Date(now.utc * 1000).toDateString();
  const time = at.toLocaleTimeString("en-GB");
  return isToday ? time : `${at.toLocaleDateString("en-CA")} ${time}`;
}

const grouped = count => count.toLocaleString("en-GB");
const counted = (count, what) => `${grouped(count)} ${what}${count === 1 ? "" : "s"}`;
const words = text => text.replaceAll("_", " ");
function size(bytes) {
  const [divisor, unit] = bytes < 1e6 ? [1e3, "kB"] : bytes < 1e9 ? [1e6, "MB"] : [1e9, "GB"];
  return `${(bytes / divisor).toFixed(bytes < 1e6 ? 0 : 1)} ${unit}`;
}

function skew(seconds) {
  if (seconds === null) return "not known";
  const size = Math.abs(seconds).toFixed(2);
  return size === "0.00" ? "as ours" : `${size} s ${seconds < 0 ? "behind" : "ahead of"} ours`;
}

const likely = blame => blame === "unknown" ? "whose fault is not known" : `likely ${blame}`;

// -- pictures --------------------------------------------------------------------------------------------------------

// Good minutes are low and broad, bad ones hang from the top, degraded ones are thin: it can be read without any colour.
const BAR_HEIGHT = 22, STEP = 4;

function hour() {
  const paths = Object.fromEntries(["none", "good", "warn", "bad"].map(tone => [tone, draw("path", { class: tone })]));
  const node = draw("svg", { class: "hour", role: "img", viewBox: `0 0 ${60 * STEP} ${BAR_HEIGHT}`, preserveAspectRatio: "none" }, ...Object.values(paths));
  node.fill = history => {
    const drawn = { none: "", good: "", warn: "", bad: "" }, counts = {};
    history.cells.forEach((cell, at) => {
      const x = at * STEP, share = history.bad_share[at];
      if (cell === null) {
        drawn.none += `M${x} ${BAR_HEIGHT - 2}h3v2h-3z`;
        return;
      }
      counts[cell] = (counts[cell] ?? 0) + 1;
      drawn.good += `M${x} 8h3v${BAR_HEIGHT - 8}h-3z`;
      if (share > 0) {
        const height = (4 + share * (BAR_HEIGHT - 4)).toFixed(1);
        drawn[cell === "degraded" ? "warn" : "bad"] += cell === "degraded" ? `M${x + 0.5} 0h2v${height}h-2z` : `M${x} 0h3v${height}h-3z`;
      }
    });
    for (const [tone, path] of Object.entries(paths)) mark(path, "d", drawn[tone]);
    const unobserved = history.cells.filter(cell => cell === null).length;
    const told = Object.entries(counts).map(([cell, count]) => `${count} ${CAUSES[cell]}`);
    mark(node, "aria-label", `The last 60 minutes: ${[...told, ...unobserved ? [`${unobserved} not observed`] : []].join(", ")}`);
  };
  return node;
}

const WIDE = 150, HIGH = 26;

function spark() {
  const line = draw("path", { class: "line" }), limit = draw("path", { class: "limit" }), last = draw("circle", { r: 2 });
  const node = draw("svg", { class: "spark", role: "img", viewBox: `0 0 ${WIDE} ${HIGH}` }, limit, line, last);
  node.fill = (values, p95) => {
    const top = Math.max(...values, p95 ?? 0) * 1.08 || 1, step = WIDE / 60;
    const x = at => (WIDE - 3 - (values.length - 1 - at) * step).toFixed(1), y = value => (HIGH - 2 - value / top * (HIGH - 4)).toFixed(1);
    mark(line, "d", values.map((value, at) => `${at ? "L" : "M"}${x(at)} ${y(value)}`).join(""));
    mark(limit, "d", p95 === null ? "" : `M0 ${y(p95)}H${WIDE}`);
    mark(last, "cx", x(values.length - 1));
    mark(last, "cy", y(values.at(-1)));
    mark(node, "aria-label", `The last ${counted(values.length, "value")}, from ${milliseconds(Math.min(...values))} to ${milliseconds(Math.max(...values))} ms; the dashed line is p95`);
  };
  return node;
}

function share() {
  const part = draw("rect", { height: 6, rx: 1 });
  const node = draw("svg", { class: "share", viewBox: "0 0 60 6", preserveAspectRatio: "none", "aria-hidden": "true" }, draw("rect", { class: "whole", width: 60, height: 6, rx: 1 }), part);
  node.fill = (value, whole) => mark(part, "width", whole ? (60 * value / whole).toFixed(1) : 0);
  return node;
}

// -- one target ------------------------------------------------------------------------------------------------------

const opened = new Set();

function row(target) {
  const parts = Object.fromEntries(
    ["mark", "name", "place", "state", "since", "score", "grade", "hourly", "figure", "rtt", "way", "why"].map(name => [name, make("span", name)]));
  mark(parts.mark, "aria-hidden", "true");
  put(parts.hourly, "60 min");
  const bar = hour();
  const summary = make("summary", "", parts.mark, make("span", "who", parts.name, parts.place),
    make("span", "how", parts.state, parts.since), make("span", "bar", bar, make("span", "told", parts.hourly, parts.figure)),
    make("span", "points", parts.score, parts.grade), make("span", "trip", parts.rtt, parts.way), parts.why);
  const node = make("details", "target", summary);
  node.dataset.target = target.target;
  Object.assign(node, { parts, bar, open: opened.has(target.target) });
  node.addEventListener("toggle", () => {
    if (node.open) opened.add(target.target);
    else opened.delete(target.target);
    if (node.open) soon(0);
  });
  return node;
}

function fillRow(node, target) {
  const { parts, bar } = node, { condition, score, main_rtt: main } = target, state = condition.state;
  mark(node, "data-tone", target.tone || "idle");
  put(parts.mark, MARKS[state]);
  put(parts.name, target.target);
  put(parts.place, [target.broker, target.account, target.endpoint].filter(each => each && each !== "none").join(" · "));
  put(parts.state, `${target.words}${target.tradable === "market closed" ? ", market closed" : ""}`);
  put(parts.since, `since ${clock(target.since_utc)} · ${span(Math.max(0, Math.floor(target.at_utc - target.since_utc)))}`);
  bar.fill(target.history);
  put(parts.figure, target.availability === null ? "nothing observed yet" : `${percent(target.availability)} of ${span(Math.floor(target.observed_seconds))} available`);
  put(parts.score, score.value === null ? "–" : score.value.toFixed(0));
  put(parts.grade, score.grade);
  put(parts.rtt, main?.p95 == null ? "" : `${milliseconds(main.p95)} ms`);
  put(parts.way, main?.p95 == null ? "" : "round trip p95");
  const isWell = state === "streaming";
  put(parts.why, isWell ? "" : `${condition.sentence}${target.advice ? ` → ${target.advice}` : ""}`);
  show(parts.why, !isWell);
  if (target.incidents && node.open) {
    if (!node.long) node.append(node.long = long(target.target));
    node.long.fill(target);
  }
}

function section(title, ...children) {
  return make("section", "", make("h3", "", title), ...children);
}

function probing(name) {
  return Object.assign(make("a", "", "Probe it now"), { href: `probe?${new URLSearchParams({ target: name, debug: "true" })}` });
}

function facts() {
  const list = make("dl");
  list.fill = pairs => keep(list, pairs, pair => pair[0], ([name]) => make("div", "", make("dt", "", name), make("dd")), (node, [, value]) => put(node.lastChild, value));
  return list;
}

function long(name) {
  const why = make("div", "now"), score = make("p"), components = table("What the score is made of", "part", "points", "measured");
  const latency = table("Round trips, the last 15 minutes, milliseconds", "what", "lately", "p50", "p95", "p99", "samples");
  [components.className, latency.className] = ["named", "named figures"];
  const regions = table("Regions", "region", "attempts", "last attempt, ms", "certificate");
  const symbols = table("Symbols", "symbol", "market", "last price", "prices");
  const figures = facts(), incidents = make("div", "incidents"), calm = make("p", "", "No incidents.");
  const slow = make("p"), none = make("p", "", "Not measured in the last 15 minutes.");
  const node = make("div", "long", why,
    make("div", "", section("Score", score, components), section("Incidents", calm, incidents)),
    make("div", "", section("Round trips, ms, last 15 min", latency, none, slow), section("Symbols", symbols), section("Figures", figures)),
    section("Regions", regions, make("p", "", probing(name), " opens one new connection, without a login, and shows each step.")));
  node.fill = target => {
    fillWhy(why, target);
    put(score, `${target.score.sentence}${target.score.value === null ? "" : ` Judged over the last ${span(target.score.window_seconds)}.`}`);
    components.fill(target.score.components, each => each.name, each => [
      each.name,
      cell => {
        if (!cell.picture) cell.append(cell.picture = share(), cell.figure = make("span"));
        cell.picture.fill(each.points, each.weight);
        put(cell.figure, each.weight ? `${each.points.toFixed(1)} of ${each.weight.toFixed(1)}` : "–");
      },
      each.weight ? `${each.figure}; ${each.threshold}` : each.sentence,
    ]);
    const measured = Object.entries(target.rtt).filter(([, each]) => each.count);
    latency.fill(measured, ([metric]) => metric, ([metric, each]) => [
      each.name,
      cell => {
        const values = target.recent[metric] ?? [];
        if (values.length > 1 && !cell.picture) cell.append(cell.picture = spark());
        if (values.length > 1) cell.picture.fill(values, each.p95);
      },
      milliseconds(each.p50), milliseconds(each.p95), milliseconds(each.p99), grouped(each.count),
    ]);
    show(none, !measured.length);
    put(slow, target.blame ?? "");
    show(slow, Boolean(target.blame));
    regions.fill(target.endpoints, each => `${each.endpoint} ${each.host}`, fillRegion);
    symbols.fill(target.symbols, each => each.symbol, each => [
      each.symbol,
      { true: "open", false: "closed", null: "nobody says" }[each.is_open],
      `${each.age_seconds === null ? "none" : `${span(each.age_seconds)} ago`}${each.stalled ? ", STALLED" : ""} (limit ${span(each.limit_seconds)})`,
      grouped(each.ticks),
    ]);
    figures.fill(figuresOf(target));
    show(calm, !target.incidents.length);
    keep(incidents, target.incidents, each => each.id, incident, fillIncident);
  };
  return node;
}

function fillWhy(node, target) {
  const { condition } = target, lines = [["now", `${condition.sentence}.`.replace(/([.!?])\.$/, "$1")]];
  if (condition.code) lines.push(["what that is", `${target.title ?? "not in the catalogue"} (${condition.code})`]);
  if (target.advice && condition.state !== "streaming") lines.push(["what to do", target.advice]);
  if (target.next_attempt_utc !== null) lines.push(["next try", `in ${span(Math.max(0, Math.ceil(target.next_attempt_utc - target.at_utc)))}`]);
  for (const each of target.alerts) lines.push([`alert ${each.name}`, `${each.severity}: ${each.message}`]);
  if (!node.list) node.append(node.list = facts());
  node.list.fill(lines);
}

function fillRegion(each) {
  const phases = each.phases.map(phase => `${words(phase.phase)} ${milliseconds(phase.seconds)}`).join(" · ");
  return [
    `${each.endpoint}${each.selected ? " (chosen)" : ""} ${each.host}`,
    `${each.attempts} (${each.failures} failed)`,
    each.problem ?? (phases || "not tried yet"),
    each.certificate_expires_utc === null ? "–" : `for ${span(Math.max(0, each.certificate_expires_utc - now.utc))}`,
  ];
}

function figuresOf(target) {
  const bad = Object.entries(target.bad_seconds).filter(([, seconds]) => seconds > 0);
  return [
    ["available", target.availability === null ? "nothing observed yet" : `${percent(target.availability)} of ${span(Math.floor(target.observed_seconds))} observed`],
    ["objective", percent(target.objective)],
    ["error budget left", target.budget_left === null ? "–" : target.budget_left < 0 ? `none: ${(1 - target.budget_left).toFixed(1)} times as much is used up` : percent(target.budget_left)],
    ["bad", bad.map(([cause, seconds]) => `${CAUSES[cause]} ${span(seconds)}`).join(", ") || "none"],
    ["not observed", span(target.unobserved_seconds)],
    ["without prices", target.open_seconds > 0 ? `${span(target.blind_seconds)} of ${span(Math.floor(target.open_seconds))} of open market, longest ${span(target.longest_blind_seconds)}` : "the market was not seen open"],
    ["connections", `${counted(target.attempts, "attempt")}, ${target.failures} failed; ${counted(target.disconnects, "disconnect")}`],
    ["session", target.session_since_utc === null ? "none" : `since ${clock(target.session_since_utc)}`],
    ["received", `${counted(target.traffic.messages_received, "message")}, ${size(target.traffic.bytes_received)}`],
    ["broker's clock", skew(target.clock_skew_seconds)],
    ["samples not used", target.tainted_samples ? `${grouped(target.tainted_samples)}: this program itself was late` : "none"],
  ];
}

function incident() {
  const head = make("summary"), list = facts(), lines = make("ol", "evidence");
  return Object.assign(make("details", "incident", head, list, lines), { head, list, lines });
}

function fillIncident(node, each) {
  const lasted = Math.max(0, (each.ended_utc ?? now.utc) - each.began_utc), isOver = each.ended_utc !== null;
  mark(node, "data-tone", isOver ? "idle" : "bad");
  put(node.head, `${clock(each.began_utc)} · ${CAUSES[each.cause]} ${isOver ? `for ${span(lasted)}` : `and not over, ${span(Math.floor(lasted))}`}: ${each.sentence} (${likely(each.blame)}${each.planned ? ", planned" : ""})`);
  node.list.fill([
    ["what to do", each.advice],
    ["code", each.code],
    ...each.verdicts.length ? [["evidence says", each.verdicts.map(one => `${one.certainty}: ${one.says} (${one.code})`).join("; ")]] : [],
    ...isOver ? [["cost", `without prices ${span(each.blind_seconds)}, ${counted(each.candles_missed, "candle")} missed`]] : [], // nobody has counted before
    ...each.pattern ? [["rhythm", each.pattern]] : [],
    ...each.evidence.length ? [["last messages", "> we said, < the server said"]] : [],
  ]);
  keep(node.lines, each.evidence.map((line, at) => ({ ...line, at })), line => line.at, () => make("li"), (item, line) => put(item, `${clock(line.at_utc)} ${line.direction} ${line.text}`));
}

// -- the whole page --------------------------------------------------------------------------------------------------

const now = { utc: 0 };
let data = null, heardAt = null, failures = 0, trouble = "", timer = 0, asking = null;

function isWanted(target) {
  const typed = byId("words").value.trim().toLowerCase();
  const told = [target.target, target.broker, target.endpoint, target.condition.state, target.condition.code].join(" ").toLowerCase();
  return told.includes(typed) && !(byId("trouble").checked && ["yes", "market closed"].includes(target.tradable));
}

function redraw() {
  if (!data) return;
  now.utc = data.at_utc;
  const wanted = data.targets.filter(isWanted);
  put(byId("headline"), data.headline.sentence);
  mark(document.body, "data-answer", data.headline.answer ?? "none");
  show(byId("filter"), data.targets.length >= FILTER_FROM);
  put(byId("shown"), wanted.length < data.targets.length ? `${wanted.length} of ${data.targets.length} shown` : "");
  keep(byId("targets"), wanted, each => each.target, row, fillRow);
  const lag = data.own.loop_lag;
  put(byId("own"), `tradeprobe ${data.version} · own lag p99 ${lag.p99 === null ? "not measured" : `${milliseconds(lag.p99)} ms`} · uplink ${data.own.uplink} · times are ${Intl.DateTimeFormat().resolvedOptions().timeZone || "local"}`);
  document.title = `${{ yes: "●", "market closed": "●", no: "■" }[data.headline.answer] ?? "▲"} ${data.headline.sentence}`;
}

function age() {
  const seconds = heardAt === null ? 0 : (performance.now() - heardAt) / 1000;
  const isStale = failures > 1 || (failures > 0 && seconds * 1000 > STALE_AFTER);
  document.body.classList.toggle("old", isStale);
  show(byId("stale"), isStale);
  if (!isStale) return;
  put(byId("old"), `OLD: ${heardAt === null ? "there is no answer yet" : `what you see is from ${clock(now.utc)}`}. ${trouble} It is tried again.`);
  put(byId("age"), heardAt === null ? "" : `(${span(Math.floor(seconds))} ago)`);
  if (!document.title.startsWith("?")) document.title = `? ${document.title}`;
}

async function ask() {
  if (asking) return;
  const query = new URLSearchParams([...opened].slice(-MOST_OPEN).map(name => ["details", name]));
  if (!opened.size) query.set("details", "");
  asking = new AbortController();
  const patience = setTimeout(() => asking.abort(), PATIENCE);
  try {
    const response = await fetch(`api/v1/status?${query}`, { signal: asking.signal, cache: "no-store" });
    const answer = response.headers.get("content-type")?.startsWith("application/json") ? await response.json() : {};
    if (!response.ok) throw new Error(answer.error ?? `It answered with HTTP ${response.status}.`);
    [data, heardAt, failures] = [answer, performance.now(), 0];
    redraw();
  } catch (problem) {
    failures += 1;
    trouble = problem.name === "TypeError" || problem.name === "AbortError" ? "The exporter does not answer." : problem.message;
  } finally {
    clearTimeout(patience);
    asking = null;
  }
  age();
  soon(document.hidden ? HIDDEN_EVERY : Math.min(EVERY * (data?.targets.length > MANY ? 2 : 1) * 2 ** Math.max(failures - 1, 0), SLOWEST));
}

function soon(milliseconds) {
  clearTimeout(timer);
  timer = setTimeout(ask, milliseconds);
}

document.addEventListener("visibilitychange", () => { if (!document.hidden) soon(0); });
byId("words").addEventListener("input", redraw);
byId("trouble").addEventListener("change", redraw);
setInterval(age, 1000);
ask();
