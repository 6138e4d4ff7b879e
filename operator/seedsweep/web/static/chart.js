// All curves in one figure: axes and scales are uPlot's; curves, cuts and marks are painted into it. So thousands of
// curves cost one pass over their points, and losers lie below those that are kept.
/* global uPlot */

const LINES = { lost: ["--lost", 1], failed: ["--lost", 1], diverged: ["--lost", 1], open: ["--kept", 1.5], best: ["--best", 2.6] };
// Of more curves of a kind each is the fainter: where many lie on each other it is darkest.
const MANY = 40;
const FAINTEST = 0.12;
// How near to a curve somebody points at it, in CSS pixels.
const REACH = 30;
const HEIGHT = { wide: 420, narrow: 300 };

export class Chart {
  // `sweep`: what is drawn, read at each redraw. `onPoint` is told the index of the episode pointed at, or null.
  constructor(element, sweep, onPoint) {
    this.element = element;
    this.sweep = sweep;
    this.pointed = null;
    this.near = null;
    this.colors = new Map();
    const ink = () => this.color("--ink");
    const axis = (side) => ({
      stroke: ink,
      label: () => sweep.head.axes[side],
      labelSize: 22,
      font: "12px system-ui, sans-serif",
      labelFont: "13px system-ui, sans-serif",
      grid: { show: side === "y", stroke: () => this.color("--line"), width: 1 },
      ticks: { show: false },
    });
    this.plot = new uPlot({
      ...this.size(),
      legend: { show: false },
      cursor: { points: { show: false }, drag: { x: false, y: false }, x: false, y: false },
      scales: {
        x: { time: false, range: () => this.room() },
        y: { range: () => sweep.head.range },
      },
      series: [{}, {}],
      axes: [{ ...axis("x"), size: 30 }, { ...axis("y"), size: 48 }],
      hooks: {
        draw: [() => this.paint()],
        // Also called where data are new and the pointer is elsewhere.
        setCursor: [() => {
          const index = this.nearest();
          if (index !== this.near) onPoint((this.near = index));
        }],
      },
    }, this.data(), element);
    this.above = document.createElement("canvas");
    this.above.className = "pointed-curve";
    this.plot.ctx.canvas.after(this.above);
    new ResizeObserver(() => this.plot.setSize(this.size())).observe(element);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.colors.clear();
      this.plot.redraw();
    });
  }

  update() {
    this.plot.setData(this.data());
  }

  point(index) {
    this.pointed = index;
    this.paintPointed();
  }

  data() {
    return [this.sweep.head.x, this.sweep.head.x.map(() => null)];
  }

  size() {
    const width = this.element.clientWidth;
    return { width, height: width < 640 ? HEIGHT.narrow : HEIGHT.wide };
  }

  // From the start to the last evaluation, with some room.
  room() {
    const x = this.sweep.head.x;
    const end = x[x.length - 1];
    return [0, end * 1.03];
  }

  // Asked once for each scheme: in the midst of an update the answer takes a look at the styles of all that has changed.
  color(name) {
    if (!this.colors.has(name)) {
      this.colors.set(name, getComputedStyle(document.documentElement).getPropertyValue(name).trim());
    }
    return this.colors.get(name);
  }

  x(value) {
    return this.plot.valToPos(value, "x", true);
  }

  y(value) {
    return this.plot.valToPos(value, "y", true);
  }

  paint() {
    const { ctx, bbox } = this.plot;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    this.paintCurves(ctx);
    this.paintConstant(ctx, bbox);
    this.paintCuts(ctx, bbox);
    this.paintBest(ctx, bbox);
    ctx.restore();
    this.paintPointed();
  }

  paintCurves(ctx) {
    const { rows, curves } = this.sweep;
    const groups = { lost: [], failed: [], diverged: [], open: [], best: [] };
    rows.forEach((row, i) => groups[row.kind].push(curves[i]));
    const places = this.places();
    ctx.lineJoin = "round";
    for (const [kind, [name, width]] of Object.entries(LINES)) {
      ctx.strokeStyle = this.color(name);
      // Lines of one pixel are drawn several times as fast as wider ones.
      const many = groups[kind].length > MANY;
      ctx.lineWidth = many ? 1 : width * devicePixelRatio;
      ctx.globalAlpha = many ? Math.max(FAINTEST, MANY / groups[kind].length) : 1;
      for (const curve of groups[kind]) this.trace(ctx, curve, places);
    }
    ctx.globalAlpha = 1;
    for (const kind of ["failed", "diverged"]) {
      for (const curve of groups[kind]) this.paintEnd(ctx, kind, curve, places);
    }
  }

  // Where evaluations stand, and how scores do: looked up once for all curves.
  places() {
    const zero = this.y(0);
    return { x: this.sweep.head.x.map((value) => this.x(value)), zero, one: this.y(1) - zero };
  }

  trace(ctx, curve, { x, zero, one }) {
    ctx.beginPath();
    let drawn = 0;
    curve.forEach((score, i) => {
      if (score === null) return void (drawn = 0);
      const y = zero + one * score;
      if (drawn > 0) ctx.lineTo(x[i], y);
      else ctx.moveTo(x[i], y);
      // A score between two that are undefined, or the first of a curve, is a dot.
      if (drawn === 0 && (curve[i + 1] ?? null) === null) ctx.lineTo(x[i] + 2 * devicePixelRatio, y);
      drawn += 1;
    });
    ctx.stroke();
  }

  paintEnd(ctx, kind, curve, { x, zero, one }) {
    const last = curve.findLastIndex((score) => score !== null);
    if (last < 0) return;
    const size = 4.5 * devicePixelRatio;
    const [cx, cy] = [x[last], zero + one * curve[last]];
    ctx.beginPath();
    if (kind === "failed") {
      ctx.fillStyle = this.color("--bad");
      ctx.moveTo(cx - size, cy - size);
      ctx.lineTo(cx + size, cy - size);
      ctx.lineTo(cx, cy + size);
      ctx.fill();
      return;
    }
    ctx.strokeStyle = this.color("--bad");
    ctx.lineWidth = 2 * devicePixelRatio;
    ctx.moveTo(cx - size, cy - size);
    ctx.lineTo(cx + size, cy + size);
    ctx.moveTo(cx + size, cy - size);
    ctx.lineTo(cx - size, cy + size);
    ctx.stroke();
  }

  line(ctx, dash, width, name, from, to) {
    ctx.setLineDash(dash.map((part) => part * devicePixelRatio));
    ctx.strokeStyle = this.color(name);
    ctx.lineWidth = width * devicePixelRatio;
    ctx.beginPath();
    ctx.moveTo(...from);
    ctx.lineTo(...to);
    ctx.stroke();
    ctx.setLineDash([]);
  }

  paintConstant(ctx, { left, width }) {
    const { baseline } = this.sweep.head;
    if (baseline === null) return;
    const y = this.y(baseline);
    this.line(ctx, [1.5, 3], 1.5, "--ink", [left, y], [left + width, y]);
  }

  paintCuts(ctx, { top, height }) {
    for (const cut of this.sweep.head.cuts) {
      if (cut.at === null) continue;
      const x = this.x(cut.at);
      if (cut.made) this.line(ctx, [6, 4], 1.3, "--ink", [x, top], [x, top + height]);
      else this.line(ctx, [1.5, 4], 1.5, "--soft", [x, top], [x, top + height]);
      if (cut.threshold === null) continue;
      const y = this.y(cut.threshold);
      const reach = 8 * devicePixelRatio;
      this.line(ctx, [], 3, "--ink", [x - reach, y], [x + reach, y]);
    }
  }

  paintBest(ctx, { left, top, width }) {
    const { best } = this.sweep.head;
    if (best === null) return;
    const [x, y] = [this.x(best.at), this.y(best.score)];
    ctx.fillStyle = this.color("--best");
    ctx.beginPath();
    ctx.arc(x, y, 4.5 * devicePixelRatio, 0, 2 * Math.PI);
    ctx.fill();
    ctx.font = `600 ${13 * devicePixelRatio}px system-ui, sans-serif`;
    ctx.textBaseline = "bottom";
    const half = ctx.measureText(best.text).width / 2;
    ctx.textAlign = "center";
    // Within the plot, on a ground of its own: curves lie below.
    const at = [Math.max(Math.min(x, left + width - half), left + half), Math.max(y - 6 * devicePixelRatio, top + 16 * devicePixelRatio)];
    ctx.strokeStyle = this.color("--page");
    ctx.lineWidth = 4 * devicePixelRatio;
    ctx.strokeText(best.text, ...at);
    ctx.fillText(best.text, ...at);
  }

  // One curve above all others, on a canvas of its own: pointing redraws nothing else.
  paintPointed() {
    const { canvas } = this.plot.ctx;
    if (!this.above) return;
    Object.assign(this.above, { width: canvas.width, height: canvas.height });
    Object.assign(this.above.style, { width: canvas.style.width, height: canvas.style.height });
    const curve = this.sweep.curves[this.pointed];
    if (!curve) return;
    const ctx = this.above.getContext("2d");
    const { left, top, width, height } = this.plot.bbox;
    ctx.rect(left, top, width, height);
    ctx.clip();
    ctx.lineJoin = "round";
    ctx.strokeStyle = this.color("--ink");
    ctx.lineWidth = 3.5 * devicePixelRatio;
    this.trace(ctx, curve, this.places());
  }

  // The episode whose curve is nearest to the pointer at the evaluation below it; null where none is near.
  nearest() {
    const { left, top } = this.plot.cursor;
    if (left === null || left < 0) return null;
    const { x } = this.sweep.head;
    const at = this.plot.posToVal(left, "x");
    const index = x.reduce((best, value, i) => (Math.abs(value - at) < Math.abs(x[best] - at) ? i : best), 0);
    let [found, distance] = [null, REACH];
    this.sweep.curves.forEach((curve, i) => {
      if ((curve[index] ?? null) === null) return;
      const away = Math.abs(this.plot.valToPos(curve[index], "y") - top);
      if (away < distance) [found, distance] = [i, away];
    });
    return found;
  }
}
