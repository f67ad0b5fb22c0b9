"""Makes the pictures of the debugger's page for README and docs: `python tests/studio/pictures.py [FOLDER]`. No measurement, no test.

The runs are the embedded ratings' users, who have opinions that a script writes down (fake server), so that pictures can be made anew
without a model and look the same each time.
"""

from __future__ import annotations

import asyncio
import struct
import sys
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "simulations"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
from browsing import browser, studio
from fake_llm import FakeLLM
from recloop.simulations import SimulateConfig, simulate

if TYPE_CHECKING:
    from playwright.sync_api import Page

LARGEST = 200_000
"""Bytes of one picture."""
WHY = (
    "just my kind of evening|seen too many like it|the cast alone is worth it|not in the mood for this|a friend keeps praising it"
    "|too long for a weekday|the director never lets me down|the trailer gave everything away|I like how quiet it sounds"
    "|one explosion too many"
)
FELT = "a good mix tonight|more of the same again|two I had been waiting for|rather loud, all of it|nicely chosen, for once"
REASON = (
    "curious what comes next|enough for today|there may be something better|I found what I wanted|nothing here holds me"
)
DONE = "|".join(
    ['"action": "skip", "rating": null'] * 4 + [f'"action": "watch", "rating": {n}' for n in (3, 6, 7, 8, 9, 10)]
)
CHOICE = '{"fits": {{pick true|false}}, {{pick ' + DONE + '}}, "why": "{{pick ' + WHY + '}}"}'
SCRIPT: list[dict[str, Any]] = [
    {
        "match": r"<<<items\n.*\[(?P<final>[^\]\n]+)\][^\n]*\n>>>",
        "where": "user",
        "each": {"item": r"\[([^\]\n]+)\][^\n]*\n(?=\[)"},
        "reply": '{"choices": { {{each item}}"{{1}}": ' + CHOICE + ', {{end}}"{{final}}": ' + CHOICE + "}, "
        '"feeling": "{{pick ' + FELT + '}}", "satisfaction": {{int 1 10}}, "decision": "{{pick next|next|next|exit}}", '
        '"reason": "{{pick ' + REASON + '}}"}',
    }
]


def at(page: Page, link: str) -> None:
    page.evaluate("link => { location.hash = link }", link)
    page.wait_for_selector(".node.lit")
    page.wait_for_timeout(900)


def someone(page: Page) -> str:
    """The first agent who lived at least four pages."""
    page.keyboard.press("/")
    page.keyboard.type("pages>=4")
    page.wait_for_timeout(200)
    found = str(page.evaluate("document.querySelector('.grid-row .cell').textContent"))
    page.fill('#population input[type="search"]', "")
    page.keyboard.press("Escape")
    return found


def break_at(page: Page, when: str) -> None:
    page.keyboard.press("b")
    page.keyboard.type(when)
    page.keyboard.press("Enter")
    page.wait_for_timeout(400)
    page.keyboard.press("Escape")


def stopped(page: Page) -> None:
    """At a breakpoint, the call that was made there before one's eyes."""
    if page.locator("[data-breakpoint]").count() == 0:
        break_at(page, "satisfaction < 3 and page > 0")
        break_at(page, "failures > 0")
    page.keyboard.press("m")
    page.wait_for_selector(".rows .holds")
    page.keyboard.press("2")
    page.wait_for_timeout(900)


def memory(page: Page) -> None:
    at(page, f"agent={someone(page)}&page=3&node=observe&tab=memory")


def fork(page: Page) -> None:
    at(page, f"agent={someone(page)}&page=1&node=react&tab=memory")
    page.keyboard.press("e")
    page.keyboard.type("I have had enough of sequels.")
    page.wait_for_timeout(300)


def diff(page: Page) -> None:
    page.fill('dialog [data-field="name"]', "no-sequels")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector('[data-notice="stopped"]', timeout=60_000)
    page.keyboard.press("d")
    page.wait_for_selector("dialog [data-first]")
    page.wait_for_timeout(600)


def crowd(page: Page) -> None:
    page.evaluate("document.documentElement.style.setProperty('--left', '500px')")
    page.evaluate("document.documentElement.style.setProperty('--right', '390px')")
    page.click('[data-column="satisfaction"]')
    page.keyboard.press("u")
    page.keyboard.press("Home")
    page.keyboard.press("6")
    page.wait_for_timeout(900)


