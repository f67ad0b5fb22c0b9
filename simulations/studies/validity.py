"""Can the simulator be trusted to choose between recommenders? Simulated order against real held-out data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from ..outcome.numbers import LEAST_HITS, Baseline, Row
from .honesty import who_played
from .ranks import by_chance
from .study import Result, StudyConfig, StudyError
from .validity_design import FEW, LEAST, ValidityConfig
from .validity_pairs import pairs_of, smallest_rows
from .validity_planted import planted_rows, play_planted
from .validity_played import Real, Sample, play, play_strangers, read_real, real_quality
from .validity_ranks import Draws, agreement, agreement_of_halves, drop_of, values_of, weights_of
from .validity_rows import metric_rows, retest_rows, variant_rows
from .validity_shown import cases_of, plots_of
from .validity_verdict import verdict_of
from .workshop import Workshop


class Validity:
    """Ranks recommenders by what simulated users do and by real held-out rows, and says how far the two agree."""

    name: ClassVar[str] = "validity"
    question: ClassVar[str] = "Can the simulator be trusted to choose between recommenders?"
    config_type: ClassVar[type[StudyConfig]] = ValidityConfig

    async def carry_out(self, config: ValidityConfig, workshop: Workshop) -> Result:
        arms = config.arms
        if len(arms) < LEAST:
            raise StudyError(
                f"{len(arms)} recommenders have too few orders to tell agreement from chance: give {LEAST} or more\n"
                "  degraded versions count:  --option shares=0.25,0.5,0.75"
            )
        real = read_real(await workshop.part("real", lambda: real_quality(config, workshop)))
        own = await play(config, workshop, {})
        others = {name: await play(config, workshop, changes, name) for name, changes in config.variants.items()}
        strangers = await play_strangers(config, workshop)
        planted = planted_rows(await workshop.part("planted", lambda: play_planted(config)))
        return _result(config, workshop, list(arms), real, own, others, strangers, planted)


def _result(
    config: ValidityConfig,
    workshop: Workshop,
    arms: list[str],
    real: Real,
    own: Sample,
    others: Mapping[str, Sample],
    strangers: Sample,
    planted: Mapping[str, Row],
) -> Result:
    if config.metric not in own.sums:
        raise StudyError(
            f"these rehearsals say nothing of {config.metric} (no ratings, or fewer than {LEAST_HITS} hits)\n"
            f"  take one of {', '.join(own.sums) or 'none'}:  --option metric=…"
        )
    n = len(arms)
    truth = real.values[config.real]
    w_real = weights_of(truth.shape[1], 1)
    truly = Draws(truth.mean(axis=1), w_real @ truth.T / truth.shape[1])
    weights, w_strangers = weights_of(len(own.users)), weights_of(len(strangers.users))
    played = {key: values_of(sums.sum(axis=0), weights) for key, sums in own.sums.items()}
    alien = {key: values_of(sums.sum(axis=0), w_strangers) for key, sums in strangers.sums.items()}
    halves = agreement_of_halves(truth)
    low, high = by_chance(n)
    rivals = (
        Baseline(0.0, f"unrelated orders of {n} (95 %: {low:.2f} to {high:.2f})"),
        Baseline(halves, f"real {config.real} of one half of the users with that of the other"),
    )
    rows: list[Row] = []
    agreements, drops = {}, {}
    for key, simulated in played.items():
        found = agreements[key] = agreement(simulated, truly)
        control = agreement(alien[key], truly) if key in alien else None
        drops[key] = None if control is None else drop_of(found, control)
        rows += metric_rows(key, config.real, found, control, drops[key], n, rivals)
        rows += retest_rows(key, own.sums[key], weights, n)
    for name, sample in others.items():
        rows += variant_rows(name, config, sample, truly, own, n, rivals)
    # One kind of pairs table per metric; the verdict reads the one of its own metric.
    pairs = {key: pairs_of(arms, sums.sum(axis=0), truth) for key, sums in own.sums.items() if key != "lift"}
    for key, each in pairs.items():
        rows += smallest_rows(key, config.real, each)
    if config.metric not in pairs:
        pairs[config.metric] = pairs_of(arms, own.sums[config.metric].sum(axis=0), truth)
    rows += planted.values()
    notes = who_played(workshop)
    if n < FEW:
        notes.append(
            f"{n} recommenders carry little: unrelated orders agree up to {high:.2f} in 95 of 100 cases; more of them"
            " (or degraded versions: shares) say more than more users do"
        )
    notes.append(
        "intervals draw users again (real and simulated ones each on their own); rows 'recommenders drawn too' draw the"
        " recommenders as well, and are what holds for recommenders like these"
    )
    notes.append(
        "the taste-shuffled control keeps what does not hang on taste: popular and well-rated items stay so for everybody"
    )
    return Result(
        verdict_of(config, n, agreements[config.metric], drops[config.metric], planted, pairs[config.metric]),
        rows,
        cases_of(config, arms, real, own, played, alien, pairs),
        plots_of(config, arms, truly, played, agreements, alien),
        notes,
    )
