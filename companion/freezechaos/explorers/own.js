// The reader's own activation: explorer.js, with results that are computed as they are asked for.

export default { render: (given) => render(given, openOwn) };

let erf = null; // comes with the program

// The first picture is the one that came with the page; the program is read when it is needed.
function openOwn(model, spec, grid, redraw) {
  const known = new Map();
  let program;
  let waiting;
  let good;

  async function load() {
    const packed = new Blob([model.get("program")]).stream();
    const source = await new Response(packed.pipeThrough(new DecompressionStream("deflate"))).text();
    const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    ({ default: program } = await import(url));
    URL.revokeObjectURL(url);
    erf = (x) => program.erf(x)[0][0];
    redraw();
  }

  function understood(text) {
    if (!known.has(text)) {
      if (known.size > 20) known.clear();
      known.set(text, understand(text, program));
    }
    return known.get(text);
  }

  return (setting) => {
    const untouched = spec.axes.every(({ name, start }) => setting[name] === start);
    if (!program && !untouched) waiting ??= load();
    if (!program || untouched) return lookAt(spec, grid, program || untouched ? setting : startOf(spec));
    const { problem, seen } = understood(setting.formula);
    if (!problem) good = setting.formula;
    const formula = good ?? spec.axes[0].start;
    const shown = problem ? understood(formula).seen : seen;
    const results = program.drawn(...shown.arrays, shown.values, program.forms[setting.form], setting.beta, setting.depth);
    const outputs = Object.fromEntries(program.names.map((name, k) => [name, results[k]]));
    const words = { edge: edgeOf(outputs.moment[0], shown, program.edge) };
    return { ...lookAt(spec, grid, { ...setting, formula }, { ...outputs, words }), typed: setting.formula, problem };
  };
}

function startOf(spec) {
  return Object.fromEntries(spec.axes.map(({ name, start }) => [name, start]));
}

// What networks see of a formula, or what is wrong with it.
function understand(text, program) {
  try {
    const formula = readFormula(text);
    checkValues(formula, text);
    const mesh = meshOf(formula, text, program);
    const arrays = program.seen(...mesh);
    const [hermite, secondMoment] = arrays;
    if (!(secondMoment[0] - hermite[0] ** 2 > 1e-12 * secondMoment[0])) {
      throw new FormulaError("This is constant: a network of constants learns nothing.", 0, text.length);
    }
    const jumps = arrays.at(-1);
    const [count, kinks] = mesh.slice(3);
    const jumping = Array.from(kinks).filter((_, k) => k < count && jumps[k] !== 0);
    return { seen: { arrays, jumping, values: Float64Array.from(program.places, formula.value) } };
  } catch (problem) {
    if (problem instanceof FormulaError) return { problem };
    throw problem;
  }
}

function edgeOf(moment, { jumping }, width) {
  if (jumping.length) return `It jumps at x = ${jumping.map((x) => tickText(x, 3)).join(" and ")}, so no β leads to the edge.`;
  if (moment <= 1 + width) return "At every β > 0 it freezes.";
  return `The edge lies at β = ${Math.sqrt(1 - 1 / moment).toFixed(4)}.`;
}

function makeFormula(axis, turn) {
  const [id, noteId] = [unique(axis.name), unique("note")];
  const input = h("input", {
    type: "text", id, class: "fc-formula", spellcheck: "false", autocomplete: "off", autocapitalize: "off",
    "aria-describedby": noteId,
  });
  const note = h("p", { class: "fc-problem", id: noteId, "aria-live": "polite" });
  const examples = axis.examples.map((text) => button(text, () => turn({ [axis.name]: text }), { class: "fc-button fc-example", "aria-label": `example: ${text}` }));
  const settle = debounce(() => turn({ [axis.name]: input.value }), 150);
  input.addEventListener("input", settle);
  const element = h("div", { class: "fc-control fc-lead" },
    h("label", { for: id }, axis.label), h("div", { class: "fc-row" }, input), note,
    h("div", { class: "fc-examples", role: "group", "aria-label": "examples" }, ...examples));
  const draw = ({ setting, typed = setting[axis.name], problem }) => {
    if (input.value !== typed && document.activeElement !== input) input.value = typed;
    input.setAttribute("aria-invalid", Boolean(problem));
    note.replaceChildren(...(problem ? explained(typed, problem) : []));
  };
  return { element, draw, leads: true };
}

// The formula with what is wrong marked in it, and why.
function explained(text, { message, at, length }) {
  const [from, to] = [Math.max(0, at - 40), Math.min(text.length, at + length + 40)];
  const marked = text.slice(at, at + length) || " ";
  const cut = (part, here) => (here ? `…${part}` : part);
  return [
    h("code", {}, cut(text.slice(from, at), from > 0), h("mark", {}, marked.slice(0, 80)), text.slice(at + length, to)),
    ` ${message}`,
  ];
}
