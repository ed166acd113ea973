"use strict";
// Under Locust's tab "Sessions", which Locust itself leaves empty, shows our page.

(() => {
  const frame = Object.assign(document.createElement("iframe"), { title: "Sessions", hidden: true });
  Object.assign(frame.style, { display: "block", width: "100%", border: "0" });
  let wait = 0;

  function look() {
    wait = 0;
    const chosen = document.querySelector("[role=tab][aria-selected=true]");
    const isOurs = chosen !== null && chosen.textContent.trim() === "Sessions";
    if (isOurs && !frame.src) frame.src = "./tradeprobe";
    const place = chosen?.closest("[role=tablist]")?.closest(".MuiContainer-root") ?? document.body;
    if (isOurs && frame.parentElement !== place) place.append(frame);
    if (frame.hidden === isOurs) {
      frame.hidden = !isOurs;
      frame.style.display = isOurs ? "block" : "none";
    }
  }

  function grow() {
    const inside = frame.contentDocument?.documentElement;
    if (inside && !frame.hidden) frame.style.height = `${inside.querySelector("body").scrollHeight + 8}px`;
  }

  new MutationObserver(() => { wait ||= setTimeout(look, 50); })
    .observe(document.getElementById("root"), { subtree: true, childList: true, attributes: true, attributeFilter: ["aria-selected"] });
  frame.addEventListener("load", () => {
    new frame.contentWindow.ResizeObserver(grow).observe(frame.contentDocument.body);
    grow();
  });
  look();
})();
