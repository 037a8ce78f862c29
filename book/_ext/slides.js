// Arrow keys, Page Up and Down turn slides; a slider that has the focus keeps its arrow keys.
// The key s opens the speaker's notes in a window of their own, n shows them below the slides.
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const dress = () => (document.documentElement.dataset.theme = dark.matches ? "dark" : "light");
  dress();
  dark.addEventListener("change", dress);

  const STEPS = { PageDown: 1, ArrowRight: 1, ArrowDown: 1, " ": 1, PageUp: -1, ArrowLeft: -1, ArrowUp: -1 };
  const all = () => [...document.querySelectorAll("main > section")];
  const current = (slides) => slides.findIndex((slide) => slide.getBoundingClientRect().bottom > innerHeight / 2);

  function turn(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "Escape") document.activeElement.blur();
    const presenter = event.key.startsWith("Page"); // the keys of a presenter turn from anywhere
    if (!presenter && event.target.closest?.("a, button, input, select, summary, svg, canvas, [tabindex]")) return;
    if (event.key === "s") return void speak();
    if (event.key === "n") return void document.documentElement.classList.toggle("with-notes");
    const slides = all();
    const here = current(slides);
    const { top, bottom } = slides[here].getBoundingClientRect();
    const step = STEPS[event.key];
    const more = step > 0 ? bottom > innerHeight + 2 : top < -2;
    if (step && more && bottom - top > innerHeight + 2) return; // a tall one scrolls first
    const ends = { Home: 0, End: slides.length - 1 };
    const next = ends[event.key] ?? here + step;
    if (!slides[next]) return;
    event.preventDefault();
    slides[next].scrollIntoView();
  }
  addEventListener("keydown", turn);

  // The speaker's window: what the chapter says here, what comes next, the time.
  let desk = null;
  function speak() {
    if (desk && !desk.closed) return void desk.close();
    desk = open("", "notes", "popup,width=780,height=640");
    if (!desk) return void document.documentElement.classList.toggle("with-notes"); // not allowed
    const page = desk.document;
    const base = Object.assign(page.createElement("base"), { href: document.baseURI });
    page.head.replaceChildren(base, ...[...document.querySelectorAll("style, link[rel=stylesheet]")].map((s) => page.importNode(s, true)));
    page.documentElement.lang = "en";
    page.documentElement.dataset.theme = document.documentElement.dataset.theme;
    page.title = `Notes: ${document.title}`;
    page.body.className = "desk";
    desk.addEventListener("keydown", turn);
    told();
  }
  function told() {
    if (!desk || desk.closed) return;
    const slides = all();
    const here = current(slides);
    const page = desk.document;
    const part = (name, html) => Object.assign(page.createElement(name), { innerHTML: html });
    const head = (slide) => slide?.querySelector("h1, h2").innerHTML ?? "the end";
    const time = new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    const notes = slides[here].querySelector(".notes")?.innerHTML ?? "";
    const answer = slides[here].querySelector("details")?.innerHTML ?? "";
    page.body.replaceChildren(
      part("p", `${here + 1} of ${slides.length} · ${time}`),
      part("h1", head(slides[here])),
      part("div", answer.replace(/<summary.*?<\/summary>/s, "") + notes),
      part("p", `Next: ${head(slides[here + 1])}`),
    );
  }
  let telling;
  addEventListener("scroll", () => {
    clearTimeout(telling);
    telling = setTimeout(told, 150);
  });
  addEventListener("pagehide", () => desk?.close());

  // Predict first, with a hall: votes beside the options, typed in, become bars.
  function count(list) {
    const votes = [...list.querySelectorAll(".tally")];
    const sum = votes.reduce((all, { value }) => all + Math.max(0, Number(value)), 0);
    for (const vote of votes) {
      const share = sum && vote.value ? Math.max(0, Number(vote.value)) / sum : 0;
      vote.parentElement.style.setProperty("--share", `${100 * share}%`);
      vote.nextElementSibling.value = sum ? `${Math.round(100 * share)} %` : "";
    }
  }
  addEventListener("load", () => {
    for (const list of document.querySelectorAll("section.question .fc-predict")) {
      [...list.children].forEach((option, k) => {
        const vote = Object.assign(document.createElement("input"), {
          type: "number", min: 0, inputMode: "numeric", className: "tally", placeholder: "votes",
          ariaLabel: `Votes for option ${k + 1}`,
        });
        option.append(vote, document.createElement("output"));
      });
      list.addEventListener("input", () => count(list));
    }
  });

  // An explorer is as large as its slide allows, and words shrink until theirs fits; phones scroll.
  // An explorer draws itself anew a frame after its size has changed: so every size is waited for.
  const drawn = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const tooTall = (slide) => slide.offsetHeight > innerHeight + 1;
  async function fit(slide) {
    const explorer = slide.querySelector(".fc-explorer");
    const state = `${innerWidth} ${innerHeight} ${Boolean(explorer)}`;
    if (slide.dataset.fitted === state && !tooTall(slide)) return;
    const set = explorer
      ? (size) => (explorer.style.zoom = size)
      : (size) => (slide.style.fontSize = size === 1 ? "" : `${size}em`);
    const [largest, smallest] = explorer ? [1.6, 0.6] : [1, 0.78];
    set(1);
    if (innerWidth >= 900) {
      for (let size = largest; size >= smallest; size -= 0.04) {
        set(Number(size.toFixed(2)));
        if (explorer) await drawn();
        if (!tooTall(slide)) break;
      }
    }
    slide.dataset.fitted = state;
  }
  let waiting;
  let fitting = Promise.resolve();
  const later = () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => (fitting = fitting.then(async () => {
      for (const slide of all()) await fit(slide);
    })), 200);
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
