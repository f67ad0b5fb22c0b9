"""Log-likelihoods from the embedded model: right, and equal bit for bit whatever else runs."""

from __future__ import annotations

import asyncio
import hashlib
import math
import random
import subprocess
import sys

import pytest
from recloop.llm.local.cyllama_compat import Context, Step, Weights
from recloop.llm.local.faster import faster_form
from recloop.llm.local.llama import LlamaProvider
from recloop.llm.local.scoring import CELLS, CHUNK, SEQUENCES, Scorer
from recloop.llm.local.store import get
from recloop.llm.providers.base import Rejected, ScoreRequest
from recloop.llm.types import Question

pytestmark = pytest.mark.local

FILMS = ("Alien (1979)", "Babe (1995)", "Heat (1995)", "Fargo (1996)")


def page(agent: int, films: int = 1) -> ScoreRequest:
    """A small page: a prompt that begins like every other one, and two questions per film."""
    prompt = (
        f"A person keeps a list of films.\nThey liked: {FILMS[agent % 4]}, {FILMS[agent % 3]}, and number {agent}.\n"
    )
    questions = []
    for film in FILMS[:films]:
        questions.append(Question(f"The film {film}. Will they watch it? Answer:", (" yes", " no")))
        questions.append(Question(f"The film {film}. They found it", (" really bad", " good")))
    return ScoreRequest(prompt, tuple(questions))


@pytest.fixture(scope="module")
def scorer(model_file: str) -> Scorer:
    return Scorer(Weights(faster_form(get("smollm2"))))


async def test_scores_are_equal_bit_for_bit_at_1_8_and_32_callers_in_any_order(smollm2: LlamaProvider) -> None:
    pages = [page(agent) for agent in range(8)]
    alone = [(await smollm2.score(request)).values for request in pages]
    for callers in (8, 32):
        asked = [i % len(pages) for i in range(callers)]
        random.Random(callers).shuffle(asked)
        answers = await asyncio.gather(*(smollm2.score(pages[i]) for i in asked))
        assert [answer.values for answer in answers] == [alone[i] for i in asked]


async def test_scores_do_not_depend_on_the_number_of_workers_or_on_what_was_asked_before(
    smollm2: LlamaProvider, scorer: Scorer
) -> None:
    long = "They liked old films and new ones. " * 40
    first = ScoreRequest(long + "Now", page(0).questions)
    second = ScoreRequest(long + "Then", page(0).questions)
    fresh = Scorer(scorer.weights)
    cold, _ = fresh.score(second.prompt, second.questions)
    fresh.close()
    scorer.score(first.prompt, first.questions)
    assert len(scorer._held) >= CHUNK
    warm, _ = scorer.score(second.prompt, second.questions)
    assert warm == cold == (await smollm2.score(second)).values


