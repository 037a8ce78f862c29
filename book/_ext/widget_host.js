// Mounts top-level anywidgets on a static page, from the widget state that myst-nb embeds:
// no kernel, no module loader, no outside request. A classic script, and widget code comes
// through a Blob URL, because module files do not load from file://.
(() => {
  const STATE = "application/vnd.jupyter.widget-state+json";
  const VIEW = "application/vnd.jupyter.widget-view+json";
  const NEEDS_KERNEL = "This control needs a live kernel: open this page in JupyterLab or Colab.";
  const modules = new Map();
  const styles = new Set();

  const scripts = (type) => [...document.querySelectorAll(`script[type="${type}"]`)];

  function bytes(base64) {
    return new DataView(Uint8Array.from(atob(base64), (char) => char.charCodeAt(0)).buffer);
  }

  // Puts each buffer back at its path, as the DataView that a live front end would give.
  function traits({ state, buffers = [] }) {
    for (const { path, data } of buffers) {
      const owner = path.slice(0, -1).reduce((part, key) => part[key], state);
      owner[path.at(-1)] = bytes(data);
    }
    return state;
  }

  // The part of a live model that a widget without a kernel can use.
  function model(state) {
    const listeners = new Map();
    const emit = (event, ...details) => [...(listeners.get(event) ?? [])].forEach((call) => call(...details));
    return {
      get: (name) => state[name],
      set(name, value) {
        if (state[name] === value) return;
        state[name] = value;
        emit(`change:${name}`, this, value);
        emit("change", this);
      },
      on: (event, call) => listeners.set(event, (listeners.get(event) ?? new Set()).add(call)),
      off: (event, call) => (call ? listeners.get(event)?.delete(call) : listeners.delete(event)),
      save_changes() {},
      send() {},
    };
  }

  function load(source) {
    if (!modules.has(source)) {
      const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
      modules.set(source, import(url).finally(() => URL.revokeObjectURL(url)));
    }
    return modules.get(source);
  }

  function dress(css) {
    if (!css || styles.has(css)) return;
    styles.add(css);
    document.head.append(Object.assign(document.createElement("style"), { textContent: css }));
  }

  async function wake(entry) {
    const state = traits(entry);
    dress(state._css);
    const { default: given } = await load(state._esm);
    const widget = typeof given === "function" ? await given() : given;
    const live = model(state);
    await widget.initialize?.({ model: live });
    return (el) => widget.render({ model: live, el });
  }

  // One model however often it is shown, so that its views move together.
  async function show(entry, el) {
    entry.render ??= wake(entry);
    await (await entry.render)(el);
  }

  function note(el, text) {
    el.className = "widget-note";
    el.setAttribute("role", "note");
    el.textContent = text;
  }

  // Resolves when the widget is drawn, or cannot be.
  async function mount(states, script) {
    const el = document.createElement("div");
    script.after(el);
    const entry = states[JSON.parse(script.textContent).model_id];
    if (entry?.model_module !== "anywidget") return note(el, NEEDS_KERNEL);
    await show(entry, el).catch((error) => {
      note(el, "This figure could not start in this browser.");
      console.error(error);
    });
  }

  // Formulas keep a browser busy for most of a second: they come after what moves.
  function putOffFormulas(drawn) {
    const { MathJax = {} } = window;
    const pageReady = () => drawn.then(() => window.MathJax.startup.defaultPageReady());
    window.MathJax = { ...MathJax, startup: { ...MathJax.startup, pageReady } };
  }

  function start() {
    const states = Object.assign({}, ...scripts(STATE).map((s) => JSON.parse(s.textContent).state));
    putOffFormulas(Promise.all(scripts(VIEW).map((script) => mount(states, script))));
  }

  // Interactive: all is parsed, and scripts that were put off, MathJax first of all, come after.
  if (document.readyState === "loading") document.addEventListener("readystatechange", start, { once: true });
  else start();
})();
