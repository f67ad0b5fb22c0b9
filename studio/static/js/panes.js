/* Panes that can be resized by mouse and by arrow keys; sizes are remembered by this browser. */

const least = 180;

function remembered(name) {
  try {
    return Number(localStorage.getItem(`pane:${name}`)) || 0;
  } catch {
    return 0; // storage is switched off
  }
}

function remember(name, size) {
  try {
    localStorage.setItem(`pane:${name}`, String(Math.round(size)));
  } catch {
    // storage is switched off: the size lasts as long as the page
  }
}

/** Makes every `.splitter` resize the custom property it names, in pixels. */
export function splitters(root = document) {
  const style = document.documentElement.style;
  for (const bar of root.querySelectorAll(".splitter")) {
    const { name, from, min = String(least), start } = bar.dataset;
    const upright = bar.getAttribute("aria-orientation") === "vertical";
    const area = bar.parentElement;
    const room = () => (upright ? area.clientWidth : area.clientHeight);
    let size = remembered(name) || Number(start);
    const put = (value) => {
      size = Math.max(Number(min), Math.min(value, Math.max(Number(min), room() * 0.62)));
      style.setProperty(`--${name}`, `${size}px`);
      bar.setAttribute("aria-valuenow", String(Math.round(size)));
      bar.setAttribute("aria-valuemin", min);
      bar.setAttribute("aria-valuemax", String(Math.round(room() * 0.62)));
    };
    put(size);
    window.addEventListener("resize", () => put(size));
    bar.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      bar.setPointerCapture(event.pointerId);
      const move = (e) => {
        const box = area.getBoundingClientRect();
        const at = upright ? e.clientX - box.left : e.clientY - box.top;
        put(from === "end" ? room() - at : at);
      };
      bar.addEventListener("pointermove", move);
      bar.addEventListener("pointerup", () => (bar.removeEventListener("pointermove", move), remember(name, size)), { once: true });
    });
    bar.addEventListener("keydown", (event) => {
      const way = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
      if (!way) return;
      event.preventDefault();
      event.stopPropagation();
      put(size + (from === "end" ? -way : way) * 24);
      remember(name, size);
    });
  }
}
