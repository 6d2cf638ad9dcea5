// A figure over its windows: line, band, reference, restated windows, events, and the brush that zooms.

import { LINES, goesOn, number, table, tell } from "./readout.js";

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const drawn = new Map(); // figure element -> {plot, data}
/** All lines on one axis of starts: uPlot wants one column of x. */
function columns(data) {
  const starts = [...new Set(data.lines.flatMap((line) => line.start))].sort((a, b) => a - b);
  const at = new Map(starts.map((start, i) => [start, i]));
  const table = [starts];
  for (const line of data.lines) {
    for (const name of ["value", "low", "high"]) {
      const column = new Array(starts.length).fill(null);
      line.start.forEach((start, i) => (column[at.get(start)] = goesOn(data, start) ? null : line[name][i]));
      table.push(column);
    }
  }
  return table;
}

function colour(i) {
  return css(`--l${i % LINES}`);
}

function alpha(hex, part) {
  return hex + Math.round(part * 255).toString(16).padStart(2, "0");
}

const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

/** Days as "12 Jan", hours as "06:00", and the year where it is another than that of the tick before. */
function days(_, ticks) {
  let year = null;
  return ticks.map((seconds) => {
    const at = new Date(seconds * 1000);
    const [day, own] = [`${at.getUTCDate()} ${MONTHS[at.getUTCMonth()]}`, at.getUTCFullYear()];
    const midnight = seconds % 86400 === 0;
    const text = midnight ? day : at.toISOString().slice(11, 16);
    const first = year === null;
    if (own === year || !midnight) return first && !midnight ? ((year = own), `${text}\n${day}`) : text;
    year = own;
    return `${text}\n${own}`;
  });
}

/** From where to where: of one window alone a window before and behind it, where uPlot would show years. */
function across(times, low, high, window_s) {
  return times.length === 1 ? [times[0] - window_s, times[0] + window_s] : [low, high];
}

function options(figure, data, width, height) {
  const series = [{}];
  const bands = [];
  data.lines.forEach((line, i) => {
    const [own, at] = [colour(i), 1 + 3 * i];
    const strong = !figure.dataset.line || figure.dataset.line === line.name || data.lines.length === 1;
    series.push(
      { label: line.name, stroke: strong ? own : alpha(own, 0.55), width: strong ? 1.8 : 1.1, points: { show: false }, spanGaps: false },
      { stroke: "transparent", width: 0, points: { show: false } },
      { stroke: "transparent", width: 0, points: { show: false } },
    );
    bands.push({ series: [at + 2, at + 1], fill: alpha(own, strong ? 0.17 : 0.06) });
  });
  const axis = { stroke: css("--dim"), grid: { stroke: css("--line"), width: 1 }, ticks: { show: false }, font: "11px system-ui,sans-serif" };
  return {
    width,
    height,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    legend: { show: false },
    cursor: { drag: { x: true, y: false, setScale: false }, points: { size: 7 }, sync: { key: "vedette", filters: { pub: (type) => /^mouse(move|leave)$/.test(type) } } /* others follow, and are not dragged too */ },
    scales: { x: { time: true, range: (plot, low, high) => across(plot.data[0], low, high, data.window_s) }, y: { range: extent(data) } },
    axes: [
      { ...axis, space: 70, size: 40, values: days },
      { ...axis, size: 62, values: (_, ticks) => ticks.map((one) => number(one, data.unit, ticks.length > 1 ? ticks[1] - ticks[0] : 0)) },
    ],
    series,
    bands,
    hooks: {
      drawClear: [(plot) => behind(plot, figure, data)],
      draw: [(plot) => before(plot, data)],
      setCursor: [(plot) => tell(figure, data, plot.data[0][plot.cursor.idx])],
      setSelect: [(plot) => plot.select.width > 4 && zoom(plot.posToVal(plot.select.left, "x"), plot.posToVal(plot.select.left + plot.select.width, "x"))],
    },
  };
}

