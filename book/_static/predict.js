// Predict first: the options of a question become buttons, and what happens is told once one of
// them is chosen. Without a script they are a list, and the answer unfolds by hand.
(() => {
  function button(option) {
    const element = Object.assign(document.createElement("button"), { type: "button" });
    element.setAttribute("aria-pressed", "false");
    const words = option.querySelector(":scope > p") ?? option;
    element.append(...words.childNodes);
    option.replaceChildren(element);
    return element;
  }

  function arm(box) {
    const list = box.querySelector(":scope > ul");
    const answer = box.querySelector(":scope > details");
    if (!list || !answer) return;
    list.className = "fc-predict";
    answer.hidden = true;
    list.addEventListener("click", ({ target }) => {
      const chosen = target.closest("button");
      if (!chosen || list.classList.contains("fc-said")) return;
      chosen.setAttribute("aria-pressed", "true");
      list.classList.add("fc-said");
      answer.hidden = false;
      answer.open = true;
    });
    for (const option of list.children) button(option);
    answer.setAttribute("aria-live", "polite");
  }

  const start = () => document.querySelectorAll(".predict, section.question").forEach(arm);
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
