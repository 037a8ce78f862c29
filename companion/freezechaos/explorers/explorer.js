// Draws one Explorer: results computed ahead are read at the reader's setting, and shown as
// a picture, as a sentence and in the page's address. The model's `setting` is the only
// state: every control sets it, and all is drawn again when it changes.

export default { render };

// Of the screen: a first picture that leaves the sliders room stays in sight while they move.
const HIGHEST_LEAD = 0.6;

// `open` gives another way to look than at the table: own.js computes as it is asked.
async function render({ model, el }, open = openTable) {
  const spec = model.get("spec");
  const grid = await (spec.compiled ? loadPrograms : unpack)(spec, model.get("data"));
  const lookNow = open(model, spec, grid, () => drawSoon());
  const address = keepsAddress() ? pageAddress(spec) : null;
  const set = (changes) => {
    model.set("setting", { ...model.get("setting"), ...changes });
    model.save_changes();
  };
  const turn = (changes) => {
    set(changes);
    address?.write(model.get("setting"));
  };
  const reset = () => {
    set(Object.fromEntries(spec.axes.map((axis) => [axis.name, axis.start])));
    address?.clear();
  };

  const titleId = unique("title");
  const root = h("div", { class: "fc-explorer", role: "group", "aria-labelledby": titleId, style: hues(spec) });
  const views = spec.views.map((view) => makeView(view, spec, grid, turn));
  const controls = spec.axes.map((axis) => makeControl(axis, turn));
  const sentence = makeSentence(spec);
  const drawSoon = oncePerFrame(() => draw());
  const engine = spec.live ? makeEngine(spec, model, grid, drawSoon) : null;
  root.append(
    h("div", { class: "fc-head" },
      h("p", { class: "fc-title", id: titleId }, spec.title),
      makeTools(reset, address && (() => address.link(model.get("setting"))))),
    ...controls.filter((control) => control.leads).map((control) => control.element),
    h("div", { class: "fc-views" }, ...views.map((view) => view.element)),
    ...(engine ? [engine.element] : []),
    h("div", { class: "fc-controls" }, ...controls.filter((control) => !control.leads).map((control) => control.element)),
    sentence.element,
  );
  // Without this JupyterLab takes the arrow keys for its cells.
  for (const part of root.querySelectorAll("input, button, [tabindex]")) part.dataset.lmSuppressShortcuts = "true";

  const draw = () => {
    const look = lookNow(model.get("setting"));
    for (const part of [...views, ...controls, sentence]) part.draw(look);
  };
  const restore = () => {
    const named = address?.read();
    if (named) set(named);
    if (named) whenLoaded(() => address.scroll(root));
  };
  el.append(root);
  restore();
  draw();
  model.on("change:setting", draw);
  const sizes = new ResizeObserver(() => {
    const lead = views[0].element.offsetHeight;
    root.classList.toggle("fc-leads", lead < HIGHEST_LEAD * innerHeight);
    root.style.setProperty("--fc-lead", `${lead}px`);
    drawSoon();
  });
  for (const view of views) sizes.observe(view.element);
  const stopThemes = onThemeChange(drawSoon);
  if (address) addEventListener("hashchange", restore);
  return () => {
    engine?.stop();
    model.off("change:setting", draw);
    removeEventListener("hashchange", restore);
    sizes.disconnect();
    stopThemes();
  };
}

function h(tag, attributes, ...children) {
  return dress(document.createElement(tag), attributes, children);
}