function extent(data) {
  return (plot, low, high) => {
    const ends = [low, high].filter((one) => one != null);
    const own = data.reference;
    if (own) ends.push(own.value, own.low ?? own.value, own.high ?? own.value);
    for (const line of data.lines) ends.push(...line.value.filter((one, k) => one != null && goesOn(data, line.start[k])));
    if (!ends.length) return [0, 1];
    const [least, most] = [Math.min(...ends), Math.max(...ends)];
    const pad = (most - least) * 0.08 || Math.abs(most) * 0.05 || 1;
    return [least - pad, most + pad];
  };
}

/** The reference and its band, and the windows in which the change may have begun. */
function behind(plot, figure, data) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  const x = (value) => plot.valToPos(value, "x", true);
  const y = (value) => plot.valToPos(value, "y", true);
  if (figure.dataset.began) {
    const [first, last] = figure.dataset.began.split(",").map(Number);
    ctx.fillStyle = alpha(css("--ALARM"), 0.12);
    ctx.fillRect(x(first), bbox.top, Math.max(3, x(last + data.window_s) - x(first)), bbox.height);
  }
  const own = data.reference;
  if (own) {
    if (own.low != null) {
      ctx.fillStyle = css("--refband");
      ctx.fillRect(bbox.left, y(own.high), bbox.width, Math.max(1, y(own.low) - y(own.high)));
    }
    line(ctx, bbox.left, y(own.value), bbox.left + bbox.width, y(own.value), css("--ref"), [6, 5]);
  }
  ctx.fillStyle = alpha(css("--ref"), 0.22);
  for (const span of data.maintenance) ctx.fillRect(x(span.start), bbox.top, Math.max(2, x(span.end) - x(span.start)), bbox.height);
  for (const event of data.events) line(ctx, x(event.time), bbox.top, x(event.time), bbox.top + bbox.height, css("--mark"), [2, 4]);
  if (figure.dataset.alarm) line(ctx, x(+figure.dataset.alarm), bbox.top, x(+figure.dataset.alarm), bbox.top + bbox.height, css("--ALARM"), []);
  ctx.restore();
}

function line(ctx, x1, y1, x2, y2, stroke, dashes) {
  ctx.strokeStyle = stroke;
  ctx.lineWidth = 1.5 * devicePixelRatio;
  ctx.setLineDash(dashes.map((one) => one * devicePixelRatio));
  ctx.beginPath();
  ctx.moveTo(x1, y1);
  ctx.lineTo(x2, y2);
  ctx.stroke();
  ctx.setLineDash([]);
}

/** A window that has not ended: a square at what it has so far, on dots from the one before, and no part of the line. */
function soFar(plot, one, k, own) {
  const { ctx } = plot;
  const half = 3 * devicePixelRatio;
  const [x, y] = [plot.valToPos(one.start[k], "x", true), plot.valToPos(one.value[k], "y", true)];
  const before = k > 0 && one.value[k - 1] != null;
  if (before) line(ctx, plot.valToPos(one.start[k - 1], "x", true), plot.valToPos(one.value[k - 1], "y", true), x, y, own, [2, 4]);
  ctx.fillStyle = css("--card");
  ctx.strokeStyle = own;
  ctx.lineWidth = 1.4 * devicePixelRatio;
  ctx.fillRect(x - half, y - half, 2 * half, 2 * half);
  ctx.strokeRect(x - half, y - half, 2 * half, 2 * half);
}

/** A dot for each window; hollow where it was restated after it had ended; a cross at the foot where it has no value. */
function before(plot, data) {
  const { ctx, bbox } = plot;
  const radius = 2.6 * devicePixelRatio;
  data.lines.forEach((one, i) => {
    const own = colour(i);
    const sparse = one.start.length <= 120;
    one.start.forEach((start, k) => {
      const x = plot.valToPos(start, "x", true);
      if (x < bbox.left - 1 || x > bbox.left + bbox.width + 1) return;
      if (one.value[k] == null) {
        ctx.fillStyle = css("--UNKNOWN");
        ctx.fillRect(x - 1.5 * devicePixelRatio, bbox.top + bbox.height - 6 * devicePixelRatio, 3 * devicePixelRatio, 6 * devicePixelRatio);
        return;
      }
      if (goesOn(data, start)) return soFar(plot, one, k, own);
      if (!sparse && one.restated[k] == null) return;
      ctx.beginPath();
      ctx.arc(x, plot.valToPos(one.value[k], "y", true), radius, 0, 2 * Math.PI);
      ctx.fillStyle = one.restated[k] == null ? own : css("--card");
      ctx.strokeStyle = own;
      ctx.lineWidth = 1.4 * devicePixelRatio;
      ctx.fill();
      ctx.stroke();
    });
  });
}

