"use strict";
// Draws /tradeprobe/record and keeps it drawn. Texts are set as texts, never as markup: whatever a server said is shown, and does
// nothing.

const EVERY = 1000, HIDDEN_EVERY = 15000, PATIENCE = 5000, STALE_AFTER = 5000;
const STATES = {
  ready: "Nothing runs yet.", spawning: "Users are being started.", running: "It runs.", cleanup: "It is being cleaned up.",
  stopping: "It is ending.", stopped: "It is over.", missing: "It is missing.",
};
const byId = id => document.getElementById(id);

function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function mark(node, name, value) {
  if (value === null || value === undefined) node.removeAttribute(name);
  else if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

// -- figures as people read them; what is not known is a dash --------------------------------------------------------

const number = value => value === null ? "–" : value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 2 : value < 100 ? 1 : 0 });
const count = value => value === null ? "–" : Math.round(value).toLocaleString("en");
const rate = value => value === null ? "–" : `${number(value)}/s`;
const share = value => value === null ? "–" : `${Math.round(value * 100)} %`;
const total = counts => Object.values(counts).reduce((sum, each) => sum + each, 0);
const kinds = counts => Object.entries(counts).map(([kind, times]) => `${times} ${kind}`).join(", ");

function time(seconds) {
  if (seconds === null) return "–";
  if (seconds >= 10) return `${seconds.toFixed(0)} s`;
  if (seconds >= 1) return `${seconds.toFixed(2)} s`;
  if (seconds >= 0.0995) return `${(seconds * 1e3).toFixed(0)} ms`;
  return `${(seconds * 1e3).toPrecision(2)} ms`;
}

function span(seconds) {
  const whole = Math.round(seconds), minutes = Math.floor(whole / 60), hours = Math.floor(minutes / 60);
  if (hours) return `${hours} h ${minutes % 60} min`;
  return minutes ? `${minutes} min ${whole % 60} s` : `${whole} s`;
}

const both = spread => `${time(spread.p50)} / ${time(spread.p99)}`;

// -- tables ----------------------------------------------------------------------------------------------------------

function fill(place, heads, rows, none) {
  let table = place.querySelector("table");
  if (!rows.length) {
    if (table || !place.firstChild) place.replaceChildren(make("p", "none", none));
    return;
  }
  if (!table) {
    table = make("table");
    const line = table.createTHead().insertRow();
    for (const head of heads) line.append(Object.assign(make("th", head.pair ? "pair" : "", head.name), { scope: "col" }));
    table.createTBody();
    place.replaceChildren(table);
  }
  const body = table.tBodies[0];
  while (body.rows.length > rows.length) body.deleteRow(-1);
  rows.forEach((row, at) => {
    const line = body.rows[at] ?? body.insertRow();
    heads.forEach((head, place) => {
      const cell = line.cells[place] ?? Object.assign(line.insertCell(), { className: head.pair ? "pair" : "" });
      mark(cell, "data-label", head.name);
      const [text, tone] = [head.of(row)].flat();
      put(cell, text);
      mark(cell, "data-tone", tone);
    });
  });
}

const head = (name, of, pair = false) => ({ name, of, pair });
const bad = (text, isBad) => isBad ? [text, "bad"] : text;
const failed = counts => bad(total(counts) ? kinds(counts) : "0", total(counts) > 0);

const OPERATIONS = [
  head("operation", each => each.name), head("each second", each => rate(each.rate)), head("due", each => count(each.due)),
  head("answered", each => count(each.answered)), head("failed", each => failed(each.failed)),
  head("response p50 / p99", each => both(each.response), true), head("service p50 / p99", each => both(each.service), true),
  head("lateness p50 / p99", each => both(each.lateness), true),
];
const STREAMS = [
  head("symbol", each => each.symbol), head("ticks", each => rate(each.rate)), head("came", each => count(each.arrived)),
  head("gap p99", each => time(each.gap.p99), true), head("staleness p99", each => time(each.staleness.p99)),
  head("first tick p99", each => time(each.first.p99)), head("skew p99", each => time(each.skew.p99)),
  head("twice", each => count(each.duplicates)), head("out of order", each => bad(count(each.out_of_order), each.out_of_order > 0)),
];
const PHASES = [
  head("step", each => each.name), head("times", each => count(each.count)), head("p50", each => time(each.p50)),
  head("p99", each => time(each.p99)),
];
const GENERATORS = [
  head("process", each => each.gone ?? (each.name === "alone" ? "the only one" : each.name)),
  head("processor", each => each.gone ? "–" : bad(share(each.cpu), each.cpu > 0.9)),
  head("loop late p99", each => each.gone ? "–" : time(each.lag.p99)), head("sent late p99", each => each.gone ? "–" : time(each.late.p99)),
  head("memory", each => each.gone || each.resident_bytes === null ? "–" : `${Math.round(each.resident_bytes / 1e6)} MB`),
  head("unsent", each => each.gone ? "–" : bad(count(each.unsent), each.unsent > 0)),
  head("refused", each => each.gone ? [each.why, "bad"] : failed(each.refused)),
];
const THRESHOLDS = [
  head("threshold", each => each.text), head("samples", each => count(each.samples)),
  head("holds", each => each.holds === null ? "not known yet" : each.holds ? ["yes", "good"] : ["no", "bad"]),
];