function s(tag, attributes, ...children) {
  return dress(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function dress(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

let made = 0;
function unique(name) {
  made += 1;
  return `fc-${name}-${made}`;
}

function oncePerFrame(call) {
  let waiting = 0;
  return () => {
    waiting ||= requestAnimationFrame(() => {
      waiting = 0;
      call();
    });
  };
}

function debounce(call, milliseconds) {
  let timer;
  const later = (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => call(...given), milliseconds);
  };
  return Object.assign(later, { cancel: () => clearTimeout(timer) });
}

function whenLoaded(call) {
  if (document.readyState === "complete") requestAnimationFrame(call);
  else addEventListener("load", () => requestAnimationFrame(call), { once: true });
}

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const product = (numbers) => numbers.reduce((a, b) => a * b, 1);

function inflated(data) {
  return new Response(new Blob([data]).stream().pipeThrough(new DecompressionStream("deflate")));
}

// The mirror of compiled.programs: a function of a number to a function of the axes that are its
// arguments. A module through a Blob URL, for nothing else loads from file://.
async function loadPrograms(spec, data) {
  const module = `export default ${await inflated(data).text()};`;
  const url = URL.createObjectURL(new Blob([module], { type: "text/javascript" }));
  const { default: made } = await import(url).finally(() => URL.revokeObjectURL(url));
  return { made, programs: [] };
}

function run({ axes, outputs, compiled: { looped, mapped } }, { made, programs }, setting) {
  const named = (name) => axes.find((axis) => axis.name === name);
  const number = looped.map(named).reduce(
    (number, axis) => number * known(axis).length + positionOf(axis, setting[axis.name]), 0);
  programs[number] ??= made(number);
  const results = programs[number](...mapped.map((name) =>
    (named(name).options ? positionOf(named(name), setting[name]) : setting[name])));
  return Object.fromEntries(outputs.map(({ name }, k) => [name, results[k]]));
}

// The mirror of grid.pack: low bytes, high bytes, second differences modulo 2^16; then pictures.
async function unpack(spec, data) {
  const bytes = new Uint8Array(await inflated(data).arrayBuffer());
  const lengths = tabulated(spec).map((axis) => known(axis).length);
  const points = product(lengths);
  const narrow = ({ levels }) => levels === 255;
  const pictures = spec.outputs.filter(narrow).map(({ shape }) => product(shape) * points);
  const wide = (bytes.length - pictures.reduce((a, b) => a + b, 0)) / 2;
  const codes = new Uint16Array(wide);
  for (let k = 0; k < wide; k++) codes[k] = bytes[k] | (bytes[wide + k] << 8);
  for (let pass = 0; pass < 2; pass++) {
    for (let k = 1; k < wide; k++) codes[k] += codes[k - 1];
  }
  const taker = (array, offset) => (size) => array.subarray(offset, (offset += size * points));
  const [take, takeBytes] = [taker(codes, 0), taker(bytes, 2 * wide)];
  const outputs = Object.fromEntries(spec.outputs.map((output) => {
    const size = product(output.shape);
    return [output.name, { ...output, size, codes: (narrow(output) ? takeBytes : take)(size) }];
  }));
  const names = Object.fromEntries(
    Object.entries(spec.names).map(([name, words]) => [name, { words, codes: take(1) }]));
  return { lengths, outputs, names };
}

// The grid points around `positions`, each with its weight.
function cornersAround(positions, lengths) {
  return positions.reduce((corners, position, k) => {
    const left = Math.min(Math.floor(position), lengths[k] - 2);
    const share = position - left;
    return corners.flatMap(([point, weight]) => [
      [point * lengths[k] + left, weight * (1 - share)],
      [point * lengths[k] + left + 1, weight * share],
    ]).filter(([, weight]) => weight > 0);
  }, [[0, 1]]);
}

function interpolate({ codes, size, levels, low, high, log }, corners) {
  const values = new Float64Array(size);
  for (const [point, weight] of corners) {
    for (let k = 0; k < size; k++) values[k] += weight * codes[point * size + k];
  }
  const scaled = values.map((code) => low + ((high - low) * code) / levels);
  return log ? scaled.map(Math.exp) : scaled;
}

function openTable(model, spec, grid) {
  return (setting) => lookAt(spec, grid, setting, spec.compiled ? run(spec, grid, setting) : grid.live);
}

// Everything that can be read at one setting; what is `given` comes before the table.
function lookAt(spec, grid, setting, given = {}) {
  const positions = tabulated(spec).map((axis) => positionOf(axis, setting[axis.name]));
  const corners = grid.lengths ? cornersAround(positions, grid.lengths) : [];
  const read = (name) => given[name] ?? interpolate(grid.outputs[name], corners);
  const number = (name) => (name in setting ? setting[name] : read(name)[0]);
  const band = ({ of, edges, words }) => words[edges.filter((edge) => edge <= number(of)).length];
  const nearest = grid.lengths &&
    positions.reduce((point, place, k) => point * grid.lengths[k] + Math.floor(place + 0.5), 0);
  const value = (name) => {
    if (name in spec.bands) return band(spec.bands[name]);
    if (given.words && name in given.words) return given.words[name];
    if (name in spec.names) return grid.names[name].words[grid.names[name].codes[nearest]];
    return number(name);
  };
  const look = { setting, positions, read, number, value };
  return { ...look, text: sentenceParts(spec.readout, look).join("") };
}

const known = (axis) => axis.options ?? axis.values;
const tabulated = (spec) => spec.axes.filter((axis) => axis.tabulated !== false);

function positionOf(axis, value) {
  if (axis.options) return axis.options.indexOf(value);
  const grid = axis.values;
  const right = clamp(grid.findIndex((point) => point >= value), 1, grid.length - 1);
  return right - 1 + (value - grid[right - 1]) / (grid[right] - grid[right - 1]);
}

function valueAt(axis, position) {
  const grid = known(axis);
  if (axis.step) return grid[clamp(Math.round(position), 0, grid.length - 1)];
  const left = clamp(Math.floor(position), 0, grid.length - 2);
  const share = clamp(position - left, 0, 1);
  return Number((grid[left] * (1 - share) + grid[left + 1] * share).toPrecision(6));
}

// A slider makes about a hundred steps in all, and a whole number of them in each cell.
function stepsPerCell(axis) {
  return axis.step ? 1 : Math.max(1, Math.round(100 / (axis.values.length - 1)));
}

function show(axis, value) {
  return axis.options ? value : format(value, axis.format);
}

// The part of Python's format language that the sentences use: .2f .1e .3g .0%
function format(value, form = "") {
  if (typeof value === "string") return value;
  const [, digits, kind] = /(?:\.(\d+))?([efg%d]?)$/.exec(form);
  const places = Number(digits ?? 6);
  if (!Number.isFinite(value)) return value > 0 ? "∞" : value < 0 ? "−∞" : "undefined";
  const text = {
    e: () => exponential(value, places),
    f: () => value.toFixed(places),
    "%": () => `${(100 * value).toFixed(places)}%`,
    d: () => value.toFixed(0),
  }[kind]?.() ?? general(value, Math.max(places, 1));
  const zero = !/[^-0.%]/.test(text); // what rounds to zero has no sign
  return text.replaceAll("-", zero ? "" : "−");
}

function exponential(value, places) {
  return value.toExponential(places).replace(/e([+-])(\d)$/, "e$10$2");
}

function general(value, digits) {
  const power = Number(value.toExponential(digits - 1).split("e")[1]);
  const plain = power >= -4 && power < digits;
  const text = plain ? value.toFixed(digits - 1 - power) : exponential(value, digits - 1);
  return text.replace(/(\.\d*?)0+(?=$|e)/, "$1").replace(/\.(?=$|e)/, "");
}

// Plain text at even places, values at odd ones.
function sentenceParts(template, look) {
  return template.split(/\{(\w+(?::[^}]*)?)\}/).map((part, k) => {
    const [name, form] = part.split(":");
    return k % 2 ? format(look.value(name), form) : part;
  });
}

function makeSentence(spec) {
  const element = h("p", { class: "fc-sentence", "aria-live": "polite", "aria-atomic": "true" });
  // A screen reader waits while the region is busy, so a drag is read out once, at its end.
  const rest = debounce(() => element.removeAttribute("aria-busy"), 400);
  const draw = (look) => {
    element.setAttribute("aria-busy", "true");
    const parts = sentenceParts(spec.readout, look);
    element.replaceChildren(...parts.map((part, k) => (k % 2 ? emphasis(part) : part)));
    rest();
  };
  return { element, draw };
}

function emphasis(text) {
  const hue = ["freeze", "edge", "chaos"].find((name) => text.toLowerCase().includes(name));
  return h("b", { style: hue && `color: var(--fc-${hue})` }, text);
}

function hues(spec) {
  const both = (name, [light, dark]) => `--fc-${name}: light-dark(${light}, ${dark})`;
  const [light, dark] = spec.diverging;
  const ramp = light.map((shade, k) => both(`ramp-${k}`, [shade, dark[k]]));
  return [...Object.entries(spec.palette).map(([name, hue]) => both(name, hue)), ...ramp].join("; ");
}

function onThemeChange(call) {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const attributes = new MutationObserver(call);
  const options = { attributes: true, attributeFilter: ["data-theme", "data-jp-theme-light"] };
  for (const element of [document.documentElement, document.body]) attributes.observe(element, options);
  system.addEventListener("change", call);
  return () => {
    attributes.disconnect();
    system.removeEventListener("change", call);
  };
}

function makeTools(reset, link) {
  const tools = h("div", { class: "fc-tools" }, button("Reset", reset));
  if (link) {
    const copy = button("Copy link", async () => {
      copy.textContent = (await copied(link())) ? "Link copied" : "Link is in the address bar";
      setTimeout(() => (copy.textContent = "Copy link"), 2500);
    });
    copy.setAttribute("aria-live", "polite");
    tools.append(copy);
  }
  return tools;
}

function button(text, press, attributes = {}) {
  const element = h("button", { type: "button", class: "fc-button", ...attributes }, text);
  element.addEventListener("click", press);
  return element;
}

async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    history.replaceState(history.state, "", text);
    return false;
  }
}

