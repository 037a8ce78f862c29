// Words of the glossary: on hover, on focus and on touch their definition stands below them, until
// Escape, or until hover and focus have gone elsewhere. Without a script they are links.
(() => {
  const GAP = 6;
  let shown = null;

  const tip = (word) => document.getElementById(word.getAttribute("aria-describedby"));

  function hide() {
    if (shown) tip(shown).hidden = true;
    shown = null;
  }

  function place() {
    if (!shown) return;
    const box = tip(shown);
    const line = shown.getClientRects()[0];
    const room = document.documentElement.clientWidth - box.offsetWidth - GAP;
    const below = line.bottom + GAP + box.offsetHeight < innerHeight;
    box.style.left = `${Math.max(GAP, Math.min(line.left, room))}px`;
    box.style.top = `${below ? line.bottom + GAP : line.top - GAP - box.offsetHeight}px`;
  }

  function show(word) {
    if (shown !== word) hide();
    shown = word;
    tip(word).hidden = false;
    place();
  }

  function arm(word) {
    const box = tip(word);
    let leaving;
    const stay = () => clearTimeout(leaving);
    const leave = () => {
      leaving = setTimeout(() => shown === word && document.activeElement !== word && hide(), 200);
    };
    for (const part of [word, box]) {
      part.addEventListener("mouseenter", () => (stay(), show(word)));
      part.addEventListener("mouseleave", leave);
    }
    word.addEventListener("focus", () => show(word));
    word.addEventListener("blur", leave);
    // A finger asks what a word means; a second touch, a click and Enter go to the glossary.
    let asked = false;
    word.addEventListener("pointerdown", ({ pointerType }) => {
      asked = pointerType === "touch" && shown !== word;
    });
    word.addEventListener("click", (event) => {
      if (!asked) return;
      event.preventDefault();
      asked = false;
      show(word);
    });
  }

  function start() {
    document.querySelectorAll("a.fc-word").forEach(arm);
    addEventListener("keydown", ({ key }) => key === "Escape" && hide());
    addEventListener("pointerdown", ({ target }) => {
      if (shown && target !== shown && !tip(shown).contains(target)) hide();
    });
    addEventListener("scroll", place, { passive: true });
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