/** Everything chosen is in the address: from and to as well. */
function zoom(from, to) {
  const address = new URL(location.href);
  address.searchParams.set("since", new Date(from * 1000).toISOString().slice(0, 16));
  address.searchParams.set("until", new Date(to * 1000).toISOString().slice(0, 16));
  history.pushState(null, "", address);
  span();
}

/** Draw the span that the address says, in every picture and in the form. */
function span() {
  const asked = new URL(location.href).searchParams;
  for (const name of ["since", "until"]) {
    const field = document.querySelector(`.choose [name=${name}]`);
    if (field) field.value = asked.get(name) ?? "";
  }
  for (const figure of document.querySelectorAll(".chart")) {
    const source = new URL(figure.dataset.source, location.href);
    for (const name of ["since", "until"]) {
      if (asked.get(name)) source.searchParams.set(name, asked.get(name));
      else source.searchParams.delete(name);
    }
    figure.dataset.source = source.pathname + source.search;
    if (figure.dataset.state) load(figure);
  }
}

function size(figure) {
  const width = figure.querySelector(".plot").clientWidth;
  return { width, height: figure.classList.contains("tall") ? 280 : 210 };
}

function draw(figure, data) {
  drawn.get(figure)?.plot?.destroy();
  const place = figure.querySelector(".plot");
  place.replaceChildren();
  const { width, height } = size(figure);
  const some = data.lines.some((line) => line.start.length);
  const plot = some ? new uPlot(options(figure, data, width, height), columns(data), place) : null;
  drawn.set(figure, { plot, data });
  tell(figure, data, null);
  const details = figure.querySelector(".numbers");
  details.ontoggle = () => details.open && table(figure, data);
  if (details.open) table(figure, data);
}

async function load(figure) {
  const asked = figure.dataset.source;
  figure.dataset.state = "loading";
  try {
    const answer = await fetch(asked, { headers: { Accept: "application/json" } });
    if (!answer.ok) {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      throw new Error(page.querySelector("main .card")?.textContent ?? `answer ${answer.status}`);
    }
    const data = await answer.json();
    if (figure.dataset.source !== asked) return; // another span was asked for meanwhile
    draw(figure, data);
    figure.dataset.state = "drawn";
  } catch (error) {
    drawn.get(figure)?.plot?.destroy();
    drawn.delete(figure);
    figure.querySelector(".readout").textContent = `UNKNOWN: ${error.message}`;
    figure.dataset.state = "failed";
  }
}

const near = new IntersectionObserver((entries) => {
  for (const one of entries) {
    if (one.isIntersecting && !one.target.dataset.state) load(one.target);
  }
}, { rootMargin: "400px" });

let waiting = 0;
const later = (work) => {
  cancelAnimationFrame(waiting);
  waiting = requestAnimationFrame(work);
};

for (const figure of document.querySelectorAll(".chart")) near.observe(figure);
addEventListener("resize", () => later(() => drawn.forEach(({ plot }, figure) => plot?.setSize(size(figure)))));
const again = () => drawn.forEach(({ data }, figure) => draw(figure, data));
addEventListener("vedette-theme", again);
matchMedia("(prefers-color-scheme:dark)").addEventListener("change", again);
matchMedia("print").addEventListener("change", again); // paper is light
addEventListener("vedette-refreshed", () => document.querySelectorAll(".chart[data-state]").forEach(load));
addEventListener("popstate", span);