// Only a published page carries its widgets' state; a live notebook's address is its own.
function keepsAddress() {
  return document.querySelector('script[type="application/vnd.jupyter.widget-state+json"]') !== null;
}

// The fragment is #anchor&slug:name=value,name=value&other-slug:…; an anchor and the parts
// of other explorers are left as they are.
function pageAddress(spec) {
  const mine = (part) => part.startsWith(`${spec.slug}:`);
  const parts = () => location.hash.slice(1).split("&").filter(Boolean);
  const written = (setting) => `${spec.slug}:` + spec.axes
    .map(({ name }) => `${name}=${encodeURIComponent(setting[name])}`).join(",");
  const replace = (kept) => {
    const [page] = location.href.split("#");
    history.replaceState(history.state, "", kept.length ? `${page}#${kept.join("&")}` : page);
  };
  const others = () => parts().filter((part) => !mine(part));
  const writeSoon = debounce((setting) => replace([...others(), written(setting)]), 200);
  return {
    read: () => parts().filter(mine).map((part) => parsed(spec, part.slice(spec.slug.length + 1)))[0],
    write: writeSoon,
    clear: () => {
      writeSoon.cancel();
      replace(others());
    },
    link: (setting) => `${location.href.split("#")[0]}#${written(setting)}`,
    scroll: (root) => {
      const [first] = parts();
      const anchor = mine(first) ? root : document.getElementById(decodeURIComponent(first));
      (anchor ?? (mine(first) && root))?.scrollIntoView?.();
    },
  };
}

function parsed(spec, text) {
  const pairs = text.split(",").map((pair) => pair.split("=").map(decoded));
  const axisOf = (name) => spec.axes.find((axis) => axis.name === name);
  const usable = pairs.map(([name, value]) => [name, settled(axisOf(name), value)]);
  return Object.fromEntries(usable.filter(([, value]) => value !== undefined));
}

// Undefined for a half-written %.
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

// What an address asks for, brought to what the axis can be set to; undefined for nonsense.
function settled(axis, text) {
  if (!axis || text === undefined) return undefined;
  if (axis.examples) return text;
  if (axis.options) return axis.options.includes(text) ? text : undefined;
  const value = Number(text);
  if (text === "" || Number.isNaN(value)) return undefined;
  const inside = clamp(value, axis.values[0], axis.values.at(-1));
  return axis.step ? valueAt(axis, positionOf(axis, inside)) : inside;
}

function makeControl(axis, turn) {
  if (axis.examples) return makeFormula(axis, turn); // in own.js
  if (axis.press) return makePress(axis, turn);
  return axis.options ? makeChips(axis, turn) : makeSlider(axis, turn);
}

// A button to the next value, round and round.
function makePress(axis, turn) {
  const id = unique(axis.name);
  const shown = h("output", { id });
  let next;
  const press = button(axis.press, () => turn({ [axis.name]: next }), { class: "fc-button fc-run" });
  const element = h("div", { class: "fc-control" },
    h("label", { for: id }, axis.label), shown, h("div", { class: "fc-row" }, press));
  const draw = ({ setting }) => {
    const place = positionOf(axis, setting[axis.name]);
    next = valueAt(axis, (Math.round(place) + 1) % axis.values.length);
    shown.textContent = show(axis, setting[axis.name]);
  };
  return { element, draw };
}

function makeSlider(axis, turn) {
  const id = unique(axis.name);
  const parts = stepsPerCell(axis);
  const last = (axis.values.length - 1) * parts;
  const move = (by) => go(Number(slider.value) + by);
  const go = (step) => turn({ [axis.name]: valueAt(axis, clamp(step, 0, last) / parts) });
  const slider = h("input", { type: "range", id, min: 0, max: last, step: 1 });
  const shown = h("output", { for: id });
  slider.addEventListener("input", () => go(Number(slider.value)));
  const nudge = (sign, by, word) =>
    button(sign, () => move(by), { class: "fc-button fc-step", "aria-label": `${axis.label}: ${word}` });
  const [less, more] = [nudge("−", -1, "less"), nudge("+", 1, "more")];
  const row = axis.step ? [less, slider, more] : [slider];
  const element = h("div", { class: "fc-control" },
    h("label", { for: id }, axis.label), shown, h("div", { class: "fc-row" }, ...row));
  const draw = ({ setting }) => {
    const value = setting[axis.name];
    slider.value = Math.round(positionOf(axis, value) * parts);
    slider.setAttribute("aria-valuetext", `${axis.label} ${show(axis, value)}`);
    shown.textContent = show(axis, value);
    less.setAttribute("aria-disabled", Number(slider.value) === 0);
    more.setAttribute("aria-disabled", Number(slider.value) === last);
  };
  return { element, draw };
}

