// Arrow keys, Page Up and Down turn slides; a slider that has the focus keeps its arrow keys.
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const dress = () => (document.documentElement.dataset.theme = dark.matches ? "dark" : "light");
  dress();
  dark.addEventListener("change", dress);

  const STEPS = { PageDown: 1, ArrowRight: 1, ArrowDown: 1, " ": 1, PageUp: -1, ArrowLeft: -1, ArrowUp: -1 };
  addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "Escape") document.activeElement.blur();
    const presenter = event.key.startsWith("Page"); // the keys of a presenter turn from anywhere
    if (!presenter && event.target.closest("a, button, input, select, summary, svg, canvas, [tabindex]")) return;
    const slides = [...document.querySelectorAll("main > section")];
    const here = slides.findIndex((slide) => slide.getBoundingClientRect().bottom > innerHeight / 2);
    const { top, bottom } = slides[here].getBoundingClientRect();
    const step = STEPS[event.key];
    const more = step > 0 ? bottom > innerHeight + 2 : top < -2;
    if (step && more && bottom - top > innerHeight + 2) return; // a tall one scrolls first
    const ends = { Home: 0, End: slides.length - 1 };
    const next = ends[event.key] ?? here + step;
    if (!slides[next]) return;
    event.preventDefault();
    slides[next].scrollIntoView();
  });

  // An explorer that is a little too tall shrinks until its slide fits; phones scroll.
  const SMALLEST = 0.6;
  function fit(slide) {
    const explorer = slide.querySelector(".fc-explorer");
    if (!explorer || innerWidth < 900) return;
    explorer.style.zoom = 1;
    for (let turn = 0; turn < 4 && slide.offsetHeight > innerHeight + 1; turn++) {
      const room = explorer.getBoundingClientRect().height - slide.offsetHeight + innerHeight;
      const share = room / explorer.getBoundingClientRect().height;
      explorer.style.zoom = Math.max(SMALLEST, explorer.style.zoom * share);
    }
  }
  let waiting;
  const later = () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => document.querySelectorAll("main > section.figure").forEach(fit), 200);
  };
  addEventListener("resize", later);
  addEventListener("DOMContentLoaded", () => new ResizeObserver(later).observe(document.querySelector("main")));

  // Printed, a slide is a page of the size of this window, on white.
  const sheet = document.createElement("style");
  addEventListener("beforeprint", () => {
    sheet.textContent = `@page { size: ${innerWidth}px ${innerHeight}px; margin: 0; }`;
    document.head.append(sheet);
    document.documentElement.dataset.theme = "light";
  });
  addEventListener("afterprint", dress);
})();
