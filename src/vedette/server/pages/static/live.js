// What changes in the lake changes on the page: a stream tells which model moved, and the part that shows it is fetched anew.

const pulse = document.getElementById("pulse");
const word = pulse.querySelector(".live-word");

function say(state, text) {
  pulse.dataset.state = state;
  if (word.textContent !== text) word.textContent = text;
}

/** What is looked at: what has the focus, or the first thing in sight; and how far down the window it is. */
function sight() {
  const within = (one) => one && one.getBoundingClientRect().bottom > 0 && one.getBoundingClientRect().top < innerHeight;
  const focused = document.activeElement?.closest("main .main-link");
  const seen = within(focused) ? focused : [...document.querySelectorAll("main .main-link, main h2[id], main .chart")].find(within);
  if (!seen) return () => {};
  const top = seen.getBoundingClientRect().top;
  const href = seen.getAttribute("href");
  const same = href ? `main a[href="${CSS.escape(href)}"]` : seen.id && `#${CSS.escape(seen.id)}`;
  return () => {
    const now = seen.isConnected ? seen : same && document.querySelector(same);
    if (now) scrollBy({ top: now.getBoundingClientRect().top - top, behavior: "instant" });
  };
}

/** What a person did to the part that is fetched anew: what has the focus, what is open, how far it is scrolled aside. */
function handling(part) {
  const all = (selector) => [...part.querySelectorAll(selector)];
  const focused = part.contains(document.activeElement) ? document.activeElement : null;
  const same = focused && (focused.getAttribute("href") ? `a[href="${CSS.escape(focused.getAttribute("href"))}"]` : focused.tagName);
  return {
    focus: focused && { same, rank: all(same).indexOf(focused) },
    open: all("details").map((one) => one.open),
    aside: all(".scroll").map((one) => one.scrollLeft),
  };
}

function restore(part, held) {
  const all = (selector) => [...part.querySelectorAll(selector)];
  all("details").forEach((one, i) => (one.open = held.open[i] ?? one.open));
  all(".scroll").forEach((one, i) => (one.scrollLeft = held.aside[i] ?? 0));
  if (held.focus) (all(held.focus.same)[held.focus.rank] ?? all(held.focus.same)[0])?.focus({ preventScroll: true });
}

/** Whether somebody writes something that would be lost: it is fetched when they are done. */
function writing(part) {
  const typing = part.contains(document.activeElement) && /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName);
  const begun = (one) => (/^(checkbox|radio)$/.test(one.type) ? one.checked !== one.defaultChecked : one.value !== one.defaultValue);
  return typing || [...part.querySelectorAll("form[method=post] :is(input, textarea)")].some(begun);
}

let timer = 0;
function refresh() {
  clearTimeout(timer);
  timer = setTimeout(async () => {
    const part = document.getElementById("live");
    if (!part || document.hidden) return;
    if (writing(part)) return refresh();
    const [held, hold] = [handling(part), sight()];
    await window.htmx.ajax("GET", location.pathname + location.search, { target: "#live", select: "#live", swap: "outerHTML" });
    restore(document.getElementById("live"), held);
    hold();
    dispatchEvent(new Event("vedette-refreshed"));
    say("on", `live, changed ${new Date().toISOString().slice(11, 19)} UTC`);
  }, 400); // many changes at once are one
}

function concerns(model) {
  const part = document.getElementById("live");
  return part && (part.dataset.live === "*" || part.dataset.live === model);
}

if (document.getElementById("live")) {
  const source = new EventSource("/v1/events/stream");
  source.addEventListener("open", () => say("on", "live"));
  source.addEventListener("error", () => say("off", "not live: reconnecting"));
  source.addEventListener("model", (event) => concerns(JSON.parse(event.data).model) && refresh());
  source.addEventListener("reset", refresh);
  document.addEventListener("visibilitychange", () => document.hidden || refresh());
  addEventListener("pagehide", () => source.close());
} else {
  pulse.hidden = true;
}