function makeChips(axis, turn) {
  const name = unique(axis.name);
  const radios = axis.options.map((option) => h("input", { type: "radio", name, value: option }));
  const chips = radios.map((radio) => h("label", { class: "fc-chip" }, radio, h("span", {}, radio.value)));
  const element = h("fieldset", { class: "fc-control" },
    h("legend", {}, axis.label), h("div", { class: "fc-row" }, ...chips));
  element.addEventListener("change", (event) => turn({ [axis.name]: event.target.value }));
  const draw = ({ setting }) => {
    for (const radio of radios) radio.checked = radio.value === setting[axis.name];
  };
  return { element, draw };
}

function makeView(view, spec, grid, turn) {
  if (view.kind === "map") return makeMap(view, spec, grid, turn);
  if (view.kind === "image") return makeImage(view, spec, turn, readImage);
  if (view.kind === "pushed") return makeImage(view, spec, turn, pushed);
  const paint = { curves: paintCurves, polar: paintPolar }[view.kind];
  const key = h("p", { class: "fc-key" });
  const svg = s("svg", { role: "img" });
  const element = h("div", { class: "fc-view" }, ...heading(view), key, svg);
  const draw = (look) => {
    const picture = paint(view, look, element.clientWidth);
    key.replaceChildren(h("span", {}, picture.label), h("span", {}, ...picture.key));
    paintInto(svg, picture, `${view.description}. ${look.text}`);
  };
  return { element, draw };
}

function heading(view) {
  return view.title ? [h("p", { class: "fc-view-title" }, view.title)] : [];
}

function paintInto(svg, { width, height, nodes }, name) {
  dress(svg, { viewBox: `0 0 ${width} ${height}`, width, height, "aria-label": name }, []);
  svg.replaceChildren(...nodes);
}

function keyOf(view) {
  const kind = (k) => `fc-${view.styles?.[k] ?? "line"}`;
  return view.series.flatMap((label, k) =>
    label ? [h("span", { class: kind(k), style: hueOf(view, k) }, label)] : []);
}

const hueOf = (view, k) => `--hue: var(--fc-${view.colors[k]})`;

const ruler = document.createElement("canvas").getContext("2d");
function textWidth(text) {
  ruler.font = "13px system-ui, sans-serif";
  return Math.ceil(ruler.measureText(text).width);
}

// A square frame in pixels: the plot has its own coordinates, from its upper left corner.
function frame(width, height, { left, right, bottom, top = 10 }) {
  return { width, height, left, top, w: Math.max(width - left - right, 40), h: height - top - bottom };
}

function scale([low, high], [from, to], log = false) {
  const place = log ? Math.log : (value) => value;
  return (value) => from + ((place(value) - place(low)) / (place(high) - place(low))) * (to - from);
}

function niceTicks([low, high], count) {
  const raw = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find((multiple) => multiple * power >= raw * 0.999);
  const first = Math.ceil(low / step - 1e-6);
  const total = Math.floor(high / step + 1e-6) - first + 1;
  return Array.from({ length: total }, (_, k) => Number(((first + k) * step).toPrecision(12)));
}

function decades([low, high], count) {
  const first = Math.ceil(Math.log10(low) - 1e-6);
  const last = Math.floor(Math.log10(high) + 1e-6);
  const every = Math.max(1, Math.ceil((last - first) / count));
  return Array.from({ length: Math.floor((last - first) / every) + 1 }, (_, k) => 10 ** (first + k * every));
}

function tickText(value, digits = 6) {
  return String(Number(value.toPrecision(digits))).replace("-", "−");
}

function powerText(value) {
  const power = Math.round(Math.log10(value));
  const raised = [...String(power)].map((char) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[char] ?? "⁻").join("");
  return Math.abs(power) < 3 ? tickText(value) : `10${raised}`;
}

const text = (x, y, words, attributes = {}) => s("text", { x, y, ...attributes }, words);
const line = (x1, y1, x2, y2, kind) => s("line", { x1, y1, x2, y2, class: kind });

// Where the middle of `words` stands so that it is at x if it can, and inside the picture.
function centred(x, words, width) {
  const half = textWidth(words) / 2;
  return clamp(x, half, Math.max(width - half, half));
}

function xAxis({ left, top, w, h: tall, width, height }, marks, label) {
  const base = top + tall;
  const below = (x, y, words, kind) =>
    text(centred(left + x, words, width), y, words, { "text-anchor": "middle", class: kind });
  return [
    line(left, base, left + w, base, "fc-axis"),
    ...marks.flatMap(([x, words]) => [
      line(left + x, base, left + x, base + 5, "fc-axis"),
      below(x, base + 19, words, "fc-tick"),
    ]),
    below(w / 2, height - 5, label),
  ];
}

function yAxis({ left, top, w }, marks, ruled) {
  return marks.flatMap(([y, words]) => [
    ...(ruled ? [line(left, top + y, left + w, top + y, "fc-rule")] : []),
    text(left - 8, top + y + 4, words, { "text-anchor": "end", class: "fc-tick" }),
  ]);
}

// What is drawn on the plot may touch its border but not leave it.
function inside({ left, top, w, h: tall }, ...nodes) {
  const edge = 4;
  const [width, height] = [w + 2 * edge, tall + 2 * edge];
  const viewBox = [-edge, -edge, width, height].join(" ");
  return s("svg", { x: left - edge, y: top - edge, width, height, viewBox, role: "presentation" }, ...nodes);
}

function trace(points, kind = "line") {
  const at = points.map(([x, y]) => [x.toFixed(1), y.toFixed(1)]);
  if (kind === "dots") return at.map(([x, y]) => `M${x},${y}h0`).join("");
  if (kind === "steps" || kind === "bars") return `M${at[0].join()}` + at.slice(1).map(([x, y]) => `H${x}V${y}`).join("");
  return `M${at.map((point) => point.join()).join("L")}`;
}

function paintCurve(d, kind, style) {
  return s("path", { d, class: `fc-curve fc-${kind}`, style });
}

