// The first picture of the course, moved by its slider and, once it is seen, by itself.
(() => {
  const BEAT = 110; // milliseconds a layer

  function outline(angles, radii) {
    const half = angles.map((angle, i) => [(angle * Math.PI) / 180, radii[i]]);
    const turned = [...half, ...half.slice(0, -1).reverse().map(([angle, size]) => [-angle, size])];
    const point = ([angle, size]) => `${(size * Math.sin(angle)).toFixed(0)} ${(-size * Math.cos(angle)).toFixed(0)}`;
    return `M${turned.map(point).join("L")}Z`;
  }

  function start(box) {
    const { angles, shapes } = JSON.parse(box.dataset.opening);
    const [row, button, slider, shown] = ["p", "button", "input", "output"].map((one) => box.querySelector(one));
    let clock;

    function draw(depth) {
      slider.value = shown.textContent = depth;
      for (const [name, radii] of Object.entries(shapes))
        box.querySelector(`path.fc-${name}`).setAttribute("d", outline(angles, radii[depth - 1]));
    }

    function stop() {
      clearInterval(clock);
      clock = undefined;
      button.setAttribute("aria-label", "Play");
    }

    function play() {
      if (Number(slider.value) === Number(slider.max)) draw(1);
      button.setAttribute("aria-label", "Pause");
      clock = setInterval(() => {
        if (Number(slider.value) < Number(slider.max)) draw(Number(slider.value) + 1);
        else stop();
      }, BEAT);
    }

    row.hidden = false;
    slider.addEventListener("input", () => (stop(), draw(Number(slider.value))));
    button.addEventListener("click", () => (clock ? stop() : play()));
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    draw(1);
    new IntersectionObserver((seen, watch) => {
      if (!seen.some((one) => one.isIntersecting)) return;
      watch.disconnect();
      play();
    }).observe(box);
  }

  const all = () => document.querySelectorAll(".fc-opening").forEach(start);
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", all);
  else all();
})();
