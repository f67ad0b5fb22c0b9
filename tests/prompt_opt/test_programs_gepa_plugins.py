"""gepa with our acceptance test and our choice of cases."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import gepa
import numpy as np
import pytest
from gepa.core.adapter import EvaluationBatch
from gepa.core.data_loader import ensure_loader
from gepa.strategies.acceptance import AcceptanceCriterion
from gepa.strategies.eval_policy import EvaluationPolicy
from recloop.prompt_opt.programs.gepa_plugins import PairedAcceptance, SharedCases, sign_flip

WORDS = ("intent", "recent", "genre")


class WordAdapter:
    """Scores a prompt on case n: 1 where it has more of the words than n % 4 asks for. Remembers what was asked."""

    propose_new_texts = None

    def __init__(self) -> None:
        self.asked: list[tuple[str, tuple[int, ...]]] = []

    def evaluate(self, batch: list[int], candidate: dict[str, str], capture_traces: bool = False) -> EvaluationBatch:
        self.asked.append((candidate["rank"], tuple(batch)))
        has = sum(word in candidate["rank"] for word in WORDS)
        scores = [float(n % 4 <= has) for n in batch]
        return EvaluationBatch(scores, scores, [{"n": n} for n in batch] if capture_traces else None)

    def make_reflective_dataset(self, candidate: Any, batch: Any, components: list[str]) -> dict[str, list[Any]]:
        return {"rank": [{"Inputs": trace["n"], "Feedback": "more words"} for trace in batch.trajectories]}


def reflect(prompt: Any) -> str:
    known = [word for word in WORDS if word in str(prompt)]
    return "```\nRank by " + " ".join([*known, *[word for word in WORDS if word not in known][:1]]) + "\n```"


def optimized(**options: Any) -> tuple[Any, WordAdapter]:
    adapter = WordAdapter()
    result = gepa.optimize(
        seed_candidate={"rank": "Rank."},
        trainset=list(range(40)),
        valset=list(range(100, 180)),
        adapter=adapter,  # type: ignore[arg-type]
        reflection_lm=reflect,
        reflection_minibatch_size=20,
        max_metric_calls=400,
        logger=SimpleNamespace(log=lambda message: None),
        **options,
    )
    return result, adapter


def test_gepa_runs_with_both_and_every_candidate_is_scored_on_the_same_cases() -> None:
    acceptance, policy = PairedAcceptance(), SharedCases(cases=30)
    assert isinstance(acceptance, AcceptanceCriterion)
    assert isinstance(policy, EvaluationPolicy)
    result, adapter = optimized(acceptance_criterion=acceptance, val_evaluation_policy=policy)
    assert result.best_candidate == {"rank": "Rank by intent recent genre"}
    validated = [batch for _, batch in adapter.asked if batch[0] >= 100]
    assert len(validated) == len(result.candidates) > 2
    assert all(len(batch) == 30 for batch in validated)
    assert all(first == second for first, second in pairwise(validated))
    full, _ = optimized()
    assert result.total_metric_calls < full.total_metric_calls


def test_a_child_no_better_than_its_parent_passes_no_oftener_than_the_level_says() -> None:
    rng = np.random.default_rng(5)
    acceptance, passed, by_sum = PairedAcceptance(0.1), 0, 0
    for _ in range(2000):
        before, after = rng.random(8), rng.random(8)
        passed += acceptance.should_accept(proposal(before, after), None)
        by_sum += after.sum() > before.sum()
    assert passed / 2000 < 0.12
    assert by_sum / 2000 > 0.45
    assert all(
        acceptance.should_accept(proposal(rng.random(8) * 0.3, 0.7 + rng.random(8) * 0.3), None) for _ in range(20)
    )


def test_too_few_examples_for_the_level_are_refused_and_a_rejection_says_why() -> None:
    with pytest.raises(ValueError, match="reflection_minibatch_size=4"):
        PairedAcceptance(0.1).should_accept(proposal([0, 0, 0], [1, 1, 1]), None)
    said = PairedAcceptance(0.1).reject_reason(proposal([0, 1, 0, 1], [1, 0, 0, 1]), None)
    assert "same 4 examples" in said
    assert "p = 0.750" in said


def test_the_sign_flip_is_exact_for_few_and_close_to_it_for_many() -> None:
    assert sign_flip([1, 1, 1]) == 1 / 8
    assert sign_flip([0, 0]) == 1.0
    assert sign_flip([0.3, -0.1]) == 2 / 4
    rng = np.random.default_rng(1)
    found = rng.normal(0.3, 1, 30)
    drawn = np.mean((rng.choice((-1, 1), (20_000, 30)) @ found) >= found.sum())
    assert sign_flip(found) == pytest.approx(drawn, abs=0.01)


def test_the_best_is_not_the_luckiest_of_equals() -> None:
    rng = np.random.default_rng(2)
    first = {case: float(rng.random() < 0.5) for case in range(60)}
    equals = [{case: float(rng.random() < 0.5) for case in first} for _ in range(5)]
    better = {case: min(1.0, value + float(rng.random() < 0.4)) for case, value in first.items()}
    policy = SharedCases(z=2.5)
    assert policy.get_best_program(state(first, *equals)) == 0
    assert policy.get_best_program(state(first, *equals, better)) == 6
    assert policy.get_valset_score(0, state(first)) == pytest.approx(np.mean(list(first.values())))
    loader = ensure_loader(list(range(50)))
    assert sorted(policy.get_seed_eval_batch(loader)) == list(range(50))
    assert SharedCases(10).get_seed_eval_batch(loader) == policy.get_seed_eval_batch(loader)[:10]


def proposal(before: Any, after: Any) -> Any:
    return SimpleNamespace(subsample_scores_before=list(before), subsample_scores_after=list(after))


def state(*scores: dict[int, float]) -> Any:
    return SimpleNamespace(prog_candidate_val_subscores=list(scores))
