// What a picture says in words: below it, and as a table.

export const LINES = 6; // colours of lines

const time = (seconds) => new Date(seconds * 1000).toISOString().replace(":00.000Z", "").replace("T", " ").replace(/ 00:00$/, "");
const share = (value) => (value == null ? "" : value === 1 ? "100 %" : `${(100 * value).toFixed(1)} %`);

export function number(value, unit, span) {
  if (value == null) return "";
  const scale = unit === "%" ? 100 : 1;
  const [of, by] = [value * scale, Math.abs((span ?? 0) * scale)];
  const digits = by > 0 ? Math.min(8, Math.max(0, 1 - Math.floor(Math.log10(by)))) : Math.abs(of) < 1000 ? 3 : 0;
  return of.toLocaleString("en", { maximumFractionDigits: digits, minimumFractionDigits: by > 0 ? digits : 0 }) + (unit && unit !== "count" ? ` ${unit}` : "");
}

/** Whether a window goes on: what it has is not all that it will have. */
export const goesOn = (data, start) => (start + data.window_s) * 1000 > Date.now();

function said(line, k, data) {
  const unit = data.unit;
  if (line.value[k] == null) return `UNKNOWN: ${line.reason[k] ?? "no value"}${line.n[k] == null ? "" : `, n ${line.n[k].toLocaleString("en")}`}`;
  const span = line.low[k] == null ? 0 : line.high[k] - line.low[k];
  const exact = line.low[k] === line.high[k];
  const interval = line.low[k] == null || exact ? "" : ` (${number(line.low[k], unit, span)} to ${number(line.high[k], unit, span)})`;
  const parts = [`${goesOn(data, line.start[k]) ? "so far " : ""}${number(line.value[k], unit, span)}${interval}`, `n ${line.n[k].toLocaleString("en")}`];
  if (line.completeness[k] != null && line.completeness[k] < 1) parts.push(`complete ${share(line.completeness[k])}`);
  if (line.labelled[k] != null) parts.push(`labels ${share(line.labelled[k])}`);
  if (line.kind[k] !== "measured") parts.push(line.kind[k]);
  if (line.restated[k] != null) parts.push(`restated ${time(line.restated[k])}`);
  return parts.join(", ");
}

/** In words what is under the cursor; without one, the newest window. */
export function tell(figure, data, start) {
  const output = figure.querySelector(".readout");
  const last = Math.max(...data.lines.flatMap((line) => line.start.slice(-1)), -Infinity);
  const when = start ?? last;
  const near = data.events.filter((event) => Math.abs(event.time - when) < data.window_s);
  near.push(...data.maintenance.filter((span) => span.start < when + data.window_s && when < span.end));
  const lines = [];
  data.lines.forEach((line, i) => {
    const k = line.start.indexOf(when);
    if (k < 0) return;
    const row = document.createElement("span");
    const dot = document.createElement("i");
    dot.className = `dot d${i % LINES}`;
    row.append(dot, `${data.lines.length > 1 ? `${line.name}: ` : ""}${said(line, k, data)}`);
    lines.push(row);
  });
  const head = document.createElement("b");
  head.textContent = Number.isFinite(when) ? time(when) : "no rows";
  const notes = near.map((event) => {
    const row = document.createElement("span");
    row.className = "happened";
    row.textContent = event.words;
    return row;
  });
  if (start == null && data.reference) {
    const own = document.createElement("span");
    const span = data.reference.low == null ? 0 : data.reference.high - data.reference.low;
    own.className = "dim";
    own.textContent = `reference ${number(data.reference.value, data.unit, span)}${data.reference.low == null ? "" : ` (${number(data.reference.low, data.unit, span)} to ${number(data.reference.high, data.unit, span)})`}, n ${data.reference.n.toLocaleString("en")}`;
    notes.push(own);
  }
  output.replaceChildren(head, ...lines, ...notes);
}

export function table(figure, data) {
  const made = document.createElement("table");
  const head = made.createTHead().insertRow();
  for (const name of ["window", "line", "value with interval, rows, labels"]) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.textContent = name;
    head.append(cell);
  }
  const body = made.createTBody();
  for (const line of data.lines) {
    line.start.forEach((start, k) => {
      const row = body.insertRow();
      for (const text of [time(start), line.name, said(line, k, data)]) row.insertCell().textContent = text;
    });
  }
  for (const event of data.events) {
    const row = body.insertRow();
    for (const text of [time(event.time), "what happened", event.words]) row.insertCell().textContent = text;
  }
  figure.querySelector(".numbers .scroll").replaceChildren(made);
}
