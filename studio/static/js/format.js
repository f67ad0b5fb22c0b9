/* Numbers as people read them. */

const plain = new Intl.NumberFormat("en");
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

/** 12345 -> 12,345; nothing -> a dash. */
export const count = (value) => (value === null || value === undefined ? "–" : plain.format(value));

/** 1234567 -> 1.2M. */
export const compact = (value) => (value === null || value === undefined ? "–" : value < 10_000 ? plain.format(value) : short.format(value));

/** A measured number with `digits` decimals; nothing -> a dash. */
export const fixed = (value, digits = 1) => (typeof value === "number" && Number.isFinite(value) ? value.toFixed(digits) : "–");

/** A number of the summaries in its unit; `signed`: a difference of two, of shares in points. One too small to show is told as such. */
export function measured(value, unit, signed = false) {
  if (typeof value !== "number" || !Number.isFinite(value)) return "–";
  const share = unit === "share";
  const digits = unit === "count" ? 0 : share ? 1 : unit === "bits" ? 4 : 2;
  const [size, least] = [Math.abs(share ? 100 * value : value), 10 ** -digits];
  const little = size > 0 && size < least / 2;
  const shown = little ? `< ${least.toFixed(digits)}` : size.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  const sign = little ? "" : value < 0 ? "−" : signed && value > 0 ? "+" : "";
  return `${sign}${unit === "usd" ? "$" : ""}${shown}${share ? (signed ? " pp" : " %") : unit === "seconds" ? " s" : ""}`;
}

/** US dollars; null is a price that nobody knows. */
export function money(value) {
  if (value === null || value === undefined) return "–";
  return value === 0 ? "$0" : `$${value.toFixed(value < 0.01 ? 5 : value < 1 ? 4 : 2)}`;
}

/** Bytes in the unit that fits. */
export function bytes(value) {
  if (value < 1024) return `${value} B`;
  return value < 1024 ** 2 ? `${(value / 1024).toFixed(0)} kB` : `${(value / 1024 ** 2).toFixed(1)} MB`;
}

/** Any value of a state or a condition, on one line. */
export const literal = (value) => (typeof value === "string" ? JSON.stringify(value) : value === undefined ? "–" : JSON.stringify(value));

/** The name of a model without the endpoint it is asked at. */
export const model = (name) => name.slice(name.lastIndexOf("#") + 1);

/** "1 call", "2 calls". */
export const plural = (n, word) => `${count(n)} ${word}${n === 1 ? "" : "s"}`;
