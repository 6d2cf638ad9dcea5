// What changes in the lake changes on the page: a stream tells which model moved, and the part that shows it is fetched anew.

const pulse = document.getElementById("pulse");
const word = pulse.querySelector(".live-word");

function say(state, text) {
  pulse.dataset.state = state;
  if (word.textContent !== text) word.textContent = text;
}

let timer = 0;
function refresh() {
  clearTimeout(timer);
  timer = setTimeout(async () => {
    const part = document.getElementById("live");
    if (!part || document.hidden) return;
    const kept = document.activeElement?.closest("[data-item]")?.querySelector(".main-link")?.getAttribute("href");
    const typing = part.contains(document.activeElement) && /^(INPUT|SELECT)$/.test(document.activeElement.tagName);
    if (typing) return refresh(); // not while somebody types: afterwards
    await window.htmx.ajax("GET", location.pathname + location.search, { target: "#live", select: "#live", swap: "outerHTML" });
    if (kept) document.querySelector(`.main-link[href="${CSS.escape(kept)}"]`)?.focus({ preventScroll: true });
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
