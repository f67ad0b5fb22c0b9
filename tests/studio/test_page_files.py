"""The page's files as they are: no other site, no markup from text, nothing that the content security policy refuses; readable colours."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

STATIC = Path(__file__).resolve().parents[2] / "studio" / "static"
FILES = sorted(path for path in STATIC.rglob("*") if path.is_file())
SCRIPTS = [path for path in FILES if path.suffix == ".js"]


def test_no_file_names_another_site() -> None:
    assert len(SCRIPTS) > 20
    for path in FILES:
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.findall(r"(?:https?:)?//[a-z0-9-]+\.[a-z]", text), path.name


def test_no_script_makes_markup_or_code_from_text() -> None:
    ways = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|createContextualFragment|DOMParser|srcdoc"
    for path in SCRIPTS:
        assert not re.findall(ways, path.read_text(encoding="utf-8")), path.name


def test_the_page_has_no_script_or_style_inside() -> None:
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    assert "<style" not in page
    assert not re.findall(r"\s(?:style|on[a-z]+)=", page)
    assert re.findall(r"<script[^>]*>(.*?)</script>", page, re.S) == [""]


def test_every_import_is_a_file_of_the_page() -> None:
    for path in SCRIPTS:
        for name in re.findall(r'from "([^"]+)"', path.read_text(encoding="utf-8")):
            assert name.startswith("."), f"{path.name} imports {name}"
            assert (path.parent / name).resolve() in FILES, f"{path.name} imports {name}"


def _palettes() -> dict[str, dict[str, str]]:
    text = (STATIC / "theme.css").read_text(encoding="utf-8")
    blocks = re.findall(r"(:root[^{]*)\{([^}]*--ink[^}]*)\}", text)
    found = {}
    for selector, body in blocks:
        name = (
            "light" if selector.strip() == ":root" else "dark, chosen" if "dark" in selector else "dark, the system's"
        )
        found[name] = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", body))
    return found


def _luminance(colour: str) -> float:
    """Relative luminance of WCAG 2.1."""
    parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def _contrast(a: str, b: str) -> float:
    high, low = sorted((_luminance(a), _luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize(
    ("text", "ground"),
    [
        *(
            (text, ground)
            for text in ("ink", "soft", "accent", "good", "warn", "bad")
            for ground in ("paper", "raised")
        ),
        *((kind, f"{kind}-wash") for kind in ("accent", "good", "warn", "bad")),
        ("accent-ink", "accent"),
        ("ink", "accent-wash"),
    ],
)
def test_text_stands_out_from_its_ground(text: str, ground: str) -> None:
    palettes = _palettes()
    assert len(palettes) == 3
    assert palettes["dark, chosen"] == palettes["dark, the system's"]
    for name, palette in palettes.items():
        assert _contrast(palette[text], palette[ground]) >= 4.5, f"{text} on {ground}, {name}"
