"""Which selector finds the best of eight prompts, how often, and for how many evaluations; and what our races promise.

    python benchmarks/prompt_selection.py [--quick] [--out FILE]
    python benchmarks/prompt_selection.py --table FILE    # an earlier result as Markdown

Prompts come from the frozen engine (`planted_prompts.py`), its stream "report", which nothing was tuned on. JSON lines: one
per setting and selector, one per check of false elimination, one per gate; `--out` writes all of them as one document.

`best`: share of races whose winner is the truly best prompt; `behind_full`: how much less often than full scoring on the same
draws, with a 95 % interval of the paired difference; `share`: evaluations over those of full scoring; `regret`: true NDCG
lost, in points; `lost`: share of races that eliminated the truly best prompt; `tie`: share that called it a tie.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import planted_prompts as engine
from recloop.prompt_opt.selectors import Selection, Selector, open_selector

ARMS = 8
MODES = {
    "racing planned": {},
    "racing asymptotic": {"mode": "asymptotic"},
    "racing betting": {"mode": "betting"},
    "racing z": {"mode": "z"},
    "racing planned, 511 calls": {"budget": 511},
}
OURS = {name: open_selector("racing", **options) for name, options in MODES.items()}
FULL = open_selector("full")
RIVALS = {
    "halving": open_selector("halving"),
    "rejects": open_selector("rejects"),
    "ucb1": open_selector("ucb1"),
    "po4isr": open_selector("po4isr"),
    "po4isr as released": open_selector("po4isr", as_released=True),
}
RELEASED_CALLS = 512


class Setting(NamedTuple):
    """Prompts of a family whose effects have this standard deviation, over so many cases."""

    family: str
    spread: float
    cases: int


GATED = [Setting(family, spread, 150) for family in ("small", "large", "plain", "loose") for spread in (0.4, 0.2)]
LONGER = [Setting("small", 0.4, 400), Setting("small", 0.2, 400)]
SHORTER = [Setting(family, spread, 50) for family in ("small", "plain") for spread in (0.4, 0.2)]
OTHERS = [Setting(family, spread, 150) for family in ("heavy ties", "interactions") for spread in (0.4, 0.2)]
MOST_OF_FULL = {0.4: 0.60, 0.2: 0.75}
"""The bar: share of full scoring's evaluations, by spread."""


def select(selector: Selector, values: engine.FloatArray, seed: int) -> Selection:
    """Run a selector over a matrix (arms, cases)."""
    choosing = selector.select(*values.shape, 1, np.random.default_rng(seed))
    try:
        pulls = next(choosing)
        while True:
            pulls = choosing.send(values[pulls.arms, pulls.cases])
    except StopIteration as ended:
        return ended.value


def measure(setting: Setting, races: int, rivals: int) -> list[dict[str, Any]]:
    """Rows of one setting: full scoring and our races over `races` draws, the rest over the first `rivals` of them."""
    drawn = [engine.draw(*setting[:2], "report", i, ARMS, setting.cases) for i in range(races)]
    best = np.array([each.best for each in drawn])
    truth = np.array([engine.expected(setting.family, each.effects) for each in drawn])
    full = np.array([])
    rows = []
    for name, selector in {"full": FULL, **OURS, **RIVALS}.items():
        count = races if name == "full" or name in OURS else rivals
        began = time.process_time()
        found = [select(selector, each.values, i) for i, each in enumerate(drawn[:count])]
        spent = time.process_time() - began
        picked = np.array([each.kept[0] for each in found])
        right = (picked == best[:count]).astype(float)
        full = right if name == "full" else full
        behind = full[:count] - right
        error = 1.96 * float(behind.std()) / math.sqrt(count)
        calls = float(np.mean([each.pulls for each in found]))
        rows.append(
            {
                "what": "selection",
                **setting._asdict(),
                "selector": name,
                "races": count,
                "best": round(float(right.mean()), 4),
                "behind_full": round(float(behind.mean()), 4),
                "behind_full_interval": [
                    round(float(behind.mean()) - error, 4),
                    round(float(behind.mean()) + error, 4),
                ],
                "calls": round(calls, 1),
                "share": round(calls / (ARMS * setting.cases), 3),
                "regret": round(100 * float((truth.max(axis=1)[:count] - truth[np.arange(count), picked]).mean()), 3),
                "lost": round(float(np.mean([b in each.eliminated for b, each in zip(best, found, strict=False)])), 4),
                "tie": round(float(np.mean([each.tie for each in found])), 3),
                "cpu_ms": round(1000 * spent / count, 2),
            }
        )
    return rows


def false_elimination(setting: Setting, races: int) -> list[dict[str, Any]]:
    """How often a truly best prompt is eliminated. Without spread all are best: a given one, and any at all."""
    lost: dict[str, list[float]] = {name: [] for name in OURS}
    any_lost: dict[str, list[float]] = {name: [] for name in OURS}
    for i in range(races):
        drawn = engine.draw(*setting[:2], "report", 1_000_000 + i, ARMS, setting.cases)
        for name, selector in OURS.items():
            gone = select(selector, drawn.values, i).eliminated
            # Equal prompts stand for one another, so all of them tell about "a given one".
            lost[name].append(len(gone) / ARMS if setting.spread == 0 else float(drawn.best in gone))
            any_lost[name].append(float(bool(gone)))
    rows = []
    for name in OURS:
        row = {"what": "false elimination", **setting._asdict(), "selector": name, "races": races}
        row |= {"lost": round(float(np.mean(lost[name])), 5), "delta": OURS[name].config.delta}  # type: ignore[attr-defined]
        rows.append(row | ({"any": round(float(np.mean(any_lost[name])), 4)} if setting.spread == 0 else {}))
    return rows


