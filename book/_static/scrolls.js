// What scrolls sideways fades at the edge behind which there is more (site.css).
(() => {
  const WIDE = ".bd-article mjx-container[display='true'], .bd-article .cell_output:has(> img)";

  // By keys too, as formulas are.
  function reach(box) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }

  function mark(box) {
    if (box.matches(".cell_output")) reach(box);
    box.classList.toggle("fc-more-before", box.scrollLeft > 1);
    box.classList.toggle("fc-more-after", box.scrollLeft + box.clientWidth < box.scrollWidth - 1);
  }

  function start() {
    const sizes = new ResizeObserver((found) => found.forEach(({ target }) => mark(target)));
    for (const box of document.querySelectorAll(WIDE)) {
      box.addEventListener("scroll", () => mark(box), { passive: true });
      sizes.observe(box);
      for (const image of box.querySelectorAll("img")) image.addEventListener("load", () => mark(box));
    }
  }

  // Formulas are boxes once MathJax has drawn them.
  addEventListener("load", () => (window.MathJax?.startup?.promise ?? Promise.resolve()).then(start));
})();