def small(png: bytes) -> bytes:
    """The same picture with 256 colours: the most frequent, and those furthest from them; the others become the nearest of these."""
    wide, high, depth, kind = struct.unpack(">IIBB", png[16:26])
    assert (depth, kind) in ((8, 2), (8, 6)), "eight bits, with or without opacity"
    packed, at = b"", 8
    while at < len(png):
        (size,) = struct.unpack(">I", png[at : at + 4])
        if png[at + 4 : at + 8] == b"IDAT":
            packed += png[at + 8 : at + 8 + size]
        at += size + 12
    step = 3 if kind == 2 else 4
    pixels = unfiltered(zlib.decompress(packed), wide, high, step)[:, :, :3].reshape(-1, 3)
    colours, index, counts = np.unique(pixels, axis=0, return_inverse=True, return_counts=True)
    colours = colours.astype(int)
    palette = colours[np.argsort(-counts)[:160]]
    apart = ((colours[:, None] - palette[None]) ** 2).sum(axis=2)
    while len(palette) < min(256, len(colours)):
        palette = np.vstack([palette, colours[apart.min(axis=1).argmax()]])
        apart = np.column_stack([apart, ((colours - palette[-1]) ** 2).sum(axis=1)])
    rows = apart.argmin(axis=1).astype(np.uint8)[index.ravel()].reshape(high, wide)
    lines = np.concatenate([np.zeros((high, 1), np.uint8), rows], axis=1).tobytes()

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", wide, high, 8, 3, 0, 0, 0))
    table = chunk(b"PLTE", palette.astype(np.uint8).tobytes())
    return png[:8] + head + table + chunk(b"IDAT", zlib.compress(lines, 9)) + chunk(b"IEND", b"")


def unfiltered(data: bytes, wide: int, high: int, step: int) -> np.ndarray:
    """The bytes of a PNG's rows (PNG specification, section 9), shape (high, wide, step)."""
    rows, above = np.zeros((high, wide, step), np.uint8), np.zeros((wide, step), np.uint8)
    for y in range(high):
        line = data[y * (wide * step + 1) : (y + 1) * (wide * step + 1)]
        row = np.frombuffer(line[1:], np.uint8).reshape(wide, step)
        if line[0] == 1:
            row = np.cumsum(row, axis=0, dtype=np.uint8)
        elif line[0] == 2:
            row = row + above
        elif line[0] in (3, 4):
            row = _by_neighbours(row.tolist(), above.tolist(), line[0] == 3, step)
        rows[y] = above = np.asarray(row, np.uint8)
    return rows


def _by_neighbours(row: list[list[int]], above: list[list[int]], average: bool, step: int) -> list[list[int]]:
    left, corner, found = [0] * step, [0] * step, []
    for here, up in zip(row, above, strict=True):
        now = []
        for value, a, b, c in zip(here, left, up, corner, strict=True):
            p = a + b - c
            near = (a + b) // 2 if average else min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
            now.append((value + near) & 255)
        found.append(now)
        left, corner = now, up
    return found


def main() -> None:
    out = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parents[2] / "docs/pictures")
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as made, FakeLLM(script=SCRIPT, errors="malformed=0.04", port=8791) as llm:
        told = SimulateConfig(
            users=120, pages=6, model=f"{llm.base_url}#film-fans", price="in=0.15,out=0.6", name="autumn"
        )
        films = asyncio.run(simulate(told, out=Path(made) / "films", api_key="x"))
        many = SimulateConfig(users=2000, pages=5, model="scripted", name="two thousand")
        scripted = asyncio.run(simulate(many, out=Path(made) / "many"))
        draw(films, out, "light", [("debug_light", stopped)])
        draw(films, out, "dark", [("debug_dark", stopped), ("debug_memory", memory)])
        draw(films, out, "light", [("debug_fork", fork), ("debug_diff", diff)])
        draw(scripted, out, "light", [("debug_population", crowd)])


def draw(run: Path, out: Path, scheme: str, pictures: list[tuple[str, Callable[[Page], None]]]) -> None:
    """Pictures of one sitting, each after what is done for it."""
    with studio(run, api_key="x") as address, browser(color_scheme=scheme) as context:
        page = context.new_page()
        page.goto(address)
        page.wait_for_selector("body[data-ready]")
        page.wait_for_selector(".card .slate")
        for name, do in pictures:
            do(page)
            page.mouse.move(0, 0)
            path = out / f"{name}.png"
            path.write_bytes(small(page.screenshot()))
            size = path.stat().st_size
            assert size < LARGEST, f"{path.name} has {size} bytes"
            print(f"{path} {size // 1000} kB")


if __name__ == "__main__":
    main()
