// A formula in x, read by a grammar of its own and evaluated by closures: what a reader or a link
// brings is never run as code.
//
//   choice  = either ["?" choice ":" choice]
//   either  = both {"||" both}          both    = compared {"&&" compared}
//   compared = sum [("<" | "<=" | ">" | ">=") sum]
//   sum     = product {("+" | "-") product}
//   product = signed {("*" | "/") signed}
//   signed  = ("-" | "+") signed | power
//   power   = primary ["^" signed]
//   primary = number | "x" | "pi" | "e" | "(" choice ")" | name "(" choice {"," choice} ")"

const LONGEST = 300;
const DEEPEST = 60;
const ALIKE = { "−": "-", "–": "-", "×": "*", "·": "*", "÷": "/", "≤": "<=", "≥": ">=", "**": "^" };
const TOKEN = /((?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)|([a-zπ][a-z_0-9]*)|(\*\*|<=|>=|&&|\|\||[-+*/^(),<>?:−–×·÷≤≥])/iy;

const sigmoid = (x) => 1 / (1 + Math.exp(-x));
const FUNCTIONS = {
  exp: Math.exp, log: Math.log, sqrt: Math.sqrt, tanh: Math.tanh, sin: Math.sin, cos: Math.cos, atan: Math.atan,
  abs: Math.abs, sign: Math.sign, relu: (x) => Math.max(x, 0), sigmoid, silu: (x) => x * sigmoid(x),
  erf: (x) => erf(x), gelu: (x) => (x / 2) * (1 + erf(x * Math.SQRT1_2)),
  softplus: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
  elu: (x) => (x > 0 ? x : Math.expm1(x)),
  max: Math.max, min: Math.min,
};
const BENT = ["abs", "sign", "relu", "elu"]; // where their argument changes its sign
const CONSTANTS = { pi: Math.PI, e: Math.E };

class FormulaError extends Error {
  constructor(message, at, length = 1) {
    super(message);
    Object.assign(this, { at, length });
  }
}

// What a formula says: `value` of x; `turns`, functions that change their sign where it may have
// a kink or jump; `tree`, to find who is to blame where it has no value.
function readFormula(text) {
  const tokens = tokensOf(text);
  const turns = [];
  let next = 0;
  let depth = 0;
  const peek = () => tokens[next];
  const take = (...kinds) => (kinds.includes(peek().kind) ? tokens[next++] : null);
  const until = (start) => tokens[next - 1].end - start.at;
  const node = (start, op, parts, value) => ({ at: start.at, length: until(start), op, parts, value });
  const fail = (message, { at, end } = peek()) => {
    throw new FormulaError(message, at, Math.max(1, end - at));
  };
  const number = (part) => {
    if (part.op === "condition") fail("This is a condition, not a number. Write condition ? number : number, such as x > 0 ? x : 0.", { at: part.at, end: part.at + part.length });
    return part;
  };
  const condition = (part) => {
    if (part.op !== "condition") fail("This must be a condition, such as x > 0.", { at: part.at, end: part.at + part.length });
    return part;
  };

  function choice() {
    if (++depth > DEEPEST) fail(`There are more than ${DEEPEST} brackets or signs within each other here.`);
    const start = peek();
    const first = either();
    depth -= 1;
    if (!take("?")) return first;
    condition(first);
    const yes = number(choice());
    if (!take(":")) fail("A “:” must follow, and what holds otherwise: condition ? number : number.");
    const no = number(choice());
    const { value: holds } = first;
    return node(start, "choice", [first, yes, no], (x) => (holds(x) ? yes.value(x) : no.value(x)));
  }

  function joined(kind, below, join) {
    const start = peek();
    let left = below();
    while (take(kind)) {
      const [a, b] = [condition(left).value, condition(below()).value];
      left = node(start, "condition", [], join(a, b));
    }
    return left;
  }
  const either = () => joined("||", both, (a, b) => (x) => a(x) || b(x));
  const both = () => joined("&&", compared, (a, b) => (x) => a(x) && b(x));

  function compared() {
    const start = peek();
    const left = sum();
    const sign = take("<", "<=", ">", ">=");
    if (!sign) return left;
    const [a, b] = [number(left).value, number(sum()).value];
    turns.push((x) => a(x) - b(x));
    const holds = { "<": (x) => a(x) < b(x), "<=": (x) => a(x) <= b(x), ">": (x) => a(x) > b(x), ">=": (x) => a(x) >= b(x) };
    return node(start, "condition", [], holds[sign.kind]);
  }

  function chain(below, operations) {
    const start = peek();
    let left = below();
    for (let sign; (sign = take(...Object.keys(operations))); ) {
      const parts = [number(left), number(below())];
      left = node(start, sign.kind, parts, operations[sign.kind](parts[0].value, parts[1].value));
    }
    return left;
  }
  const sum = () => chain(product, { "+": (a, b) => (x) => a(x) + b(x), "-": (a, b) => (x) => a(x) - b(x) });
  const product = () => chain(signed, { "*": (a, b) => (x) => a(x) * b(x), "/": (a, b) => (x) => a(x) / b(x) });

  function signed() {
    const sign = take("-", "+");
    if (!sign) return power();
    if (++depth > DEEPEST) fail(`There are more than ${DEEPEST} brackets or signs within each other here.`, sign);
    const part = number(signed());
    depth -= 1;
    return sign.kind === "+" ? part : node(sign, "negative", [part], (x) => -part.value(x));
  }

  function power() {
    const start = peek();
    const base = primary();
    if (!take("^")) return base;
    const parts = [number(base), number(signed())];
    const [a, b] = parts.map((part) => part.value);
    return node(start, "^", parts, (x) => a(x) ** b(x));
  }

  function primary() {
    const start = peek();
    const written = take("number");
    if (written) return literal(written);
    if (take("(")) {
      const part = choice();
      close(start);
      return { ...part, at: start.at, length: until(start) };
    }
    const name = take("name");
    if (!name) return fail(start.kind === "end" ? "The formula ends too early: a number, x or a function must follow." : `“${start.text}” cannot stand here: a number, x, a function or a bracket must.`);
    const word = name.text === "π" ? "pi" : name.text.toLowerCase();
    if (word === "x") return node(start, "x", [], (x) => x);
    if (Object.hasOwn(CONSTANTS, word)) return node(start, "number", [], () => CONSTANTS[word]);
    if (!Object.hasOwn(FUNCTIONS, word)) fail(unknown(word), name);
    return call(name, word);
  }

  function literal({ at, end, text: digits }) {
    const value = Number(digits);
    if (!Number.isFinite(value)) fail(`${digits} is larger than numbers go.`, { at, end });
    return node({ at }, "number", [], () => value);
  }

  function call(name, word) {
    if (!take("(")) fail(`${word} needs its argument in brackets: ${word}(x).`, name);
    const opened = tokens[next - 1];
    const parts = [];
    do parts.push(number(choice())); while (take(","));
    close(opened);
    const many = word === "max" || word === "min";
    if (many && parts.length < 2) fail(`${word} takes two numbers or more: ${word}(x, 0).`, name);
    if (!many && parts.length > 1) fail(`${word} takes one number; there are ${parts.length}.`, name);
    const values = parts.map((part) => part.value);
    const f = FUNCTIONS[word];
    if (BENT.includes(word)) turns.push(values[0]);
    for (const [k, a] of many ? values.entries() : []) {
      for (const b of values.slice(0, k)) turns.push((x) => a(x) - b(x));
    }
    return node(name, word, parts, many ? (x) => f(...values.map((a) => a(x))) : (x) => f(values[0](x)));
  }

  function close(opened) {
    if (!take(")")) fail(peek().kind === "end" ? "This bracket is never closed." : "A “)” is missing before this, or a sign such as * or +.", peek().kind === "end" ? opened : peek());
  }

  const tree = number(choice());
  if (peek().kind !== "end") {
    const { text: extra } = peek();
    const times = /[\p{L}\d(]/u.test(extra[0]);
    fail(times ? `A sign is missing before “${extra}”: write * to multiply.` : `“${extra}” cannot stand here.`);
  }
  return { value: tree.value, turns, tree };
}

function tokensOf(text) {
  if (text.length > LONGEST) throw new FormulaError(`The formula has ${text.length} characters; ${LONGEST} are read.`, LONGEST, text.length - LONGEST);
  const tokens = [];
  for (let at = 0; at < text.length; ) {
    if (/\s/.test(text[at])) { at += 1; continue; }
    TOKEN.lastIndex = at;
    const found = TOKEN.exec(text);
    if (!found) {
      const odd = String.fromCodePoint(text.codePointAt(at));
      const raised = "²³".indexOf(odd);
      throw new FormulaError(raised >= 0 ? `Write ^${raised + 2} for ${odd}.` : `“${odd}” is no part of a formula here.`, at, odd.length);
    }
    const [whole, number, name, sign] = found;
    const end = at + whole.length;
    tokens.push({ at, end, text: whole, kind: number ? "number" : name ? "name" : ALIKE[sign] ?? sign });
    at = end;
  }
  if (!tokens.length) throw new FormulaError("Type a formula in x, such as max(x, 0).", 0, 0);
  tokens.push({ at: text.trimEnd().length, end: text.trimEnd().length + 1, text: "", kind: "end" });
  return tokens;
}

function unknown(word) {
  const known = ["x", ...Object.keys(CONSTANTS), ...Object.keys(FUNCTIONS)];
  const [near] = known.filter((name) => name.length > 1 && distance(name, word) <= word.length / 2)
    .toSorted((a, b) => distance(a, word) - distance(b, word));
  return `“${word}” is not known.${near ? ` Did you mean ${near}?` : ""} There are ${known.join(", ")}.`;
}

// Letters to change, add or leave out.
function distance(a, b) {
  let row = Array.from({ length: b.length + 1 }, (_, k) => k);
  for (let i = 1; i <= a.length; i++) {
    row = row.reduce((line, above, j) => {
      line.push(j ? Math.min(above + 1, line[j - 1] + 1, row[j - 1] + (a[i - 1] !== b[j - 1])) : i);
      return line;
    }, []);
  }
  return row[b.length];
}

// Refuse what has no Gaussian moments: as activations._check_growth does.
function checkValues({ value, tree }, text) {
  const mass = [];
  for (let k = 0; k <= 1300; k++) {
    for (const x of [k / 100, -k / 100]) {
      if (!Number.isFinite(value(x))) throw noValue(tree, x);
      mass.push(value(x) ** 2 * Math.exp((-x * x) / 2));
    }
  }
  const most = mass.reduce((a, b) => Math.max(a, b), 0);
  if (!Number.isFinite(most) || Math.max(...mass.slice(-2)) > 1e-8 * most) {
    throw new FormulaError("This grows too fast for Gaussian inputs: it must stay below exp(x^2/4).", 0, text.length);
  }
}

function noValue(tree, x) {
  const part = culprit(tree, x);
  const why = {
    "/": "This divides by 0", log: "This is the logarithm of 0 or less", sqrt: "This is the root of a negative number",
    "^": "This power has no value, or one that is too large,",
  }[part.op] ?? "This is too large a number";
  return new FormulaError(`${why} at x = ${tickText(x)}.`, part.at, part.length);
}

// The innermost part that has no value although all within it have one.
function culprit(part, x) {
  const [first, yes, no] = part.parts;
  const looked = part.op === "choice" ? [first.value(x) ? yes : no] : part.parts;
  const inner = looked.find((one) => !Number.isFinite(one.value(x)));
  return inner ? culprit(inner, x) : part;
}

// Where functions change their sign in (-8, 8), to the last bit; beyond it nothing weighs.
function turningPoints(turns) {
  const found = [];
  for (const turn of turns) {
    const sign = (x) => Math.sign(turn(x));
    for (let k = -512; k < 512; k++) {
      let [low, high] = [k / 64, (k + 1) / 64];
      const before = sign(low);
      if (before === sign(high) || Number.isNaN(before) || Number.isNaN(sign(high))) continue;
      for (let middle; (middle = (low + high) / 2) > low && middle < high; ) {
        if (sign(middle) === before) low = middle;
        else high = middle;
      }
      found.push(turn(low) === 0 ? low : high);
    }
  }
  return distinct(found);
}

function distinct(points, apart = 1e-9) {
  return points.toSorted((a, b) => a - b).filter((x, k, all) => k === 0 || x - all[k - 1] > apart);
}

// Panels on which the formula, and its mirror image, is a polynomial to rounding: what the package
// calls a Mesh, and the formula's values at its nodes.
function meshOf({ value, turns }, text, { panels, nodes, kinks: most, radius }) {
  const place = Float64Array.from({ length: nodes }, (_, k) => -Math.cos((Math.PI * (k + 0.5)) / nodes));
  const values = (left, width) => Array.from(place, (t) => value(left + (width * (1 + t)) / 2));
  const weight = (x) => Math.exp((-x * x) / 4);
  const size = Math.max(...Array.from({ length: 321 }, (_, k) => Math.abs(value(k / 20 - 8)) * weight(k / 20 - 8)));
  const blame = (message) => new FormulaError(message, 0, text.length);
  const rough = (left, width) => {
    const least = weight(Math.min(Math.abs(left), Math.abs(left + width)));
    const series = seriesOf(values(left, width));
    return series.slice(-4).some((c) => Math.abs(c) * least > 1e-11 * size);
  };
  let kinks = turningPoints(turns);
  for (let pass = 0; ; pass++) {
    const even = Array.from({ length: 2 * radius + 1 }, (_, k) => k / 2);
    const borders = distinct([...even, ...kinks.map(Math.abs)], 1e-12);
    const [done, hidden] = [[], []];
    const waiting = borders.slice(1).map((right, k) => [borders[k], right - borders[k]]);
    while (waiting.length) {
      const [left, width] = waiting.pop();
      const sides = [left, -left - width].filter((side) => rough(side, width));
      if (!sides.length || left > 8) done.push([left, width]);
      else if (width < 2 ** -40) hidden.push(...sides.map((side) => side + width / 2));
      else waiting.push([left, 0.47 * width], [left + 0.47 * width, 0.53 * width]);
      if (done.length > 2000) throw blame("This wiggles too fast to be followed here.");
    }
    const bent = done.flatMap(([left]) => [left, -left]).filter((x) => !kinks.some((c) => Math.abs(c - x) < 1e-9) && bends(x));
    const more = distinct([...hidden, ...bent], 1e-8).filter((x) => !kinks.some((c) => Math.abs(c - x) < 1e-8));
    if (hidden.length > 0 && (pass > 1 || !more.length)) throw blame(`This has no bounded slope near x = ${tickText(Number(hidden[0].toFixed(6)), 3)}.`);
    if (more.length && pass < 4) { kinks = distinct([...kinks, ...more]); continue; }
    kinks = kinks.filter(bends);
    if (kinks.length > most) throw blame(`This has ${kinks.length} kinks; ${most} can be followed here.`);
    if (2 * done.length > panels) throw blame("This has details too fine to be followed here, or kinks that lie too near each other.");
    return sampledOn(done);
  }

  // Whether the first derivatives differ on both sides, beyond rounding.
  function bends(x) {
    const width = 1 / 64;
    const sides = [seriesOf(values(x - width, width)), seriesOf(values(x, width))];
    return [0, 1, 2].some((order) => {
      const [left, right] = sides.map((series, side) => endOf(series, order, side ? -1 : 1));
      const bound = [1e-11, 1e-9, 1e-7][order] * (size + Math.abs(left) + Math.abs(right));
      return Math.abs(left - right) * weight(x) > bound;
    });
  }

  function sampledOn(done) {
    const right = done.toSorted((a, b) => a[0] - b[0]);
    const empty = panels / 2 - right.length;
    const pad = (x) => Array.from({ length: empty }, () => [x, 0]);
    const all = [...pad(-radius), ...right.toReversed().map(([left, width]) => [-left - width, width]), ...right, ...pad(radius)];
    const padded = (list, rest) => Float64Array.from({ length: most }, (_, k) => list[k] ?? rest);
    const begins = (c) => all.findIndex(([left, width]) => width > 0 && Math.abs(left - c) < 1e-9);
    return [
      Float64Array.from(all.flatMap(([left, width]) => values(left, width))),
      Float64Array.from(all, ([left]) => left), Float64Array.from(all, ([, width]) => width),
      kinks.length, padded(kinks, 0), padded(kinks.map(begins), -1),
    ];
  }
}

// In Chebyshev polynomials, from values at their nodes, the first on the left.
function seriesOf(values) {
  const n = values.length;
  return values.map((_, k) => {
    const sum = values.reduce((a, f, j) => a + f * Math.cos((Math.PI * k * (n - 1 - j + 0.5)) / n), 0);
    return ((k ? 2 : 1) * sum) / n;
  });
}

// A derivative at the right end (side 1) or the left one (-1), on the interval [-1, 1].
function endOf(series, order, side) {
  const rise = [(k) => 1, (k) => k * k, (k) => (k * k * (k * k - 1)) / 3][order];
  return series.reduce((sum, c, k) => sum + c * rise(k) * side ** (k + order), 0);
}