function paintCurves(view, look, width) {
  const moving = typeof view.x === "string";
  const marks = view.yTicks ?? (view.yLog ? decades : niceTicks)(view.yRange, 6);
  const column = Math.max(0, ...view.series.map(textWidth)) + 14;
  const direct = view.series.length > 0 && !moving && column < 0.25 * width;
  const yText = view.yLog ? powerText : tickText;
  const left = Math.max(...marks.map((value) => textWidth(yText(value)))) + 12;
  const top = view.guides.some((guide) => guide.x !== null && guide.label) ? 26 : 10;
  const right = direct ? column : 10;
  const bottom = 48;
  const side = clamp(width - left - right, 60, 380);
  const box = view.square
    ? { ...frame(left + right + side, top + bottom + side, { left, right, top, bottom }), width }
    : frame(width, clamp(0.56 * width, 260, 380), { left, right, top, bottom });
  const x = scale(view.xRange, [0, box.w], view.xLog);
  const y = scale(view.yRange, [box.h, 0], view.yLog);
  const curves = readCurves(view, look).map((points) => points.map(([u, v]) => [x(u), y(v)]));
  const lines = curves.map((points, k) => paintCurve(trace(points, view.styles[k]), view.styles[k], hueOf(view, k)));
  const bottomMarks = view.xTicks ?? (view.xLog ? decades : niceTicks)(view.xRange, clamp(box.w / 70, 4, 8));
  return {
    width, height: box.height, label: view.yLabel, key: direct ? [] : keyOf(view),
    nodes: [
      ...yAxis(box, marks.map((value) => [y(value), yText(value)]), true),
      ...xAxis(box, bottomMarks.map((value, k) => [x(value), view.xNames?.[k] ?? tickText(value)]), view.xLabel),
      ...view.guides.flatMap((guide) => paintGuide(guide, look, x, y, box)),
      inside(box, ...held(view.background, look).flatMap((fixed) => paintLine(fixed, x, y, box)), ...lines),
      ...(direct ? endLabels(view, curves, box) : []),
    ],
  };
}

// One list of [x, y] a curve, in the units of the axes.
function readCurves(view, look) {
  const ys = look.read(view.y);
  const count = view.colors.length;
  const length = ys.length / count;
  const xs = typeof view.x === "string" ? look.read(view.x) : view.x;
  return Array.from({ length: count }, (_, k) => Array.from({ length }, (_, i) =>
    [xs[xs.length === length ? i : k * length + i], ys[k * length + i]]));
}

// The lines that are there at a setting.
function held(lines, { setting }) {
  const holds = ([name, option]) => setting[name] === option;
  return lines.filter(({ where = {} }) => Object.entries(where).every(holds));
}

function paintLine(fixed, x, y, { w, h: tall }) {
  const points = fixed.x.map((value, k) => [x(value), y(fixed.y[k])]);
  const style = `--hue: var(--fc-${fixed.color})`;
  if (points.length === 1) {
    const [[u, v]] = points;
    return [paintCurve(trace(points, "dots"), "dots", style), text(u + 9, v - 7, fixed.label, { class: "fc-note" })];
  }
  const [u, v] = points[Math.floor(0.7 * (points.length - 1))].map((start, k) =>
    points.length > 2 ? start : 0.3 * points[0][k] + 0.7 * points[1][k]);
  return [
    s("path", { d: trace(points), class: "fc-fixed", style }),
    text(Math.min(u + 8, w - textWidth(fixed.label) - 4), v + 18 > tall ? v - 6 : v + 14, fixed.label, { class: "fc-note" }),
  ];
}

// The label of an upright guide stands above the plot, where no curve can cross it.
function paintGuide(guide, look, x, y, { left, top, w, h: tall, width }) {
  const value = (given) => (typeof given === "string" ? look.number(given) : given);
  if (guide.x === null) {
    const at = top + y(value(guide.y));
    return [
      line(left, at, left + w, at, "fc-guide"),
      text(left + w - 4, at - 5, guide.label, { "text-anchor": "end", class: "fc-note" }),
    ];
  }
  const at = left + x(value(guide.x));
  return [
    line(at, top, at, top + tall, "fc-guide"),
    text(centred(at, guide.label, width), top - 8, guide.label, { "text-anchor": "middle", class: "fc-note" }),
  ];
}

// Labels at the curves' ends, pushed apart until each has a line of its own.
function endLabels(view, curves, { left, top, w, h: tall }) {
  const gap = 17;
  const ends = curves.map((points, k) => ({ k, y: clamp(points.at(-1)[1], 0, tall) }))
    .filter(({ k }) => view.series[k]).sort((a, b) => a.y - b.y);
  for (let k = 1; k < ends.length; k++) ends[k].y = Math.max(ends[k].y, ends[k - 1].y + gap);
  const over = Math.max(0, (ends.at(-1)?.y ?? 0) - tall);
  return ends.map(({ k, y }) =>
    text(left + w + 9, top + y - over + 4, view.series[k], { class: "fc-name", style: hueOf(view, k) }));
}

const ANCHOR = { 1: "start", 0: "middle", "-1": "end" };

