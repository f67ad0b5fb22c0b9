/* Light and dark: as the system has it, or as was chosen here. */

const root = document.documentElement;

function chosen() {
  try {
    return localStorage.getItem("theme") ?? "";
  } catch {
    return "";
  }
}

export const isDark = () =>
  root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;

export function begin() {
  if (chosen()) root.dataset.theme = chosen();
}

export function toggle() {
  root.dataset.theme = isDark() ? "light" : "dark";
  try {
    localStorage.setItem("theme", root.dataset.theme);
  } catch {
    // storage is switched off: the choice lasts as long as the page
  }
}
