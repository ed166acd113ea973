"use strict";

const NONE = "–";
const SVG = "http://www.w3.org/2000/svg";
const short = value => value >= 99.5 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(3)));

function duration(seconds) {
  if (seconds >= 7200) return `${short(seconds / 3600)} h`;
  if (seconds >= 120) return `${short(seconds / 60)} min`;
  if (seconds < 0.001) return `${short(seconds * 1e6)} µs`;
  return seconds < 1 ? `${short(seconds * 1000)} ms` : `${short(seconds)} s`;
}

function moment(utc) {
  return `${new Date(utc * 1000).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

// Tables: the heads become buttons, which sort. What has no value comes last, whichever way.
for (const table of document.querySelectorAll("table")) {
  const [heads, body] = [[...table.tHead.rows[0].cells], table.tBodies[0]];
  if (body.rows.length < 2) continue;
  heads.forEach((head, column) => {
    if (!head.textContent) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    const value = row => row.cells[column].dataset.order;
    const isNumber = [...body.rows].some(row => value(row) !== undefined);
    button.addEventListener("click", () => {
      const down = head.ariaSort ? head.ariaSort === "ascending" : isNumber;
      heads.forEach(each => each.removeAttribute("aria-sort"));
      head.ariaSort = down ? "descending" : "ascending";
      const order = (a, b) => {
        if (!isNumber) return a.cells[column].textContent.localeCompare(b.cells[column].textContent) * (down ? -1 : 1);
        const [one, other] = [value(a), value(b)];
        if (one === undefined || other === undefined) return (one === undefined) - (other === undefined);
        return (one - other) * (down ? -1 : 1);
      };
      body.append(...[...body.rows].sort(order));
    });
  });
}

// Pictures over time: the mouse or the arrow keys choose a moment, and the line below says what was then.
for (const timed of document.querySelectorAll(".timed")) {
  const picture = timed.querySelector("svg.picture, svg.strip");
  if (!picture) continue;
  const slots = JSON.parse(document.getElementById(timed.dataset.slots).textContent);
  if (!slots.began.length) continue;
  const rows = JSON.parse(timed.dataset.rows).filter(([name]) => slots[name]);
  const readout = timed.querySelector(".readout");
  const [left, right] = [Number(timed.dataset.left), Number(timed.dataset.right)];
  const { width, height } = picture.viewBox.baseVal;
  const cross = document.createElementNS(SVG, "path");
  let chosen = slots.began.length - 1;
  cross.setAttribute("class", "cross");

  function show(slot) {
    chosen = Math.min(Math.max(slot, 0), slots.began.length - 1);
    const began = slots.began[chosen], ended = slots.began[chosen + 1] ?? slots.until;
    const share = ((began + ended) / 2 - slots.since) / (slots.until - slots.since);
    cross.setAttribute("d", `M${(left + share * (1 - left - right)) * width} 0V${height}`);
    picture.append(cross);
    const isWatched = slots.watched && slots.watched[chosen] > 0;
    const told = !isWatched ? ["not watched"] : rows.map(([name, words, unit]) => [words, slots[name][chosen], unit])
      .filter(([, value, unit], place) => value || place === 0 || unit === "")
      .map(([words, value, unit]) => `${words} ${value === null ? NONE : unit === "s" ? duration(value) : short(value)}`);
    readout.textContent = [moment(began), ...told].join(" · ");
  }

  function hide() {
    cross.remove();
    readout.textContent = "Point at it, or use the arrow keys, to read its values.";
  }

  function point(event) {
    const frame = picture.getBoundingClientRect();
    const share = ((event.clientX - frame.left) / frame.width - left) / (1 - left - right);
    const at = slots.since + share * (slots.until - slots.since);
    const after = slots.began.findIndex(began => began > at);
    show((after < 0 ? slots.began.length : after) - 1);
  }

  const steps = { ArrowLeft: () => chosen - 1, ArrowRight: () => chosen + 1, Home: () => 0, End: () => slots.began.length - 1 };
  picture.setAttribute("tabindex", "0");
  picture.addEventListener("pointermove", point);
  picture.addEventListener("pointerdown", point);
  picture.addEventListener("pointerleave", hide);
  picture.addEventListener("focus", () => show(chosen));
  picture.addEventListener("blur", hide);
  picture.addEventListener("keydown", event => {
    if (!steps[event.key]) return;
    event.preventDefault();
    show(steps[event.key]());
  });
  hide();
}