function paintPolar(view, look, width) {
  const height = clamp(width, 220, 360);
  const outer = Math.min(width - 80, height - 48) / 2;
  const [low, high] = view.range;
  const radius = scale([low < 0 ? low - 0.15 * (high - low) : low, high], [0, outer]);
  const at = (angle, far) => [width / 2 + far * Math.cos(angle), height / 2 - far * Math.sin(angle)];
  const values = look.read(view.value);
  const length = view.angles.length;
  const point = (angle, value) => at(angle, Math.max(radius(value), 0));
  const half = (k, sign) => view.angles.map((angle, i) => point(sign * angle, values[k * length + i]));
  const curves = view.colors.map((_, k) => [...half(k, 1), ...(view.mirrored ? half(k, -1).reverse() : [])]);
  const shown = ([value]) => value >= low && value <= high && radius(value) > 0;
  const rings = [[0, "fc-guide"], [1, "fc-axis"]].filter(shown);
  const spokes = ["0°", "90°", "180°", "−90°"].map((words, k) => [(k * Math.PI) / 2, words]);
  return {
    width, height, label: view.label, key: keyOf(view),
    nodes: [
      ...spokes.flatMap(([angle, words]) => {
        const side = Math.round(Math.cos(angle));
        const [x, y] = at(angle, outer + (side ? 8 : 14));
        return [
          line(...at(angle, 0), ...at(angle, outer), "fc-rule"),
          text(x, y + 4, words, { "text-anchor": ANCHOR[side], class: "fc-tick" }),
        ];
      }),
      ...rings.map(([value, kind]) => s("circle", { cx: width / 2, cy: height / 2, r: radius(value), class: kind })),
      ...curves.map((points, k) => paintCurve(`${trace(points)}Z`, "round", hueOf(view, k))),
      ...rings.map(([value]) => text(...at(0.62, radius(value) + 3), String(value), { class: "fc-note" })),
    ],
  };
}

function makeMap(view, spec, grid, turn) {
  const axis = (name) => spec.axes.find((one) => one.name === name);
  const along = { x: axis(view.x), y: axis(view.y) };
  const canvas = h("canvas", { "aria-hidden": "true" });
  const svg = s("svg", { role: "img" });
  const handle = h("div", {
    class: "fc-handle", role: "slider", tabindex: 0, "aria-valuemin": 0, "aria-valuemax": known(along.x).length - 1,
    "aria-label": `${along.x.label} and ${along.y.label}: drag, or use the arrow keys`,
  });
  const stage = h("div", { class: "fc-stage" }, canvas, svg, handle);
  const element = h("div", { class: "fc-view" }, ...heading(view), colorKey(view), stage);
  let box;
  let painted;
  const draw = (look) => {
    box = mapFrame(along, element.clientWidth);
    const dark = isDark(element);
    const others = { ...look.setting, [view.x]: 0, [view.y]: 0 };
    const wanted = JSON.stringify([others, box.w, box.h, dark]);
    if (painted !== wanted) paintField(canvas, box, view, spec, grid, look, spec.diverging[Number(dark)]);
    painted = wanted;
    paintInto(svg, { ...box, nodes: mapNodes(view, along, box, look) }, `${view.description}. ${look.text}`);
    placeHandle(handle, box, along, look);
  };
  letDrag(stage, handle, () => box, along, turn);
  return { element, draw };
}

function colorKey({ label, range: [low, high], center, ends }) {
  const number = (value) => h("span", {}, tickText(value, 3));
  return h("p", { class: "fc-key" }, h("span", {}, label),
    h("span", { class: "fc-bar" }, h("b", { style: "color: var(--fc-freeze)" }, ends[0]),
      h("span", { class: "fc-ramp" }, number(low), number(center), number(high)),
      h("b", { style: "color: var(--fc-chaos)" }, ends[1])));
}

// Places on a map are in grid steps; an axis by steps has half a step more at both ends.
function mapFrame(along, width) {
  const margin = (axis) => (axis.step ? 0.5 : 0);
  const reach = (axis) => [-margin(axis), known(axis).length - 1 + margin(axis)];
  const widest = Math.max(...mapMarks(along.y, 6).map(([, words]) => textWidth(words)));
  const bands = along.y.step ? 44 * known(along.y).length + 58 : 0;
  const height = clamp(0.7 * width, Math.max(230, bands), 360);
  const top = along.y.options ? 10 : 28;
  const box = frame(width, height, { left: widest + 14, right: 14, top, bottom: 48 });
  // The first option is read first, so it stands at the top.
  const upward = along.y.options ? [0, box.h] : [box.h, 0];
  return { ...box, x: scale(reach(along.x), [0, box.w]), y: scale(reach(along.y), upward),
    fromX: scale([0, box.w], reach(along.x)), fromY: scale(upward, reach(along.y)) };
}

// Round numbers on an even grid; on any other, some of the grid's own.
function mapMarks(axis, most) {
  const grid = known(axis);
  if (axis.options) return grid.map((option, k) => [k, option]);
  const reach = [grid[0], grid.at(-1)];
  const straight = scale([0, grid.length - 1], reach);
  const even = grid.every((value, k) => Math.abs(value - straight(k)) < 1e-6 * (reach[1] - reach[0]));
  const every = Math.ceil(grid.length / most);
  const values = even && !axis.step ? niceTicks(reach, most) : grid.filter((_, k) => k % every === 0);
  return values.map((value) => [positionOf(axis, value), tickText(value, 3)]);
}

function mapNodes(view, along, box, look) {
  const rows = mapMarks(along.y, 6).map(([place, words]) => [box.y(place), words]);
  const columns = mapMarks(along.x, clamp(box.w / 50, 3, 8)).map(([place, words]) => [box.x(place), words]);
  return [
    ...yAxis(box, rows, false),
    ...(along.y.options ? [] : [text(0, 14, along.y.label)]),
    ...xAxis(box, columns, along.x.label),
    inside(box, ...held(view.lines, look).flatMap((fixed) =>
      (along.y.step ? paintBars : paintLine)(fixed, box.x, box.y, box))),
  ];
}

function paintBars(fixed, x, y) {
  const half = Math.abs(y(1) - y(0)) / 2 - 3;
  const bars = fixed.x.map((value, k) => `M${x(value)},${y(fixed.y[k]) - half}v${2 * half}`);
  return [
    s("path", { d: bars.join(""), class: "fc-fixed fc-bold", style: `--hue: var(--fc-${fixed.color})` }),
    text(x(fixed.x[0]) + 7, y(fixed.y[0]) + 4, fixed.label, { class: "fc-note" }),
  ];
}

function isDark(element) {
  const [red, green, blue] = getComputedStyle(element).color.match(/[\d.]+/g).map(Number);
  return red + green + blue > 384;
}