def gates(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every gate, per mode and setting: what was found, the bar, whether it is met."""
    found = {(r["family"], r["spread"], r["cases"], r["selector"]): r for r in rows if r["what"] == "selection"}
    told = []
    for (family, spread, cases, name), row in found.items():
        if name not in OURS:
            continue
        where = {"family": family, "spread": spread, "cases": cases, "selector": name}
        if cases >= 150:
            most = MOST_OF_FULL[spread]
            met = row["behind_full"] <= 0.01 and row["share"] <= most
            bar = f"at most 0.01 behind full for at most {most:.2f} of its calls"
            told.append(
                {"gate": "of full", **where, "found": [row["behind_full"], row["share"]], "bar": bar, "met": met}
            )
        released = found[family, spread, cases, "po4isr as released"]
        # Both against full scoring on their own draws: paired, though the bandit ran on the first of them only.
        ahead = round(released["behind_full"] - row["behind_full"], 4)
        told.append(
            {
                "gate": "over po4isr as released",
                **where,
                "found": [ahead, row["calls"]],
                "bar": f"0.10 more often best, for fewer than {RELEASED_CALLS} calls",
                "met": ahead >= 0.10 and row["calls"] < RELEASED_CALLS,
            }
        )
    for row in rows:
        if row["what"] == "false elimination":
            where = {key: row[key] for key in ("family", "spread", "cases", "selector")}
            bar = f"at most {row['delta']} of {row['races']} races"
            told.append(
                {
                    "gate": "false elimination",
                    **where,
                    "found": [row["lost"]],
                    "bar": bar,
                    "met": row["lost"] <= row["delta"],
                }
            )
    return told


def run(quick: bool) -> dict[str, Any]:
    """The whole benchmark; quick: few races of few settings, to see that it works."""
    races, rivals, many = (80, 80, 200) if quick else (1500, 750, 10_000)
    settings = [Setting("small", 0.4, 150)] if quick else [*GATED, *LONGER, *SHORTER, *OTHERS]
    checks = [Setting("small", 0.2, 150), Setting("small", 0.0, 150)] + (
        [] if quick else [Setting("heavy ties", 0.0, 50)]
    )
    rows: list[dict[str, Any]] = []
    for made in chain((measure(s, races, rivals) for s in settings), (false_elimination(s, many) for s in checks)):
        for row in made:
            print(json.dumps(row), flush=True)
            rows.append(row)
    judged = gates(rows)
    for row in judged:
        print(json.dumps(row), flush=True)
    return {"quick": quick, "load": round(os.getloadavg()[0], 2), "rows": rows, "gates": judged}


def document(found: dict[str, Any]) -> str:
    """A result as one JSON document, a row a line."""
    lists = {name: ",\n".join(json.dumps(row) for row in found[name]) for name in ("rows", "gates")}
    plain = {name: value for name, value in found.items() if name not in lists}
    parts = [json.dumps(plain)[:-1], *(f'"{name}": [\n{text}\n]' for name, text in lists.items())]
    return ",\n".join(parts) + "}\n"


def table(found: dict[str, Any]) -> str:
    """A result as Markdown: best and share of full scoring's calls per setting and selector, then false eliminations."""
    rows = [row for row in found["rows"] if row["what"] == "selection"]
    names = list(dict.fromkeys(row["selector"] for row in rows))
    cell = {
        (r["family"], r["spread"], r["cases"], r["selector"]): f"{100 * r['best']:.1f} / {r['calls']:.0f}" for r in rows
    }
    lines = [f"| family, spread, cases | {' | '.join(names)} |", f"| --- |{' ---: |' * len(names)}"]
    for where in dict.fromkeys((row["family"], row["spread"], row["cases"]) for row in rows):
        lines.append(f"| {where[0]}, {where[1]}, {where[2]} | {' | '.join(cell[*where, name] for name in names)} |")
    gone = [row for row in found["rows"] if row["what"] == "false elimination"]
    names = list(dict.fromkeys(row["selector"] for row in gone))
    cell = {(r["family"], r["spread"], r["cases"], r["selector"]): f"{100 * r['lost']:.2f}" for r in gone}
    lines += ["", f"| best eliminated, % | {' | '.join(names)} |", f"| --- |{' ---: |' * len(names)}"]
    for where in dict.fromkeys((row["family"], row["spread"], row["cases"]) for row in gone):
        lines.append(f"| {where[0]}, {where[1]}, {where[2]} | {' | '.join(cell[*where, name] for name in names)} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few races, seconds instead of minutes")
    parser.add_argument("--out", type=Path, help="write everything as one JSON document")
    parser.add_argument("--table", type=Path, help="print such a document as Markdown and do nothing else")
    given = parser.parse_args()
    if given.table:
        print(table(json.loads(given.table.read_text(encoding="utf-8"))))
        return 0
    began = time.process_time()
    found = run(given.quick) | {"cpu_s": round(time.process_time() - began, 1)}
    if given.out:
        given.out.write_text(document(found), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