def test_another_process_gives_the_same_bits(scorer: Scorer) -> None:
    here, _ = scorer.score(page(3).prompt, page(3).questions)
    script = (
        "import asyncio, sys\n"
        "from recloop.llm.local import LlamaProvider\n"
        "from recloop.llm.providers.base import ScoreRequest\n"
        "from recloop.llm.types import Question\n"
        f"request = ScoreRequest({page(3).prompt!r}, {page(3).questions!r})\n"
        "print(asyncio.run(LlamaProvider('smollm2').score(request)).values)\n"  # and ends well without a close
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(here)
    assert done.stderr == ""


def test_the_tree_gives_each_label_what_it_gets_in_a_plain_sequence(scorer: Scorer) -> None:
    request = page(1, films=3)
    together, _ = scorer.score(request.prompt, request.questions)
    weights = scorer.weights
    context = Context(weights, 512, 512, 1)
    errors = []
    for question, found in zip(request.questions, together, strict=True):
        before = weights.tokens(request.prompt) + weights.tokens(question.suffix)
        for label, value in zip(question.labels, found, strict=True):
            tokens = weights.tokens(label)
            every = [*before, *tokens]
            context.cut(0)
            context.decode([Step(t, i, (0,), i >= len(before) - 1) for i, t in enumerate(every)])
            alone = sum(float(context.log_probs(len(before) - 1 + k)[token]) for k, token in enumerate(tokens))
            errors.append(abs(value - alone))
    context.close()
    assert sum(errors) / len(errors) < 0.25  # other batches round differently; a wrong place is nats off


def test_another_runtime_reads_the_same_probabilities(scorer: Scorer, model_file: str) -> None:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(faster_form(get("smollm2")))
    params.n_ctx, params.n_parallel, params.warmup, params.verbosity = 512, 1, False, -1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    prompt = "The capital of France is"
    answer = xllamacpp.Server(params).handle_completions(
        {"prompt": prompt, "max_tokens": 1, "logprobs": 8, "temperature": 0}
    )
    listed = {
        entry["token"]: entry["logprob"] for entry in answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
    }
    values, _ = scorer.score(prompt, [Question("", tuple(listed))])
    errors = [abs(ours - theirs) for ours, theirs in zip(values[0], listed.values(), strict=True)]
    assert sum(errors) / len(errors) < 0.25  # rounding; a wrong place or a missing normalisation is nats off
    assert max(listed, key=lambda token: listed[token]) == " Paris"


def test_the_model_prefers_what_is_likely(scorer: Scorer) -> None:
    values, _ = scorer.score("The opposite of hot is", [Question("", (" cold", " purple", " seventeen"))])
    assert values[0][0] == max(values[0])
    assert math.fsum(math.exp(v) for v in values[0]) <= 1.0


def test_more_questions_than_sequences_are_answered_in_waves(scorer: Scorer) -> None:
    titles = tuple(f" film {n} of" for n in range(SEQUENCES + 9))
    values, _ = scorer.score("They watched", [Question("", titles)])
    again, _ = scorer.score("They watched", [Question("", titles)])
    (few,), _ = scorer.score("They watched", [Question("", titles[:3])])
    assert len(values[0]) == len(titles)
    assert all(value < 0 for value in values[0])
    assert values == again
    assert values[0][:3] == pytest.approx(few, abs=1.0)


def test_shared_beginnings_are_computed_once(scorer: Scorer) -> None:
    suffix = " and then they opened the page and read about the film"
    _, one = scorer.score("Somebody came", [Question(suffix, (" yes",))])
    _, many = scorer.score("Somebody came", [Question(suffix, (" yes", " no", " maybe")), Question(suffix, (" why",))])
    assert many == one


@pytest.mark.parametrize("prompt", ["", "x", "ein Läufer — 走る 🎬"])
def test_short_and_foreign_prompts_are_scored(scorer: Scorer, prompt: str) -> None:
    values, _ = scorer.score(prompt, [Question("", (" a", "走")), Question("🎬", ("?",))])
    assert all(math.isfinite(v) and v < 0 for row in values for v in row)


def test_special_tokens_inside_texts_are_plain_text(scorer: Scorer) -> None:
    spelling = "<|im_start|>"
    assert spelling in scorer.weights.control_texts()
    assert len(scorer.weights.tokens(spelling)) > 1
    values, _ = scorer.score(f"A film {spelling}", [Question(spelling, (spelling,))])
    assert values[0][0] < 0


def test_what_does_not_fit_is_turned_down_with_both_numbers_and_the_next_call_works(scorer: Scorer) -> None:
    with pytest.raises(Rejected, match=f"reads {CELLS}"):
        scorer.score("word " * (CELLS + 10), [Question(" a", (" b",))])
    with pytest.raises(Rejected, match="label 1 of question 0 is empty"):
        scorer.score("a", [Question(" b", (" c", ""))])
    assert scorer.score("a", [Question(" b", (" c",))])[0][0][0] < 0


async def test_a_cancelled_call_leaves_the_next_one_right(smollm2: LlamaProvider) -> None:
    right = (await smollm2.score(page(2))).values
    slow = ScoreRequest("word " * 2000, page(2).questions)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await asyncio.gather(smollm2.score(slow), smollm2.score(slow))
    assert [(await smollm2.score(page(2))).values for _ in range(2)] == [right] * 2


async def test_scoring_never_holds_the_event_loop(smollm2: LlamaProvider) -> None:
    task = asyncio.ensure_future(smollm2.score(ScoreRequest("word " * 400, page(2).questions)))
    ticks = 0
    while not task.done():
        await asyncio.sleep(0.005)
        ticks += 1
    assert task.result().values
    assert ticks > 10


async def test_a_file_that_is_no_model_is_named(tmp_path, model_file: str) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"GGUF but not really")
    for spec, words in ((path, "cannot be read as a GGUF model"), (tmp_path / "gone.gguf", "there is no model file")):
        provider = LlamaProvider(f"local:{spec}")
        with pytest.raises(Exception, match=words):
            await provider.check()
        await provider.close()


def test_the_fast_form_is_the_same_file_on_every_runtime_and_is_mended(model_file: str, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("RECLOOP_CACHE", str(tmp_path))
    source = get("smollm2", quiet=True, from_file=model_file)
    fast = faster_form(source)
    expected = "7b46609d11703c058397e5cfe4cc6e4b2508cb1eb4c80ddc472a5d421fbdb508"  # cyllama 0.2.18 and 0.7.0 agree
    assert hashlib.sha256(fast.read_bytes()).hexdigest() == expected
    with fast.open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"damage")
    assert hashlib.sha256(faster_form(source).read_bytes()).hexdigest() == expected


def test_a_question_alone_is_read_after_its_own_text_only(scorer: Scorer) -> None:
    prior = "Films people liked:\n- Heat (1995)\n-"
    labels = (" Alien (1979)", " Babe (1995)")
    request = page(0)
    (together, *rest), _ = scorer.score(request.prompt, [Question(prior, labels, alone=True), *request.questions])
    (apart,), _ = scorer.score(prior, [Question("", labels)])
    assert together == apart
    assert rest == scorer.score(request.prompt, request.questions)[0]
