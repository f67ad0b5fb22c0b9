"""What drives what among the items of a rehearsal: quality, popularity, exposure, views, rating (DirectLiNGAM)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field, PositiveInt

from ...data import Dataset
from ...evaluators import proportion
from ...evaluators.lingam import Edge, bootstrap_edges, direct_lingam, near_gaussian, planted_graph
from ..outcome.facts import Facts, Floats, facts
from ..outcome.numbers import Baseline, Row, estimate_row
from .honesty import who_played
from .study import Plot, Result, Series, StudyConfig, StudyError
from .workshop import Workshop

VARIABLES = ("quality", "popularity", "exposure", "views", "rating")
TIERS = (0, 0, 1, 2, 3)
"""When each is settled: quality and popularity in the training rows, then items are shown, taken up, rated."""
SURE = 0.9
"""Confidence from which an edge is spoken of."""
SHUFFLES, PLANTED = 20, 20
"""Repetitions of the negative and of the positive control."""
CONTROL_RESAMPLES = 20


class CausalConfig(StudyConfig):
    seeds: int = Field(default=3, ge=1)
    """Rehearsals with other users; their exposures are pooled by item."""
    least_exposures: PositiveInt = 10
    """Items shown less often are left out: their rates are mostly chance."""
    prior: Literal["time", "none"] = "time"
    """`time`: what is settled earlier causes what is settled later (only quality against popularity is left open).
    `none`: every direction is found from the data."""
    resamples: PositiveInt = 200
    """Bootstrap resamples of items behind each edge's confidence."""


class Causal:
    """Pools items over rehearsals, finds edges with their bootstrap confidence, and holds the method to two controls."""

    name: ClassVar[str] = "causal"
    question: ClassVar[str] = "Which of quality, popularity, exposure, views and rating drive which, item by item?"
    config_type: ClassVar[type[StudyConfig]] = CausalConfig

    async def carry_out(self, config: CausalConfig, workshop: Workshop) -> Result:
        found, train = [], None
        for seed in config.all_seeds:
            settings = config.settings(seed=seed, **_larger(config))
            name = f"seed{seed}"
            await workshop.rehearse(name, settings)
            train = workshop.shared.split(settings).train
            with workshop.opened(name) as run:
                found.append(facts(run))
        assert train is not None
        table = items_table(found, train, config.least_exposures)
        if len(table) < 5 * len(VARIABLES):
            raise StudyError(
                f"{len(table)} items were shown {config.least_exposures} times and rated: too few for"
                f" {len(VARIABLES)} variables\n  play more users or pages, or lower least_exposures"
            )
        x = np.array([[row[name] for name in VARIABLES] for row in table])
        try:
            edges = await workshop.part("edges", lambda: _edges(x, config))
            shuffled = await workshop.part("shuffled", lambda: _shuffled(x, config))
        except ValueError as error:
            raise StudyError(f"{error}\n  play more users or pages") from None
        planted = await workshop.part("planted", lambda: _planted(len(x), config))
        return _result(config, who_played(workshop), table, edges, shuffled, planted)


def _larger(config: CausalConfig) -> dict[str, Any]:
    """More users and pages than other studies play: edges stand on items that were shown often."""
    return {key: config.rehearsal.get(key, value) for key, value in (("users", 300), ("pages", 5))}


def items_table(found: Sequence[Facts], train: Dataset, least: int) -> list[dict[str, Any]]:
    """One row per item that was shown often enough and rated, each variable standardised over these items.

    Counts (popularity, exposure, views) enter as logarithms: rates multiply, and then add up. Quality is the mean rating in
    the training rows, rating the mean simulated one.
    """
    shown, taken, ratings = (dict.fromkeys(train.items.ids, 0.0) for _ in range(3))
    for each in found:
        for item, answered, positive, rating in zip(each.item, each.answered, each.positive, each.rating, strict=True):
            if answered:
                shown[item] += 1
            if answered and positive and rating == rating:
                taken[item] += 1
                ratings[item] += rating
    quality, popularity = train.mean_rating(), train.popularity()
    rows = [
        {
            "item": item,
            "quality": float(quality[place]),
            "popularity": float(np.log1p(popularity[place])),
            "exposure": float(np.log1p(shown[item])),
            "views": float(np.log1p(taken[item])),
            "rating": ratings[item] / taken[item],
        }
        for place, item in enumerate(train.items.ids)
        if shown[item] >= least and taken[item] > 0 and quality[place] == quality[place]
    ]
    for name in VARIABLES:
        values = np.array([row[name] for row in rows])
        spread = float(values.std()) if len(values) else 0.0
        for row in rows:
            row[name] = (row[name] - float(values.mean())) / spread if spread > 0 else 0.0
    return rows