function paintField(canvas, box, view, spec, grid, look, shades) {
  const field = readField(view, spec, grid, look);
  const [width, height] = [Math.round(box.w), Math.round(box.h)];
  Object.assign(canvas, { width, height });
  const { left, top, w, h: tall } = box;
  canvas.style.cssText = `left: ${left}px; top: ${top}px; width: ${w}px; height: ${tall}px`;
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  const ramp = rampOf(shades);
  const share = shareOf(view);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const value = field(box.fromX(column + 0.5), box.fromY(row + 0.5));
      image.data.set(ramp[Math.round(255 * share(value))], 4 * (row * width + column));
    }
  }
  context.putImageData(image, 0, 0);
}

// The colour's value at any place of the map, the other axes staying as they are.
function readField(view, spec, grid, look) {
  const axes = tabulated(spec);
  const [i, j] = [view.x, view.y].map((name) => axes.findIndex((axis) => axis.name === name));
  const [rows, columns] = view.field ?? [grid.lengths[j], grid.lengths[i]];
  const nodes = view.field ? look.read(view.color) : Float64Array.from({ length: columns * rows }, (_, node) => {
    const places = look.positions.with(i, node % columns).with(j, Math.floor(node / columns));
    return interpolate(grid.outputs[view.color], cornersAround(places, grid.lengths))[0];
  });
  const settle = (axis, place, count) => {
    const last = known(axis).length - 1;
    return (clamp(axis.step ? Math.round(place) : place, 0, last) / last) * (count - 1);
  };
  return (x, y) => {
    const [u, v] = [settle(axes[i], x, columns), settle(axes[j], y, rows)];
    const [left, low] = [Math.min(Math.floor(u), columns - 2), Math.min(Math.floor(v), rows - 2)];
    const node = (row, column) => nodes[row * columns + column];
    const across = (row) => node(row, left) * (left + 1 - u) + node(row, left + 1) * (u - left);
    return across(low) * (low + 1 - v) + across(low + 1) * (v - low);
  };
}

// 0 at the lower end, ½ at the centre, 1 at the upper end.
function shareOf({ range: [low, high], center }) {
  const below = center - low || 1;
  const above = high - center || 1;
  return (value) => clamp(0.5 + (0.5 * (value - center)) / (value < center ? below : above), 0, 1);
}

function rampOf(shades) {
  const stops = shades.map((shade) => [1, 3, 5].map((k) => parseInt(shade.slice(k, k + 2), 16)));
  return Array.from({ length: 256 }, (_, level) => {
    const place = (level / 255) * (stops.length - 1);
    const left = Math.min(Math.floor(place), stops.length - 2);
    return [...stops[left].map((from, k) => from + (stops[left + 1][k] - from) * (place - left)), 255];
  });
}

function placeHandle(handle, box, along, { setting, text: sentence }) {
  const [x, y] = [positionOf(along.x, setting[along.x.name]), positionOf(along.y, setting[along.y.name])];
  handle.style.left = `${box.left + box.x(x)}px`;
  handle.style.top = `${box.top + box.y(y)}px`;
  handle.setAttribute("aria-valuenow", x);
  handle.setAttribute("aria-valuetext", sentence);
}

// A mouse may take hold anywhere; a finger takes the handle, or taps, and scrolls elsewhere.
function letDrag(stage, handle, box, along, turn) {
  const snapped = (axis, place) => valueAt(axis, Math.round(place * stepsPerCell(axis)) / stepsPerCell(axis));
  const go = (x, y) => turn({ [along.x.name]: snapped(along.x, x), [along.y.name]: snapped(along.y, y) });
  const follow = (event) => {
    const corner = stage.getBoundingClientRect();
    const zoom = corner.width / stage.offsetWidth; // of the page around it
    const { left, top, w, h: tall, fromX, fromY } = box();
    const [x, y] = [(event.clientX - corner.left) / zoom - left, (event.clientY - corner.top) / zoom - top];
    go(fromX(clamp(x, 0, w)), fromY(clamp(y, 0, tall)));
  };
  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || (event.pointerType !== "mouse" && event.target !== handle)) return;
    event.preventDefault();
    handle.focus({ preventScroll: true });
    handle.setPointerCapture(event.pointerId);
    follow(event);
  });
  handle.addEventListener("pointermove", (event) => handle.hasPointerCapture(event.pointerId) && follow(event));
  stage.addEventListener("click", (event) => event.pointerType !== "mouse" && event.target !== handle && follow(event));
  handle.addEventListener("keydown", (event) => {
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    if (!(event.key in arrows)) return;
    const [dx, dy] = arrows[event.key];
    event.preventDefault();
    const { left, top, fromX, fromY } = box();
    const up = along.y.options ? -dy : dy;
    const x = fromX(parseFloat(handle.style.left) - left) + dx / stepsPerCell(along.x);
    const y = fromY(parseFloat(handle.style.top) - top) + up / stepsPerCell(along.y);
    go(x, y);
  });
}

// What each panel shows, and the pixel that is outlined in it, if one is.
function readImage(view, _, { setting, read }) {
  const [pixels, values] = [read(view.pixels), view.values && read(view.values)];
  const size = pixels.length / view.shape[0];
  const pixel = view.pick?.map((name) => setting[name]);
  return Array.from({ length: view.shape[0] }, (_, k) =>
    ({ pixels: pixels.subarray(k * size, (k + 1) * size), pixel, words: view.panels[k], value: values?.[k] }));
}

// As in moves.py, but for the division by N: what is shown is over the largest.
function pushed(view, spec, { setting, read }) {
  const [picture, ...pixel] = view.pick.map((name) => setting[name]);
  const who = spec.axes.find(({ name }) => name === view.who).options.indexOf(setting[view.who]);
  const wishes = Array.from({ length: setting[view.batch] }, (_, k) =>
    (k === picture - 1 ? pixel : [undefined, view.wishes[k], pixel][who]));
  const [count, rows, columns] = view.shape;
  const [down, along] = view.classes;
  const [kernels, onto] = [read(view.kernels), view.onto && read(view.onto)];
  const half = kernels.length / 2;
  const follow = (move, wish, entry) => (wish ? move.map((value, k) =>
    value + entry(view.across * down[wish[0]][Math.floor(k / columns)] + along[wish[1]][k % columns])) : move);
  const still = new Float64Array(rows * columns);
  const common = wishes.reduce((move, wish) => follow(move, wish, (k) => kernels[half + k]), still);
  const moves = wishes.slice(0, count).map((wish) =>
    follow(common, wish, (k) => kernels[k] - kernels[half + k]));
  const largest = Math.max(...moves.map((move) => Math.max(...move))) || 1;
  const shown = (move, k) => move.map((value, i) =>
    (onto ? onto[k * still.length + i] + (setting[view.times] * value) / largest : value / largest));
  return moves.map((move, k) => ({ pixels: shown(move, k), pixel: wishes[k] }));
}

