// The interactive figure: RA against SA, hover over points, and a dial for λ and width over the measured points.
// Data: #dial-data (reports/plots/dial.py). Without JavaScript the static image stands in its place.
"use strict";
(() => {
const SVG = "http://www.w3.org/2000/svg", HTML = "http://www.w3.org/1999/xhtml";
const SHAPES = { s: "M-.9-.9h1.8v1.8h-1.8z", o: "M-1 0a1 1 0 1 0 2 0a1 1 0 1 0-2 0", "^": "M0-1.2L1.15.85H-1.15z",
  v: "M0 1.2L1.15-.85H-1.15z", D: "M0-1.3L1.3 0 0 1.3-1.3 0z", P: "M-.4-1.2h.8v.8h.8v.8h-.8v.8h-.8v-.8h-.8v-.8h.8z",
  X: "M-1.1-.6L-.6-1.1 0-.5.6-1.1 1.1-.6.5 0 1.1.6.6 1.1 0 .5-.6 1.1-1.1.6-.5 0z" };
const LEFT = 42, RIGHT = 14, TOP = 24, BOTTOM = 38, NEAR = 24;  // pixels; NEAR: from the pointer to a point
const figures = JSON.parse(document.getElementById("dial-data").textContent);

function add(parent, tag, attributes = {}, text = "") {
  const node = document.createElementNS(tag === "svg" || parent.namespaceURI === SVG ? SVG : HTML, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.textContent = text;
  parent.append(node);
  return node;
}
const fixed = (value) => value.toFixed(1).replace("-", "−");
const percent = ([mean, low, high]) => `${fixed(mean)} % [${fixed(low)}, ${fixed(high)}]`;
const count = (macs) => macs >= 1e8 ? `${(macs / 1e9).toPrecision(3)} G` : `${(macs / 1e6).toPrecision(3)} M`;
const ink = (method) => method.color === "#000000" ? "currentColor" : method.color;  // black turns white in dark mode
const shape = (method) => SHAPES[method.marker] || SHAPES.o;
const methodOf = (facet, label) => facet.methods.find((method) => method.label === label);
const seeds = (point) => `${point.seeds} seed${point.seeds > 1 ? "s" : ""}`;
const clip = (value, [low, high]) => Math.min(Math.max(value, low), high);
const nearest = (items, distance) => items.reduce((best, item) => best && distance(best) <= distance(item) ? best : item, undefined);

function ticks([low, high], most) {
  const rough = (high - low) / most, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999);
  const first = Math.ceil(low / step), places = Math.floor(high / step) - first + 1;
  return Array.from({ length: places }, (_, place) => +((first + place) * step).toFixed(6));
}
function domain(facets, metric) {  // around all means; intervals extend it by at most their range on either side
  const values = facets.flatMap((facet) => facet.methods.flatMap((method) => method.points.map((point) => point[metric])));
  const [means, lows, highs] = [0, 1, 2].map((end) => values.map((value) => value[end]));
  const low = Math.min(...means), high = Math.max(...means), room = Math.max(high - low, 2);
  const [first, last] = [Math.max(Math.min(...lows), low - room), Math.min(Math.max(...highs), high + room)];
  return [first - 0.05 * (last - first + 1), last + 0.05 * (last - first + 1)];
}
function placeText(facet, method, point) {
  if (method.frontier || !facet.methods.some((other) => other.frontier)) return "";
  if (point.above === null) return ", SA beyond the frontier's ends";
  return `, RA ${fixed(Math.abs(point.above))} pp ${point.above < 0 ? "below" : "above"} the frontier at the same SA (means)`;
}
function hoverText(facet, method, point) {
  const unseen = point.unseen ? " (not met in training)" : "", keys = point.keys.map((key) => key.slice(0, 8)).join(", ");
  return `${method.label}, λ = ${point.lam}${unseen}, width ${facet.width}\nSA ${percent(point.sa)}\nRA ${percent(point.ra)}\n`
    + `${seeds(point)}, key ${keys}`;
}
function networksOf(figure) {  // methods of one network for all λ, once for all their widths
  const networks = new Map();
  for (const { group, methods } of figures[figure].facets)
    for (const { label, adjustable } of methods) if (adjustable) networks.set(`${group}\n${label}`, { figure, group, label });
  return [...networks.values()];
}

class Dial {
  constructor(root) {
    this.root = root;
    this.figure = root.dataset.figure;
    this.networks = (root.dataset.all ? Object.keys(figures) : [this.figure]).flatMap(networksOf);
    const own = this.networks.filter((network) => network.figure === this.figure);
    const alike = own.filter((network) => network.group === own[0].group);
    this.network = alike.find(({ label }) => /^OATS? \(dual BN\)$/.test(label)) ?? alike.at(-1);
    Object.assign(this, { lam: 0.3, width: 1, legend: add(root, "div", { class: "legend" }), charts: add(root, "div", { class: "charts" }) });
    if (this.network) this.addControls(add(root, "div", { class: "controls" }));
    root.hidden = false;
    root.previousElementSibling.classList.add("replaced");
    this.render();
  }
  addControls(parent) {
    this.select = add(add(parent, "label", {}, "Network"), "select");
    for (const figure of new Set(this.networks.map((network) => network.figure))) {
      const several = new Set(figures[figure].facets.map((facet) => facet.group)).size > 1;
      const group = add(this.select, "optgroup", { label: figures[figure].title });
      this.networks.forEach((network, value) => {
        const text = several ? `${network.label}: ${network.group}` : network.label;
        if (network.figure === figure) add(group, "option", { value }, text);
      });
    }
    this.select.onchange = () => this.choose(this.networks[this.select.value]);
    this.lambdaSlider = this.slider(add(parent, "label", {}, "λ"), (place) => { this.lam = this.points()[place].lam; });
    this.widthSlider = this.slider(add(parent, "label", {}, "Width"), (place) => { this.width = this.facets()[place].width; });
    this.readout = add(parent, "div", { class: "readout", "aria-live": "polite" });
  }
  slider(label, set) {
    const input = add(label, "input", { type: "range", min: 0, step: 1 }), output = add(label, "output");
    input.oninput = () => { set(+input.value); this.render(); };
    return (place, length, text) => {
      Object.assign(input, { max: length - 1, value: place });
      input.setAttribute("aria-valuetext", output.textContent = text);
      label.hidden = length < 2;
    };
  }
  choose(network, lam = this.lam) { Object.assign(this, { network, figure: network.figure, lam }); this.render(); }
  facets() {  // with the chosen network, narrowest first
    const { figure, group, label } = this.network;
    return figures[figure].facets.filter((facet) => facet.group === group && methodOf(facet, label)).sort((a, b) => a.width - b.width);
  }
  facet() { return nearest(this.facets(), (facet) => Math.abs(facet.width - this.width)); }
  points() { return [...methodOf(this.facet(), this.network.label).points].sort((a, b) => a.lam - b.lam); }
  point() { return nearest(this.points(), (point) => Math.abs(point.lam - this.lam)); }

  render() {
    if (!this.root.clientWidth) return;  // not shown, as on paper
    const { facets } = figures[this.figure], narrow = this.root.clientWidth < 560;
    const columns = narrow ? 1 : facets.length <= 4 ? facets.length : 3, wide = (this.root.clientWidth - 8 * (columns - 1)) / columns;
    this.charts.replaceChildren();
    this.charts.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
    for (const facet of facets) this.chart(facet, wide, clip(wide * 0.8, [230, facets.length > 1 ? 320 : 390]));
    const methods = new Map(facets.flatMap((facet) => facet.methods).map((method) => [method.label, method]));
    this.legend.replaceChildren();
    if (this.figure !== this.root.dataset.figure) add(this.legend, "strong", {}, `${figures[this.figure].title}:`);
    for (const method of methods.values()) {
      const entry = add(this.legend, "span"), key = add(entry, "svg", { viewBox: "0 0 26 10", "aria-hidden": "true", color: ink(method) });
      add(key, "path", { d: "M0 5h26", stroke: "currentColor", "stroke-width": 2 });
      add(key, "path", { d: shape(method), transform: "translate(13 5) scale(4)", fill: "currentColor" });
      entry.append(method.label + (method.frontier ? " (frontier: a network per λ)" : ""));
    }
    add(this.legend, "span", { class: "soft" }, "larger marker: larger λ");
    if (this.network) this.showChoice();
  }
  chart(facet, wide, high) {
    const alike = figures[this.figure].facets.filter((other) => other.panel === facet.panel), many = figures[this.figure].facets.length > 1;
    const active = Boolean(this.network) && facet === this.facet(), [sa, ra] = [domain(alike, "sa"), domain(alike, "ra")], marks = [];
    const holder = add(this.charts, "div", { class: active || !this.network ? "chart active" : "chart" });
    const x = (value) => LEFT + (value - sa[0]) / (sa[1] - sa[0]) * (wide - LEFT - RIGHT);
    const y = (value) => high - BOTTOM - (value - ra[0]) / (ra[1] - ra[0]) * (high - TOP - BOTTOM);
    const numbers = facet.methods.map((method) => `${method.label}: `
      + method.points.map((point) => `λ ${point.lam}: ${fixed(point.sa[0])} / ${fixed(point.ra[0])}`).join(", ")).join("; ");
    const svg = add(holder, "svg", { viewBox: `0 0 ${wide} ${high}`, height: high, role: "img", "aria-label": `${facet.heading}, SA / RA in %. ${numbers}` });
    for (const tick of ticks(sa, Math.round(wide / 60))) {
      add(svg, "path", { class: "grid", d: `M${x(tick)} ${TOP}V${high - BOTTOM}` });
      add(svg, "text", { x: x(tick), y: high - BOTTOM + 15, "text-anchor": "middle" }, tick);
    }
    for (const tick of ticks(ra, 6)) {
      add(svg, "path", { class: "grid", d: `M${LEFT} ${y(tick)}H${wide - RIGHT}` });
      add(svg, "text", { x: LEFT - 6, y: y(tick) + 4, "text-anchor": "end" }, tick);
    }
    const middle = { x: (wide + LEFT) / 2, "text-anchor": "middle" };
    for (const [place, text] of [[{ ...middle, y: high - 5 }, "SA (%)"], [{ x: 2, y: 12 }, "RA (%)"]]) add(svg, "text", place, text);
    if (many) add(svg, "text", { ...middle, y: 12, "font-weight": active ? 700 : 400 }, facet.heading);
    for (const method of facet.methods) {
      const group = add(svg, "g", { color: ink(method), stroke: "currentColor", fill: "none" });
      const bars = method.points.map(({ sa: [m, l, h], ra: [n, low, top] }) =>
        `M${x(clip(l, sa))} ${y(n)}H${x(clip(h, sa))}M${x(m)} ${y(clip(low, ra))}V${y(clip(top, ra))}`);
      add(group, "path", { d: bars.join(""), "stroke-opacity": 0.3 });
      add(group, "polyline", { points: method.points.map((point) => `${x(point.sa[0])},${y(point.ra[0])}`).join(" "), "stroke-width": 2 });
      for (const point of method.points) {
        const at = [x(point.sa[0]), y(point.ra[0])], size = 3 + 2.4 * point.lam;
        add(group, "path", { d: shape(method), transform: `translate(${at}) scale(${size})`, fill: "currentColor", stroke: "var(--page)", "stroke-width": 0.8 / size });
        if (method.frontier && !many) add(svg, "text", { class: "small", x: at[0] + 8, y: at[1] - 6 }, `λ ${point.lam}`);
        marks.push({ at, method, point });
      }
    }
    if (active) {
      const chosen = this.point(), [cx, cy] = [x(chosen.sa[0]), y(chosen.ra[0])];
      add(svg, "path", { class: "cross", fill: "none", d: `M${cx} ${high - BOTTOM}V${cy}H${LEFT}` });
      add(svg, "circle", { class: "ring", cx, cy, r: 10 });
    }
    this.listen(svg, add(holder, "div", { class: "tip", hidden: "" }), facet, marks, wide);
  }
  listen(svg, tip, facet, marks, wide) {
    const under = (event) => {
      const box = svg.getBoundingClientRect(), scale = wide / box.width;
      const distance = ({ at: [x, y] }) => Math.hypot(x - (event.clientX - box.left) * scale, y - (event.clientY - box.top) * scale);
      return nearest(marks.filter((mark) => distance(mark) < NEAR), distance);
    };
    svg.onpointermove = (event) => {
      const mark = under(event);
      tip.hidden = !mark;
      if (!mark) return;
      tip.textContent = hoverText(facet, mark.method, mark.point);
      tip.style.top = `${mark.at[1] + 14}px`;
      tip.style.left = `${clip(mark.at[0] + 12, [0, Math.max(0, svg.clientWidth - tip.offsetWidth)])}px`;
    };
    svg.onpointerleave = () => { tip.hidden = true; };
    svg.onclick = (event) => {
      const mark = under(event);
      if (!mark?.method.adjustable) return;
      this.width = facet.width;
      this.choose(this.networks.find(({ figure, group, label }) => figure === this.figure && group === facet.group && label === mark.method.label), mark.point.lam);
    };
  }
  showChoice() {
    const facets = this.facets(), facet = this.facet(), points = this.points(), point = this.point();
    this.select.value = this.networks.indexOf(this.network);
    this.lambdaSlider(points.indexOf(point), points.length, `${point.lam}`);
    this.widthSlider(facets.indexOf(facet), facets.length, `${facet.width}`);
    const place = placeText(facet, methodOf(facet, this.network.label), point), macs = point.macs === null ? "MACs not counted at this width" : `${count(point.macs)} MACs per image`;
    this.readout.replaceChildren();
    add(this.readout, "strong", {}, `SA ${percent(point.sa)}, RA ${percent(point.ra)}`);
    this.readout.append(`${place}; ${macs}; ${seeds(point)}:`);
    for (const key of point.keys) this.readout.append(" ", add(this.readout, "a", { href: `#${key}`, title: `Network ${key}` }, key.slice(0, 8)));
  }
}
const dials = [...document.querySelectorAll(".dial")].map((root) => new Dial(root));
addEventListener("resize", () => { for (const dial of dials) dial.render(); });
})();
