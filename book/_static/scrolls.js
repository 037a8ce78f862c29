// What scrolls sideways fades at the edge behind which there is more (site.css).
(() => {
  const WIDE = ".bd-article mjx-container[display='true']";

  function mark(box) {
    box.classList.toggle("fc-more-before", box.scrollLeft > 1);
    box.classList.toggle("fc-more-after", box.scrollLeft + box.clientWidth < box.scrollWidth - 1);
  }

  function start() {
    const sizes = new ResizeObserver((found) => found.forEach(({ target }) => mark(target)));
    for (const box of document.querySelectorAll(WIDE)) {
      box.addEventListener("scroll", () => mark(box), { passive: true });
      sizes.observe(box);
    }
  }

  // Formulas are boxes once MathJax has drawn them.
  addEventListener("load", () => (window.MathJax?.startup?.promise ?? Promise.resolve()).then(start));
})();