function makeImage(view, spec, turn, readPanels) {
  const panels = Array.from({ length: view.shape[0] }, () => makePanel(view));
  const stage = h("div", { class: "fc-panels", role: "img" }, ...panels.map((panel) => panel.element));
  const element = h("div", { class: "fc-view" }, ...heading(view), stage, shadeKey(view));
  const draw = (look) => {
    const ramp = rampOf(view.shades[Number(isDark(element))]);
    arrangePanels(stage, view, element.clientWidth);
    for (const [k, shown] of readPanels(view, spec, look).entries()) panels[k].draw(shown, ramp);
    const titles = panels.map((panel) => panel.title()).filter(Boolean).join(", ");
    const name = [view.description, titles].filter(Boolean).join(". ");
    if (view.pick) nameSlider(stage, view, spec, name, look);
    else dress(stage, { "aria-label": `${name}. ${look.text}` }, []);
  };
  if (view.pick) letPick(stage, view, turn);
  return { element, draw };
}

function makePanel({ shape: [, rows, columns], range: [low, high], format: form, pick }) {
  const title = h("p", {});
  const canvas = h("canvas", { width: columns, height: rows });
  const ring = h("span", { class: "fc-ring", style: `width: ${100 / columns}%; height: ${100 / rows}%` });
  const element = h("div", {}, title, h("div", { class: "fc-panel" }, canvas, ...(pick ? [ring] : [])));
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  const level = (value) => Math.round(255 * clamp((value - low) / (high - low || 1), 0, 1));
  const draw = ({ pixels, pixel: outlined, words, value }, ramp) => {
    pixels.forEach((pixel, k) => image.data.set(ramp[level(pixel)], 4 * k));
    context.putImageData(image, 0, 0);
    title.replaceChildren(words ? `${words} ` : "", value === undefined ? "" : h("b", {}, format(value, form)));
    ring.hidden = !outlined;
    if (outlined) ring.style.top = `${(100 * outlined[0]) / rows}%`;
    if (outlined) ring.style.left = `${(100 * outlined[1]) / columns}%`;
  };
  return { element, draw, title: () => title.textContent.trim() };
}

// A pixel is a whole number of the screen's where it can be, so that all are alike.
function arrangePanels(stage, { shape: [count, rows, columns], columns: wanted, kind }, width) {
  const [gap, least, tallest] = kind === "pushed" ? [8, 64, 160] : [16, 80, 320];
  const fit = clamp(Math.floor((width + gap) / (least + gap)), 1, count);
  const across = wanted && wanted <= fit ? wanted : Math.ceil(count / Math.ceil(count / fit));
  const room = Math.min((width - gap * (across - 1)) / across, (tallest * columns) / rows);
  const dots = Math.floor((room * devicePixelRatio) / columns);
  const size = dots ? (dots * columns) / devicePixelRatio : room;
  stage.style.cssText = `--size: ${size}px; column-gap: ${gap}px; grid-template-columns: repeat(${across}, ${room}px)`;
}

function shadeKey({ label, range, shades: [light, dark] }) {
  const ramp = light.map((shade, k) => `light-dark(${shade}, ${dark[k]})`).join(", ");
  return h("p", { class: "fc-key fc-shades" }, h("span", {}, label),
    h("span", { class: "fc-bar" },
      h("span", { class: "fc-ramp", style: `background-image: linear-gradient(90deg, ${ramp})` },
        ...range.map((value) => h("span", {}, tickText(value, 3))))));
}

function nameSlider(stage, { shape: [, rows, columns], pick }, spec, name, { setting, text: sentence }) {
  const [down, along] = pick.slice(-2).map((one) => spec.axes.find((axis) => axis.name === one).label);
  const [row, column] = pick.slice(-2).map((one) => setting[one]);
  dress(stage, {
    role: "slider", "aria-valuemin": 0, "aria-valuemax": rows * columns - 1, "aria-valuenow": row * columns + column,
    "aria-label": `${down} and ${along}: click, or use the arrow keys. ${name}`, "aria-valuetext": sentence,
  }, []);
}

// A mouse picks as it is dragged; a finger taps, and scrolls everywhere.
function letPick(stage, { shape: [, rows, columns], pick }, turn) {
  const [along, down, panel] = pick.toReversed();
  const canvases = [...stage.querySelectorAll("canvas")];
  const go = (row, column, which) =>
    turn({ ...which, [down]: clamp(row, 0, rows - 1), [along]: clamp(column, 0, columns - 1) });
  const follow = ({ target, clientX, clientY }) => {
    const { left, top, width, height } = target.getBoundingClientRect();
    const which = panel && { [panel]: 1 + canvases.indexOf(target) };
    go(Math.floor((rows * (clientY - top)) / height), Math.floor((columns * (clientX - left)) / width), which);
  };
  stage.tabIndex = 0;
  for (const canvas of canvases) {
    canvas.addEventListener("click", follow);
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || event.pointerType !== "mouse") return;
      canvas.setPointerCapture(event.pointerId);
      follow(event);
    });
    canvas.addEventListener("pointermove", (event) =>
      event.pointerType === "mouse" && canvas.hasPointerCapture(event.pointerId) && follow(event));
  }
  stage.addEventListener("keydown", (event) => {
    const arrows = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    if (!(event.key in arrows)) return;
    const [rise, run] = arrows[event.key];
    event.preventDefault();
    const place = Number(stage.getAttribute("aria-valuenow"));
    go(Math.floor(place / columns) + rise, (place % columns) + run);
  });
}