function cards(run) {
  const { sessions, connect } = run, lost = total(sessions.lost), unopened = total(connect.failed);
  const wanted = sessions.wanted === null ? "" : `of ${count(sessions.wanted)} wanted`;
  return [
    ["live", count(sessions.live), wanted], ["opened", count(connect.opened), `of ${count(connect.begun)} tried`],
    ["not opened", count(unopened), kinds(connect.failed), unopened > 0], ["lost", count(lost), kinds(sessions.lost), lost > 0],
    ["cut by us", count(sessions.dropped), ""], ["recovered", count(sessions.recovery.count), sessions.recovery.count ? `p99 ${time(sessions.recovery.p99)}` : ""],
    ["heartbeats", count(sessions.beats), ""], ["not answered", count(sessions.beats_missed), "heartbeats", sessions.beats_missed > 0],
    ["unknown", count(sessions.surprises), "messages", sessions.surprises > 0],
  ];
}

function draw_cards(all) {
  const place = byId("figures");
  all.forEach(([name, value, more, isBad], at) => {
    let card = place.children[at];
    if (!card) {
      card = make("div");
      card.append(make("span"), make("strong"), make("small"));
      place.append(card);
    }
    put(card.children[0], name);
    put(card.children[1], value);
    mark(card.children[1], "data-tone", isBad ? "bad" : null);
    put(card.children[2], more);
  });
}

function headline(told) {
  const run = told.run;
  if (!run) return STATES[told.state] ?? told.state;
  if (run.verdict === null) return told.state === "stopped" ? "Too little was measured to say anything." : "Too early to say anything.";
  const so_far = told.state === "stopped" ? "" : " so far";
  if (run.verdict === "VALID") return `VALID${so_far}: the load is made as planned; the figures are the server's.`;
  return `INVALID${so_far}: the figures are not the server's.`;
}

function stage(told) {
  const run = told.run;
  if (!run) return "Start it under Locust's other tab; this page fills by itself.";
  const words = [STATES[told.state] ?? told.state];
  if (run.stage && run.stage.of > 1) words.push(`Stage ${run.stage.number} of ${run.stage.of}, ${run.stage.name}.`);
  words.push(`Second ${run.seconds}${run.left === null ? "" : `, ${span(run.left)} left`}.`);
  return words.join(" ");
}

function draw(told) {
  const run = told.run;
  mark(document.body, "data-verdict", run ? run.verdict : null);
  put(byId("headline"), headline(told));
  put(byId("stage"), stage(told));
  byId("trouble").hidden = !told.refusal;
  put(byId("trouble"), told.refusal ? `Refused: ${told.refusal}` : "");
  document.querySelector("main").hidden = !run;
  const reasons = run && run.verdict === "INVALID" ? run.reasons : [];
  const list = byId("reasons");
  while (list.children.length > reasons.length) list.lastChild.remove();
  reasons.forEach((each, at) => put(list.children[at] ?? list.appendChild(make("li")), each));
  if (!run) return;
  put(byId("what"), `${run.broker}${run.simulated ? ", our own simulator" : ""} · ${run.scenario}`);
  draw_cards(cards(run));
  fill(byId("operations"), OPERATIONS, run.operations, "Nothing was asked yet.");
  fill(byId("streams"), STREAMS, run.streams, "No price came yet.");
  put(byId("more"), run.more_streams ? `And ${run.more_streams} more symbols, of which fewer came.` : "");
  const whole = run.connect.whole.count ? [{ ...run.connect.whole, name: "all of it, from when it was due" }] : [];
  fill(byId("phases"), PHASES, [...run.connect.phases, ...whole], "Nothing was connected yet.");
  const gone = [
    ...Object.entries(run.lost_workers).map(([name, why]) => ({ gone: name, why: `lost: ${why}` })),
    ...Object.entries(run.refused_workers).map(([name, why]) => ({ gone: name, why: `refused, of version ${why}` })),
  ];
  fill(byId("generators"), GENERATORS, [...run.generators, ...gone], "It has not told anything of itself yet.");
  byId("limits").hidden = !run.thresholds.length;
  fill(byId("thresholds"), THRESHOLDS, run.thresholds, "");
}

// -- asking ----------------------------------------------------------------------------------------------------------

let came = performance.now(), timer = 0, isAsking = false;

async function ask() {
  clearTimeout(timer);
  if (isAsking) return;
  isAsking = true;
  try {
    const answer = await fetch("./tradeprobe/record", { signal: AbortSignal.timeout(PATIENCE), cache: "no-store" });
    if (!answer.ok) throw new Error(await answer.text());
    draw(await answer.json());
    came = performance.now();
    document.body.classList.remove("old");
  } catch {
    if (performance.now() - came > STALE_AFTER) {
      document.body.classList.add("old");
      byId("trouble").hidden = false;
      put(byId("trouble"), "OLD: Locust does not answer, it has ended or is very busy. It is tried again.");
    }
  }
  isAsking = false;
  timer = setTimeout(ask, document.hidden ? HIDDEN_EVERY : EVERY);
}

document.addEventListener("visibilitychange", () => { if (!document.hidden) ask(); });
ask();
