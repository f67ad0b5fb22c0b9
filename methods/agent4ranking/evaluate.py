"""A trained ranker on the queries that its folds held out, arm by arm: quality, steadiness, and whether the loss did it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...data.search import SearchSet
from ...evaluators.estimate import Estimate, PairedEstimate, paired_difference
from ...evaluators.ranking import Ranking
from ...evaluators.stability import LEAST_SPREAD, RAW, Figure, stability
from ..search import open_retriever
from .arms import ARMS, AVERAGED, alpha_of, key_of
from .artefact import load_head, read_manifest
from .encode import Encoder, Tell, minilm_encoder
from .errors import RankError, import_torch
from .features import PairFeatures
from .rank import checked, probabilities
from .repeated import Repeated
from .views import Views

DROP = 0.15
"""By how much the variance must fall, of the rival's, to be worth a robust loss."""
COST = -0.01
"""How much NDCG@10 of raw queries may be lost, by the interval's lower end."""
BESIDE = ("bm25", "cosine", "random", "constant")
"""Rankers without training, as ends and rivals."""


@dataclass(frozen=True)
class Check:
    """One condition of the pass rule."""

    name: str
    holds: bool
    found: str


@dataclass(frozen=True, eq=False)
class Measured:
    """What the arms did on test queries: `held_out` over the raw form and forms no arm has learnt from, `learnt` over the
    raw form and those that were; `certain` as `held_out`, without rows in which a rewriter fell back to the raw query."""

    held_out: Mapping[str, Repeated]
    learnt: Mapping[str, Repeated]
    certain: Mapping[str, Repeated] | None
    fallback: Mapping[str, float]
    alphas: tuple[float, ...]
    forms: Mapping[str, tuple[str, ...]]

    def difference(self, figure: Figure, mine: str = "full", rival: str = "same-data") -> PairedEstimate:
        """Of two arms on held-out forms, paired by query."""
        return self.held_out[mine].against(self.held_out[rival], figure)

    def relative_drop(self, mine: str = "full", rival: str = "same-data", held_out: bool = True) -> float:
        """By what share the variance of `mine` is below that of `rival`; negative where it is above."""
        of = self.held_out if held_out else self.learnt
        ours, theirs = (float(np.nanmean(of[arm].values("variance"))) for arm in (mine, rival))
        return 1 - ours / theirs if theirs > 0 else 0.0

    def rewritten(self, mine: str = "full", rival: str = "plain") -> PairedEstimate:
        """Difference in NDCG@10 of held-out forms that are not raw, mean over a query's forms."""
        return paired_difference(self.held_out[mine].rewritten(), self.held_out[rival].rewritten())

    def checks(self) -> list[Check]:
        """The pass rule of the experiment: what the full ranker must show against the one with the same data."""
        variance, raw, worded = self.difference("variance"), self.difference("raw"), self.rewritten()
        drop, spread = self.relative_drop(), self.held_out["full"].spread_ratio(self.held_out["same-data"])
        return [
            Check("variance over phrasings falls (interval below 0)", variance.high < 0, _small(variance)),
            Check(f"by {DROP:.0%} or more", drop >= DROP, f"{drop:+.1%}"),
            Check(f"raw queries lose no more than {-COST:g} NDCG@10", raw.low > COST, str(raw)),
            Check("rewritten queries no worse than by the plain ranker", worded.mean >= 0, str(worded)),
            Check(
                f"spread of scores at least {LEAST_SPREAD:g} of the rival's", spread >= LEAST_SPREAD, f"{spread:.2f}"
            ),
        ]

    def json(self) -> dict[str, Any]:
        """All numbers as plain values."""
        groups = {"held_out": self.held_out, "learnt": self.learnt, "without_fallback": self.certain}
        return {
            "forms": dict(self.forms),
            "alphas": list(self.alphas),
            "fallback": dict(self.fallback),
            "arms": {
                name: {arm: figures(found) for arm, found in group.items()}
                for name, group in groups.items()
                if group is not None
            },
            "full_minus": {
                rival: {
                    figure: vars_of(self.difference(figure, rival=rival))
                    for figure in ("variance", "raw", "worst", "ndcg")
                }
                for rival in ("same-data", "plain", "experts", "single", "shuffled", AVERAGED)
            },
            "relative_drop": {"held_out": self.relative_drop(), "learnt": self.relative_drop(held_out=False)},
            "checks": [{"name": c.name, "holds": c.holds, "found": c.found} for c in self.checks()],
            "passed": all(check.holds for check in self.checks()),
        }


def figures(found: Repeated) -> dict[str, Any]:
    """An arm's numbers: means over queries with intervals."""
    shown: dict[str, Any] = {
        name: vars_of(found.estimate(name)) for name in ("raw", "ndcg", "worst", "variance", "vnap", "tau_min", "overlap", "spread")
    }  # fmt: skip
    shown["map_raw"] = vars_of(found.average_precision())
    shown["v_ndcg"] = found.v_ndcg
    shown["forms"] = found.form_means()
    shown["tells_apart"] = found.tells_apart
    return shown


def vars_of(estimate: Estimate | None) -> dict[str, float] | None:
    """An estimate as plain values."""
    if estimate is None:
        return None
    plain = {"mean": estimate.mean, "low": estimate.low, "high": estimate.high, "n": estimate.n}
    return plain | ({"p": estimate.p_value} if isinstance(estimate, PairedEstimate) else {})


