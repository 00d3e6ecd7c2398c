/* Follows a job: its step, its figures, its curves. The server has drawn what there was; the event stream tells the rest.
   A section with data-job is followed; data-curves lists [metric, title] in the order of the plots. */
import { $, $$, make } from "./dom.js";
import { number, t } from "./translate.js";

/* A token as the canvas can read it: light-dark() has to be resolved first. */
const probe = document.body.appendChild(make("span", { hidden: true }));
function colour(name) {
  probe.style.color = `var(${name})`;
  return getComputedStyle(probe).color;
}
const figure = (value) => number(Number.isInteger(value) ? value : Number(value.toPrecision(4)));

class Curve {
  constructor(box, metric, title) {
    this.values = new Map();
    this.element = $(`[data-metric="${metric}"]`, box) || this.create(box, metric, title);
    this.now = $("b", this.element);
  }

  create(box, metric, title) {
    const e = make("figure", { className: "curve", dataset: { metric } }, make("figcaption", {}, title, make("b", { className: "num" })));
    box.append(e);
    return e;
  }

  /** Raw values and their moving average, by step. A resumed job tells a step again; the later telling counts. */
  data() {
    const steps = [...this.values.keys()].sort((a, b) => a - b), raw = steps.map((step) => this.values.get(step));
    let total = 0, mass = 0;
    const smooth = raw.map((y) => { total = 0.8 * total + 0.2 * y; mass = 0.8 * mass + 0.2; return total / mass; });
    return [steps, raw, smooth];
  }

  draw() {
    const data = this.data();
    if (!data[0].length) return;
    this.last = data[1].at(-1);
    if (!this.hovered) this.now.textContent = figure(this.last);
    if (!window.uPlot || data[0].length < 2) return;
    if (this.plot) return this.plot.setData(data);
    for (const old of $$("svg, .steps", this.element)) old.remove();
    const holder = make("div");
    this.element.append(holder);
    this.plot = new window.uPlot(this.options(holder), data, holder);
    new ResizeObserver(() => this.plot.setSize({ width: holder.clientWidth, height: 120 })).observe(this.element);
  }

  options(holder) {
    const axis = { stroke: () => colour("--soft"), font: "11px sans-serif", grid: { stroke: () => colour("--line"), width: 1 }, ticks: { show: false } };
    return {
      width: holder.clientWidth || 200, height: 120, legend: { show: false }, padding: [8, 6, 0, 0],
      cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
      scales: { x: { time: false } },
      axes: [{ ...axis, grid: { show: false }, size: 22, space: 60, values: (u, ticks) => ticks.map(number) },
        { ...axis, size: 42, space: 34, values: (u, ticks) => ticks.map((value) => figure(value)) }],
      series: [{}, { stroke: () => colour("--accent"), alpha: 0.35, width: 1, points: { show: false } }, { stroke: () => colour("--accent"), width: 2, points: { show: false } }],
      hooks: { setCursor: [(u) => this.hover(u)] },
    };
  }

  hover({ cursor, data }) {
    this.hovered = cursor.idx !== null && cursor.left >= 0;
    this.now.textContent = this.hovered ? t("%(value)s at %(step)s", { value: figure(data[1][cursor.idx]), step: number(data[0][cursor.idx]) }) : figure(this.last);
  }
}

function follow(section) {
  if (section.dataset.following) return;
  section.dataset.following = "yes";
  const wanted = JSON.parse(section.dataset.curves || "[]"), box = $(".plots", section), curves = new Map();
  const ended = "ended" in section.dataset;
  const stream = new EventSource(`/api/v1/jobs/${section.dataset.job}/events`);
  let due = false, latest = null, state = ended ? "" : section.dataset.state;

  const draw = () => {
    due = false;
    for (const curve of curves.values()) curve.draw();
    if (latest && !ended) tell(section, latest);
  };
  stream.addEventListener("progress", (event) => {
    latest = JSON.parse(event.data);
    for (const [metric, title] of wanted) {
      const value = latest.metrics?.[metric];
      if (typeof value !== "number" || !Number.isFinite(value) || !Number.isInteger(latest.step)) continue;
      if (!curves.has(metric)) { curves.set(metric, new Curve(box, metric, title)); $("[data-nothing]", section)?.remove(); }
      curves.get(metric).values.set(latest.step, value);
    }
    if (!due) { due = true; setTimeout(draw, 150); }
  });
  stream.addEventListener("state", (event) => {
    const now = JSON.parse(event.data).state;
    if (!ended && state && now !== state && now === "running") renew();
    state = now;
  });
  stream.addEventListener("end", () => {
    stream.close();
    draw();
    if (!ended) setTimeout(renew, 800);
  });
  addEventListener("pagehide", () => stream.close());
}

function tell(section, { step, of, metrics }) {
  const line = $("[data-line]", section), bar = $("progress", section);
  if (Number.isInteger(step) && of) {
    const seconds = (Date.now() - new Date(section.dataset.started || NaN)) / 1000, left = step > 0 ? (seconds / step) * (of - step) : NaN;
    const done = { step: number(step), of: number(of) };
    line.textContent = Number.isFinite(left) && left > 5 ? t("step %(step)s of %(of)s, about %(span)s left", { ...done, span: span(left) }) : t("step %(step)s of %(of)s", done);
    if (bar) bar.value = step / of;
  }
  const figures = $("[data-figures]");
  if (figures && metrics) figures.replaceChildren(...Object.entries(metrics).flatMap(([name, value]) =>
    [make("dt", { textContent: name }), make("dd", { className: "num", textContent: typeof value === "number" ? figure(value) : String(value) })]));
}

const span = (seconds) => (seconds < 90 ? `${Math.round(seconds)} s` : seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`);

/* The loop page asks for itself through htmx; a job's page is loaded anew. */
function renew() {
  if ($("#loop")) document.body.dispatchEvent(new Event("job-ended"));
  else location.reload();
}

const followAll = () => $$("[data-job]").forEach(follow);
let shown = null;
document.addEventListener("htmx:beforeSwap", (event) => {
  // Nothing new: leave the page, its focus and its curves alone.
  const fresh = event.detail.serverResponse;
  if (event.detail.xhr.status !== 200 || fresh === shown) event.detail.shouldSwap = false;
  shown = fresh;
});
document.addEventListener("htmx:afterSettle", followAll);
followAll();
