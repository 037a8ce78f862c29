// Arrow keys, Page Up and Down turn slides; what has the focus keeps its own keys.
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const dress = () => (document.documentElement.dataset.theme = dark.matches ? "dark" : "light");
  dress();
  dark.addEventListener("change", dress);

  const STEPS = { ArrowRight: 1, ArrowDown: 1, PageDown: 1, " ": 1, ArrowLeft: -1, ArrowUp: -1, PageUp: -1 };
  addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.target.closest("a, button, input, select, summary, svg, canvas, [tabindex]")) return;
    const slides = [...document.querySelectorAll("main > section")];
    const here = slides.findIndex((slide) => slide.getBoundingClientRect().bottom > innerHeight / 2);
    const ends = { Home: 0, End: slides.length - 1 };
    const next = ends[event.key] ?? here + STEPS[event.key];
    if (!slides[next]) return;
    event.preventDefault();
    slides[next].scrollIntoView();
  });
})();