def evaluate(
    folder: Path, data: SearchSet, views: Views, encoder: Encoder | None = None, tell: Tell | None = None
) -> Measured:
    """Rank every query in every form by the heads of the fold that held it out, and by rankers without training.

    A form that was learnt is scored by its expert, any other by the expert for raw queries. Raises `RankError` where data,
    encoder or learnt forms are not those of the fit, and where nothing is held out.
    """
    import_torch()
    manifest = read_manifest(folder)
    if data.hash != manifest.data_hash:
        raise RankError(
            f"{folder} was trained on other data ({manifest.data})\n  its held-out queries are of that data: give it"
        )
    if (views.learnt, views.hash) != (manifest.learnt, manifest.views_hash):
        raise RankError(
            f"{folder} has learnt {', '.join(manifest.learnt)}, in other texts\n  give the same forms, or the same file of rewrites"
        )
    if not views.held_out:
        raise RankError("no form is held out\n  name at least one that was not learnt")
    encoder = checked(encoder or minilm_encoder(manifest.config.max_tokens), manifest)
    features = PairFeatures(data.documents, encoder, manifest.config.products, tell)
    features.know([text for of_query in views.texts.values() for text in of_query.values()], tell)
    features.know([text for texts in views.also.values() for text in texts], tell)
    rankings: dict[str, dict[str, dict[str, Ranking]]] = {arm: {} for arm in (*ARMS, AVERAGED, *BESIDE)}
    values = np.asarray(manifest.grades, dtype=np.float32)
    for number, fold in enumerate(manifest.folds):
        heads = {arm: load_head(folder, manifest, key_of(number, arm, alpha_of(arm, fold))) for arm in ARMS}
        for query in fold.test:
            pool = data.pool(query)
            places = np.array([data.place[document] for document in pool], dtype=np.int64)

            def ranked(scores: Any, pool: tuple[str, ...] = pool) -> Ranking:
                order = np.argsort(-scores, kind="stable").tolist()
                return Ranking(tuple(pool[place] for place in order), scores[order])

            for form, text in views.texts[query].items():
                pairs = features(text, places)
                view = views.learnt.index(form) if form in views.learnt else 0
                for arm, head in heads.items():
                    scores = probabilities([head], pairs, view) @ values
                    rankings[arm].setdefault(query, {})[form] = ranked(scores)
                rankings["cosine"].setdefault(query, {})[form] = ranked(features.cosine(text, places))
                if form in views.learnt[1:]:
                    continue
                others = [features(other, places) for other in views.also.get((query, form), (text,))]
                mean = np.mean([probabilities([heads["plain"]], other, 0) @ values for other in others], axis=0)
                rankings[AVERAGED].setdefault(query, {})[form] = ranked(mean)
        if tell is not None:
            tell(f"fold {number + 1} of {len(manifest.folds)}: {len(fold.test)} queries ranked")
    tested = [query for fold in manifest.folds for query in fold.test]
    for name in ("bm25", "random", "constant"):
        retriever = open_retriever(name).fit(data.documents)
        asked = [(query, form) for query in tested for form in views.texts[query]]
        found = retriever.rank(
            [views.texts[query][form] for query, form in asked], [data.pool(query) for query, _ in asked]
        )
        for (query, form), ranking in zip(asked, found, strict=True):
            rankings[name].setdefault(query, {})[form] = ranking

    def of(arms: Mapping[str, Any], forms: Sequence[str], certain: bool = False) -> dict[str, Repeated]:
        return {
            arm: Repeated(
                [
                    stability(
                        {
                            query: {
                                form: ranking
                                for form in forms
                                if (ranking := by_query[query].get(form)) is not None
                                and not (certain and form != RAW and views.missing(query, form))
                            }
                            for query in tested
                        },
                        data.judgements,
                    )
                ]
            )
            for arm, by_query in arms.items()
        }

    held = (RAW, *views.held_out)
    fell_back = any(form in held or form in views.learnt for _, form in views.fell_back)
    return Measured(
        held_out=of(rankings, held),
        learnt=of({arm: found for arm, found in rankings.items() if arm != AVERAGED}, views.learnt),
        certain=of(rankings, held, certain=True) if fell_back else None,
        fallback={"learnt": views.fallback_rate(views.learnt), "held_out": views.fallback_rate(views.held_out)},
        alphas=tuple(fold.alpha or 0.0 for fold in manifest.folds),
        forms={"learnt": views.learnt, "held_out": views.held_out},
    )


def together(times: Sequence[Measured]) -> Measured:
    """Measurements of rankers of several seeds as one. Raises `RankError` where they are of other queries or forms."""
    first = times[0]

    def merged(groups: Sequence[Mapping[str, Repeated]]) -> dict[str, Repeated]:
        return {arm: Repeated([each for group in groups for each in group[arm].times]) for arm in groups[0]}

    if any(each.forms != first.forms or {*each.held_out} != {*first.held_out} for each in times):
        raise RankError("the rankers have learnt other forms\n  measure them one by one")
    certain = [each.certain for each in times if each.certain is not None]
    return Measured(
        merged([each.held_out for each in times]),
        merged([each.learnt for each in times]),
        merged(certain) if certain else None,
        first.fallback,
        tuple(alpha for each in times for alpha in each.alphas),
        first.forms,
    )


def _small(estimate: PairedEstimate) -> str:
    """A small number with its interval, in ten-thousandths."""
    return f"{1e4 * estimate.mean:+.2f} [{1e4 * estimate.low:+.2f}, {1e4 * estimate.high:+.2f}] e-4, p = {estimate.p_value:.3g}"
