"""One scoring batch: the shared prompt once, then all questions and labels as one tree of tokens.

Prompt, suffix and label are tokenised each for itself, as plain raw text: no chat template, no special tokens. A label's
log-likelihood is the sum over its tokens of log p(token | prompt, suffix, label so far). Tokens that several questions
begin with are computed once: a token of the tree belongs to all sequences (leaves) below it.

The tokens go through the model in an order and in cells of the memory that depend on prompt and questions only. So equal
calls give bit-equal numbers on every worker, whatever was asked before and whatever runs beside. Whole chunks at the
beginning of the prompt that are equal to the last call's stay in memory; their numbers are the same by construction.

Rounding (8-bit activations) moves a number by about 0.1 nats when anything before it in the batch changes, also the order
of the questions. One call per question would not lessen that, only hide it, and take half as long again.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

from ..providers.base import Rejected
from ..types import Question, Usage
from .crew import Cancelled
from .cyllama_compat import Context, Step, Weights
from .tree import Leaf, tree

CHUNK = 128
"""Tokens in one batch: 64 cost 7 % more on a cold prompt, 256 gain nothing and lose shared beginnings."""

CELLS = 4096
"""Tokens that a context holds: the prompt and the questions that are open at once."""

SEQUENCES = 64
"""Paths of the tree that are computed in one go."""


class Scorer:
    """Scores batches on one context. Not for two threads at once."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.context = Context(weights, CELLS, CHUNK, SEQUENCES)
        self._held: list[int] = []
        self._cancelled: threading.Event | None = None

    def score(
        self, prompt: str, questions: Sequence[Question], cancelled: threading.Event | None = None
    ) -> tuple[list[list[float]], Usage]:
        """Log-likelihoods (nats), a list per question, a number per label. Raises `Rejected` for an empty label and
        for what does not fit into the context."""
        self._cancelled = cancelled
        values: list[list[float]] = [[] for _ in questions]
        used = 0
        for number, question in enumerate(
            questions
        ):  # first, so that the shared prompt stays in memory for the next call
            if question.alone:
                (values[number],), tokens = self._over(question.suffix, [Question("", question.labels)])
                used += tokens
        together = [number for number, question in enumerate(questions) if not question.alone]
        if together:
            found, tokens = self._over(prompt, [questions[number] for number in together])
            used += tokens
            for number, row in zip(together, found, strict=True):
                values[number] = row
        return values, Usage(prompt=used)

    def _over(self, prompt: str, questions: Sequence[Question]) -> tuple[list[list[float]], int]:
        """One prompt with all that is asked after it; also the tokens it took."""
        body, last = self._prompt(prompt)
        leaves = list(self._leaves(questions))
        longest = max(len(leaf.suffix) + len(leaf.label) for leaf in leaves)
        if len(body) + longest > CELLS:
            raise Rejected(
                f"prompt and longest question are {len(body) + longest} tokens, the local model reads {CELLS}: "
                "shorten the prompt or the question"
            )
        held, self._held = self._held, []
        kept = _shared_chunks(held, body)
        self.context.cut(kept)
        for start in range(kept, len(body), CHUNK):
            self._decode([Step(token, start + i, (0,)) for i, token in enumerate(body[start : start + CHUNK])])
        values = [[0.0] * len(question.labels) for question in questions]
        used = len(body)
        for wave in _waves(leaves, CELLS - len(body)):
            used += self._wave(last, len(body), wave, values)
        self._held = body
        return values, used

    def close(self) -> None:
        self.context.close()

    def _prompt(self, prompt: str) -> tuple[list[int], int]:
        """The prompt's tokens but the last, and the last: the root of the tree."""
        tokens = self.weights.start() + self.weights.tokens(prompt)
        if not tokens:  # a model without a beginning-of-sequence token reads an empty prompt as a new line
            tokens = self.weights.line_break()
        return tokens[:-1], tokens[-1]

    def _leaves(self, questions: Sequence[Question]) -> Iterator[Leaf]:
        for number, question in enumerate(questions):
            suffix = tuple(self.weights.tokens(question.suffix))
            for place, text in enumerate(question.labels):
                label = tuple(self.weights.tokens(text))
                if not label:
                    raise Rejected(f"label {place} of question {number} is empty: there is nothing to score")
                yield Leaf(number, place, suffix, label)

    def _wave(self, last: int, position: int, wave: Sequence[Leaf], values: list[list[float]]) -> int:
        """Compute some leaves over the prompt in memory, add what they read to `values`, and forget them."""
        nodes, sequences = tree(last, position, wave)
        self.context.branch(sequences)
        for start in range(0, len(nodes), CHUNK):
            part = nodes[start : start + CHUNK]
            self._decode([Step(node.token, node.position, node.sequences, bool(node.reads)) for node in part])
            for i, node in enumerate(part):
                if node.reads:
                    log_probs = self.context.log_probs(i)
                    for question, label, token in node.reads:
                        values[question][label] += float(log_probs[token])
        self.context.cut(position)
        return len(nodes)

    def _decode(self, steps: Sequence[Step]) -> None:
        if self._cancelled is not None and self._cancelled.is_set():
            raise Cancelled
        self.context.decode(steps)


def _shared_chunks(held: Sequence[int], body: Sequence[int]) -> int:
    """How many tokens the whole chunks hold in which two prompts begin alike."""
    most = min(len(held), len(body))
    end = 0
    while end + CHUNK <= most and held[end : end + CHUNK] == body[end : end + CHUNK]:
        end += CHUNK
    return end


def _waves(leaves: Sequence[Leaf], room: int) -> Iterator[list[Leaf]]:
    """Leaves in order, in groups that fit the context: at most `SEQUENCES` different paths, and `room` tokens if only
    equal paths were shared."""
    wave: list[Leaf] = []
    paths: set[tuple[int, ...]] = set()
    tokens = 1
    for leaf in leaves:
        path = leaf.path
        if wave and path not in paths and (len(paths) == SEQUENCES or tokens + len(path) > room):
            yield wave
            wave, paths, tokens = [], set(), 1
        wave.append(leaf)
        if path not in paths:
            paths.add(path)
            tokens += len(path)
    if wave:
        yield wave
