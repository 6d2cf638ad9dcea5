// What the keyboard does on every page.

const items = () => [...document.querySelectorAll("[data-item]")].filter((one) => one.offsetParent !== null);
const link = (item) => item.querySelector(".main-link");
let waiting = 0; // until when a second key after g is waited for

function move(by) {
  const all = items();
  if (!all.length) return;
  const here = all.findIndex((one) => one.contains(document.activeElement));
  const next = all[Math.min(all.length - 1, Math.max(0, here < 0 ? (by > 0 ? 0 : all.length - 1) : here + by))];
  link(next)?.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
}

function go(key) {
  const tabs = document.querySelector(".tabs[data-model]");
  const model = tabs && `/models/${encodeURIComponent(tabs.dataset.model)}`;
  const places = { o: "/", a: "/alerts", w: "/words" };
  if (model) Object.assign(places, { m: model, r: `${model}/runs`, v: `${model}/versions`, l: `${model}/ledger`, u: `${model}/rules`, s: `${model}/settings` });
  if (Object.hasOwn(places, key)) location.assign(places[key]);
}

const help = document.getElementById("help");
const open = () => help.open || help.showModal();

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (help.open) return;
  if (waiting > Date.now()) {
    waiting = 0;
    go(event.key);
    event.preventDefault();
    return;
  }
  const actions = {
    j: () => move(1),
    k: () => move(-1),
    g: () => (waiting = Date.now() + 1500),
    t: () => window.vedetteTheme(),
    "?": open,
    "/": () => document.getElementById("q")?.focus(),
  };
  if (Object.hasOwn(actions, event.key)) {
    event.preventDefault();
    actions[event.key]();
  }
});

document.getElementById("keys").addEventListener("click", open);
document.getElementById("theme").addEventListener("click", () => window.vedetteTheme());
