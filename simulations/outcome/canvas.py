"""What charts are drawn with: a canvas of SVG marks, the finished chart, and its colours in light and dark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from ...runs.visible import visible

WIDTH = 480
HEIGHT = 270

CHART_CSS = Markup("""
.chart{--ink:#1b2430;--soft:#5b6675;--grid:#dfe4ea;--c0:#0072b2;--c1:#e69f00;--c2:#9aa5b1;--paper:#ffffff;--warn:#b34700}
@media (prefers-color-scheme:dark){.chart{--ink:#e8edf3;--soft:#9fadbd;--grid:#2c3744;--c0:#56b4e9;--c1:#e69f00;--c2:#6b7888;--paper:#161d26;--warn:#ffb066}}
.chart text{font:11px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;fill:var(--ink)}
.chart .soft{fill:var(--soft)}.chart .small{font-size:10px}.chart .tiny{font-size:9px}
.chart .head{font-size:13px;font-weight:600}.chart .mid{text-anchor:middle}.chart .end{text-anchor:end}
.chart .grid{stroke:var(--grid);stroke-width:1;fill:none}.chart .axis{stroke:var(--soft);stroke-width:1;fill:none}
.chart .s0{fill:var(--c0)}.chart .s1{fill:var(--c1)}.chart .s2{fill:var(--c2)}
.chart .err{stroke:var(--ink);stroke-width:1.2;fill:none}.chart .ref{stroke:var(--soft);stroke-width:1.2;stroke-dasharray:4 3;fill:none}
.chart .line{stroke:var(--c0);stroke-width:2;fill:none}.chart .band{fill:var(--c0);opacity:.18}
""")


@dataclass(frozen=True)
class Chart:
    """A drawn chart: `svg` for a page, `at` for a place in a larger picture."""

    key: str
    title: str
    description: str
    body: Markup
    height: int = HEIGHT
    width: int = WIDTH

    @property
    def svg(self) -> Markup:
        return Markup(
            '<svg class="chart" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" role="img" '
            'aria-labelledby="{key}-title {key}-desc"><title id="{key}-title">{title}</title>'
            '<desc id="{key}-desc">{desc}</desc>{body}</svg>'
        ).format(
            w=self.width,
            h=self.height,
            key=self.key,
            title=visible(self.title),
            desc=visible(self.description),
            body=self.body,
        )

    def at(self, x: float, y: float) -> Markup:
        return Markup('<g transform="translate({x:g} {y:g})" role="img"><title>{title}</title>{body}</g>').format(
            x=x, y=y, title=visible(f"{self.title}. {self.description}"), body=self.body
        )


@dataclass
class Canvas:
    """Marks put down one after the other. Coordinates in pixels of the view box, y downwards."""

    marks: list[Markup] = field(default_factory=list)

    def text(self, x: float, y: float, words: object, style: str = "", turned: bool = False) -> None:
        turn = Markup(' transform="rotate(-90 {:.1f} {:.1f})"').format(x, y) if turned else ""
        self.marks.append(
            Markup('<text x="{:.1f}" y="{:.1f}" class="{}"{}>{}</text>').format(x, y, style, turn, visible(words))
        )

    def line(self, x1: float, y1: float, x2: float, y2: float, style: str) -> None:
        self.marks.append(
            Markup('<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" class="{}"/>').format(x1, y1, x2, y2, style)
        )

    def box(self, x: float, y: float, w: float, h: float, style: str, hint: str = "") -> None:
        title = Markup("<title>{}</title>").format(visible(hint)) if hint else ""
        self.marks.append(
            Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" rx="1.5" class="{}">{}</rect>').format(
                x, y, max(0.0, w), max(0.0, h), style, title
            )
        )

    def path(self, points: Sequence[tuple[float, float]], style: str, closed: bool = False) -> None:
        d = "M" + " L".join(f"{x:.1f} {y:.1f}" for x, y in points) + (" Z" if closed else "")
        self.marks.append(Markup('<path d="{}" class="{}"/>').format(d, style))

    def whisker(self, x: float, y1: float, y2: float) -> None:
        self.path([(x, y1), (x, y2)], "err")
        for y in (y1, y2):
            self.path([(x - 3, y), (x + 3, y)], "err")

    def legend(self, names: Sequence[str], x: float, y: float) -> None:
        for i, name in enumerate(names):
            self.box(x, y - 8, 9, 9, f"s{i}")
            self.text(x + 13, y, name, "small soft")
            x += 26 + 5.6 * len(visible(name))

    def body(self) -> Markup:
        return Markup("").join(self.marks)


def picture(heading: str, subtitle: str, banner: str, charts: Sequence[Chart]) -> Markup:
    """One standalone SVG: a heading, a warning where there is one, and charts two by two."""
    gap, top = 16, 74 if banner else 56
    lines = [charts[i : i + 2] for i in range(0, len(charts), 2)]
    heights = [max(chart.height for chart in each) for each in lines]
    width, height = 2 * WIDTH + 3 * gap, top + sum(heights) + gap * len(lines)
    canvas = Canvas()
    canvas.marks.append(Markup('<rect width="{}" height="{}" fill="var(--paper)"/>').format(width, height))
    canvas.text(gap + 12, 26, heading, "title")
    canvas.text(gap + 12, 44, subtitle, "soft")
    if banner:
        canvas.text(gap + 12, 62, f"⚠ {banner}", "warn")
    y = float(top)
    for each, tall in zip(lines, heights, strict=True):
        for i, chart in enumerate(each):
            canvas.marks.append(chart.at(gap + i * (WIDTH + gap), y))
        y += tall + gap
    more = Markup(".chart .title{font-size:17px;font-weight:650}.chart .warn{fill:var(--warn);font-weight:600}")
    return Markup(
        '<svg class="chart" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="img">'
        "<title>{heading}</title><desc>{desc}</desc><style>{css}{more}</style>{body}</svg>\n"
    ).format(
        w=width,
        h=height,
        heading=visible(heading),
        desc=visible(" ".join(f"{chart.title}: {chart.description}" for chart in charts)),
        css=CHART_CSS,
        more=more,
        body=canvas.body(),
    )