def _tiers(config: CausalConfig) -> tuple[int, ...] | None:
    return TIERS if config.prior == "time" else None


def _edges(x: Floats, config: CausalConfig) -> dict[str, Any]:
    """Edges under the asked prior and with every direction left free; which disturbances look Gaussian."""
    graph = direct_lingam(x, _tiers(config))
    own = bootstrap_edges(x, _tiers(config), resamples=config.resamples, seed=config.seed)
    free = own if config.prior == "none" else bootstrap_edges(x, resamples=config.resamples, seed=config.seed)
    return {
        "edges": [asdict(edge) for edge in own],
        "free": [asdict(edge) for edge in free],
        "order": [VARIABLES[i] for i in graph.order],
        "gaussian": [VARIABLES[i] for i in near_gaussian(graph.disturbances)],
        "explained": dict(zip(VARIABLES, graph.squares.tolist(), strict=True)),
    }


def _shuffled(x: Floats, config: CausalConfig) -> dict[str, int]:
    """Sure edges among columns that were shuffled one by one: there is nothing to find."""
    rng = np.random.default_rng([config.seed, 1])
    sure = 0
    for k in range(SHUFFLES):
        apart = np.stack([rng.permutation(column) for column in x.T], axis=1)
        edges = bootstrap_edges(apart, _tiers(config), resamples=CONTROL_RESAMPLES, seed=config.seed + k)
        sure += sum(edge.confidence >= SURE for edge in edges)
    d = x.shape[1]
    return {"sure": sure, "of": SHUFFLES * d * (d - 1) // 2}


def _planted(items: int, config: CausalConfig) -> dict[str, int]:
    """How often a known graph over as many rows is found whole, in its directions, and how often Gaussian noise is noticed.

    Without a prior: with one, directions would be given away."""
    whole = right = edges = wrong = noticed = 0
    for k in range(PLANTED):
        x, effects = planted_graph(items, len(VARIABLES), seed=1_000 * config.seed + k)
        found = direct_lingam(x).effects
        whole += bool(((found != 0) == (effects != 0)).all())
        edges += int((effects != 0).sum())
        right += int(((effects != 0) & (found != 0)).sum())
        wrong += int(((effects == 0) & (found != 0)).sum())
        gaussian, _ = planted_graph(items, len(VARIABLES), seed=1_000 * config.seed + k, gaussian=True)
        noticed += len(near_gaussian(direct_lingam(gaussian).disturbances)) > 1
    return {"whole": whole, "right": right, "edges": edges, "wrong": wrong, "noticed": noticed, "of": PLANTED}


def _result(
    config: CausalConfig,
    notes: list[str],
    table: list[dict[str, Any]],
    kept: Mapping[str, Any],
    shuffled: Mapping[str, int],
    planted: Mapping[str, int],
) -> Result:
    edges, free = [Edge(**edge) for edge in kept["edges"]], [Edge(**edge) for edge in kept["free"]]
    sure = [edge for edge in edges if edge.confidence >= SURE]
    rows = [_edge_row(edge, _of(free, edge), len(table)) for edge in edges if edge.confidence >= 0.5]
    agreed = [edge for edge in sure if _of(free, edge) > _of(free, edge, turned=True)]
    if config.prior == "time" and sure:
        rows.append(
            estimate_row(
                "agreed",
                "Sure edges whose direction the data alone give too",
                proportion(len(agreed), len(sure)),
                "share",
                Baseline(0.5, "a coin"),
                of="edges",
            )
        )
    trial = planted["of"]
    rows += [
        estimate_row(
            "planted",
            f"Planted graphs of {len(table)} items found whole",
            proportion(planted["whole"], trial),
            "share",
            Baseline(planted["right"] / max(1, planted["edges"]), "of their edges, one by one"),
            of="graphs",
            note=f"{planted['wrong']} edges that are not there",
        ),
        estimate_row(
            "noticed",
            "Gaussian noise noticed, where directions cannot be found",
            proportion(planted["noticed"], trial),
            "share",
            of="graphs",
        ),
        estimate_row(
            "shuffled",
            "Sure edges among shuffled columns",
            proportion(shuffled["sure"], shuffled["of"]),
            "share",
            Baseline(0.0, "nothing is there to find"),
            of="pairs",
        ),
    ]
    gaussian = list(kept["gaussian"])
    return Result(
        verdict=_verdict(config, sure, gaussian, shuffled, planted),
        rows=rows,
        cases={"items": table},
        plots=[_plot(edges, free)] if edges else [],
        notes=[*notes, *_notes(config, gaussian, len(table))],
        data={
            "variables": VARIABLES,
            "edges": [_named(edge) for edge in edges],
            "free": [_named(edge) for edge in free],
            **{key: kept[key] for key in ("order", "gaussian", "explained")},
            "planted": dict(planted),
            "shuffled": dict(shuffled),
        },
    )


def _named(edge: Edge) -> dict[str, Any]:
    return {**asdict(edge), "cause": VARIABLES[edge.cause], "target": VARIABLES[edge.target]}


def _words(edge: Edge) -> str:
    return f"{VARIABLES[edge.cause]} → {VARIABLES[edge.target]}"


def _of(free: Sequence[Edge], edge: Edge, *, turned: bool = False) -> float:
    """Confidence of an edge (or its opposite) where every direction is left free."""
    ends = (edge.target, edge.cause) if turned else (edge.cause, edge.target)
    return next((other.confidence for other in free if (other.cause, other.target) == ends), 0.0)


def _edge_row(edge: Edge, unasked: float, items: int) -> Row:
    return Row(
        f"{VARIABLES[edge.cause]}_{VARIABLES[edge.target]}",
        f"Effect {_words(edge)}",
        edge.effect,
        "",
        edge.low,
        edge.high,
        items,
        "items",
        (Baseline(0.0, "no edge"),),
        f"in {edge.confidence:.0%} of resamples ({unasked:.0%} with every direction left free)",
    )


def _verdict(
    config: CausalConfig,
    sure: Sequence[Edge],
    gaussian: Sequence[str],
    shuffled: Mapping[str, int],
    planted: Mapping[str, int],
) -> str:
    if shuffled["sure"] > 0.05 * shuffled["of"]:
        return "no verdict: edges are found among shuffled columns, so those found here mean nothing"
    if 2 * planted["right"] < planted["edges"]:
        return "no verdict: at this number of items a planted graph is not found again; play more users or pages"
    if not sure:
        return "no edge found that nine of ten resamples agree on"
    named = ", ".join(f"{_words(edge)} ({edge.effect:+.2f})" for edge in sure)
    whose = "; directions are those of time" if config.prior == "time" else ""
    if config.prior == "none" and len(gaussian) > 1:
        whose = "; their directions are open, for the noise looks Gaussian"
    edges = "1 edge" if len(sure) == 1 else f"{len(sure)} edges"
    return f"{edges} in at least {SURE:.0%} of resamples: {named}{whose}"


def _notes(config: CausalConfig, gaussian: Sequence[str], items: int) -> list[str]:
    notes = [
        f"{items} items, effects in standard deviations over items; the model is linear and knows no hidden common cause "
        "(an item's genre or year may be one)",
    ]
    if config.prior == "time":
        notes.append(
            "directions between training rows, exposure, views and rating follow from time, not from the data: "
            "only quality against popularity is found; what the data alone say stands beside each edge"
        )
    if gaussian:
        more = "directions are not to be relied on" if len(gaussian) > 1 else "one alone does no harm"
        notes.append(f"cannot be told from Gaussian noise: {', '.join(gaussian)}; {more}")
    return notes


def _plot(edges: Sequence[Edge], free: Sequence[Edge]) -> Plot:
    return Plot(
        "edges",
        "How sure each edge is",
        "bars",
        [_words(edge) for edge in edges],
        [
            Series("as asked", [edge.confidence for edge in edges]),
            Series("every direction free", [_of(free, edge) for edge in edges]),
        ],
        axis="share of resamples",
        across="edge",
        reference=(SURE, "spoken of from here"),
    )
