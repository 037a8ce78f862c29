
// What a live figure adds: a worker runs the compiled functions, and what it sees stands in for
// the table. Nothing runs before the reader asks for it, nor while the page is hidden.
function makeEngine(spec, model, grid, drawSoon) {
  const { turns, turn: unit, gap, anew } = spec.live;
  let worker = null;
  let run = 0;
  let turn = null;
  let playing = false;
  let known = model.get("setting");
  const play = button("Play", () => go(!playing), { class: "fc-button fc-run" });
  const step = button(`Go ${unit}`, () => {
    go(false);
    send({ step: true });
  });
  const again = button("Start again", begin);
  const note = h("span", { class: "fc-pace", role: "status" });
  const element = h("div", { class: "fc-row" }, play, step, again, note);

  const label = () => {
    play.textContent = playing ? "Pause" : "Play";
    const done = turn === turns;
    for (const part of [play, step]) part.setAttribute("aria-disabled", done);
  };

  const say = (words) => {
    waiting.cancel();
    if (note.textContent !== words) note.textContent = words;
  };
  const fail = () => say("This browser could not run the computation.");
  const waiting = debounce(() => (note.textContent = "Computing…"), 500);

  const saw = ({ data }) => {
    if (data.run !== run) return;
    turn = data.turn;
    grid.live = data.seen;
    playing &&= turn < turns;
    const seconds = data.pace / 1000;
    const slow = seconds > 0.5 && turn < turns;
    const words = slow ? `This device takes ${format(seconds, ".1f")} s for ${unit}: set less for more speed.` : "";
    say(words);
    label();
    drawSoon();
  };

  async function hired() {
    const packed = Uint8Array.from(atob(spec.live.code), (letter) => letter.charCodeAt(0));
    const programs = await inflated(packed).text();
    const code = [`const programs=${programs};`, `(${serve})(${JSON.stringify(spec.live.names)})`];
    const worker = new Worker(URL.createObjectURL(new Blob(code, { type: "text/javascript" })));
    worker.onmessage = saw;
    worker.onerror = fail;
    return worker;
  }

  function send(message) {
    const chosen = model.get("setting");
    const program = spec.live.static.map((name) => chosen[name]).join();
    const number = (axis) => (axis.options ? positionOf(axis, chosen[axis.name]) : chosen[axis.name]);
    const setting = Object.fromEntries(spec.axes.map((axis) => [axis.name, number(axis)]));
    const whole = { run, turns, gap, setting, program, begin: turn === null, playing: playing && !document.hidden, ...message };
    worker ??= hired();
    worker.then((worker) => worker.postMessage(whole)).catch(fail);
    if (turn === null || message.step) waiting();
    turn ??= 0;
  }

  function begin() {
    run += 1;
    turn = null;
    send({});
    label();
  }

  function go(on) {
    if (turn === turns) return;
    if (turn === null) run += 1;
    playing = on;
    send({});
    label();
  }

  function heed() {
    const setting = model.get("setting");
    const changed = spec.axes.map(({ name }) => name).filter((name) => setting[name] !== known[name]);
    known = setting;
    if (turn === null ? changed.length : changed.some((name) => anew.includes(name))) begin();
    else if (changed.length) send({});
  }

  const look = () => worker && send({});
  document.addEventListener("visibilitychange", look);
  model.on("change:setting", heed);
  const stop = () => {
    document.removeEventListener("visibilitychange", look);
    model.off("change:setting", heed);
    worker?.then((worker) => worker.terminate());
  };
  label();
  return { element, stop };
}

// The worker's own script; it is sent there as text.
function serve(names) {
  let run, named, program, state, setting, turns, gap;
  let [turn, pace, playing, waiting] = [0, 0, false, false];
  const given = (part) => names[part].map((name) => setting[name]);

  function advance() {
    const start = performance.now();
    state = program.advance(...state, ...given("advance"));
    pace = performance.now() - start;
    turn += 1;
  }

  function tell() {
    const values = program.look(...state);
    const seen = Object.fromEntries(names.look.map((name, k) => [name, values[k]]));
    postMessage({ run, turn, pace, seen });
  }

  function go() {
    waiting = false;
    if (!playing || turn >= turns) return;
    const until = performance.now() + (gap ? 0 : 40);
    do advance(); while (turn < turns && performance.now() < until);
    tell();
    wait();
  }

  function wait() {
    if (!waiting) setTimeout(go, Math.max(10, gap - pace));
    waiting = true;
  }

  onmessage = ({ data }) => {
    ({ run, setting, turns, gap, playing } = data);
    if (named !== data.program) program = programs((named = data.program));
    if (data.begin) {
      state = program.begin(...given("begin"));
      [turn, pace] = [0, 0];
    }
    if (data.step && turn < turns) advance();
    if (data.begin || data.step) tell();
    wait();
  };
}
