/* The population's filter: words (part of an agent's name or status) and comparisons, all of which must hold. */

const COMPARISON = /^([a-z_]+)(<=|>=|!=|==?|<|>)(.+)$/i;
const ALSO = { sat: "satisfaction", rating: "mean_rating", page: "pages", fails: "failures", act: "activity", conf: "conformity", div: "diversity" };

const compare = {
  "<": (a, b) => a < b,
  "<=": (a, b) => a <= b,
  ">": (a, b) => a > b,
  ">=": (a, b) => a >= b,
  "=": (a, b) => a === b,
  "==": (a, b) => a === b,
  "!=": (a, b) => a !== b,
};

/** `satisfaction<3 left` -> a test of a row's number over `columns`; throws an Error that says what it did not understand. */
export function parse(text, columns) {
  const tests = text.trim().split(/\s+/).filter(Boolean).map((word) => {
    const found = COMPARISON.exec(word);
    if (!found) {
      const part = word.toLowerCase();
      return (i) => String(columns.agent[i]).toLowerCase().includes(part) || columns.status[i] === part;
    }
    const [, said, sign, right] = found;
    const name = ALSO[said.toLowerCase()] ?? said.toLowerCase();
    if (!(name in columns)) throw new Error(`no column “${said}”: ${Object.keys(columns).join(", ")}`);
    const number = Number(right);
    const holds = compare[sign];
    const values = columns[name];
    if (name === "edited") return (i) => holds(Boolean(values[i]), right === "true" || right === "1" || right === "yes");
    if (name === "agent" || name === "status") return (i) => holds(String(values[i]), right);
    if (!Number.isFinite(number)) throw new Error(`${said} is compared with a number, not with “${right}”`);
    return (i) => typeof values[i] === "number" && holds(values[i], number);
  });
  return (i) => tests.every((test) => test(i));
}
