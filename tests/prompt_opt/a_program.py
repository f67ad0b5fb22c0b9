"""A DSPy program as a user writes one: the object, its examples and its metric in one module."""

from __future__ import annotations

import json
import re
from typing import Any

import dspy
from inprocess import asked
from recloop.llm.providers.base import ChatRequest

WORDS = ("closest", "carefully", "genre")
"""The model below knows more cases the more of these words its instructions have."""


class Pick(dspy.Signature):
    """Pick the next film."""

    history: str = dspy.InputField()
    film: str = dspy.OutputField()


class Picker(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.pick = dspy.Predict(Pick)

    def forward(self, history: str) -> dspy.Prediction:
        return self.pick(history=history)

    async def aforward(self, history: str) -> dspy.Prediction:
        return await self.pick.acall(history=history)


class SyncPicker(dspy.Module):
    """The same without async code."""

    def __init__(self) -> None:
        super().__init__()
        self.pick = dspy.Predict(Pick)

    def forward(self, history: str) -> dspy.Prediction:
        return self.pick(history=history)


program = Picker()


def examples() -> list[dspy.Example]:
    return [
        dspy.Example(history=f"HISTORY-{n} Alien, Heat", film=f"film-{n}").with_inputs("history") for n in range(60)
    ]


def metric(example: Any, pred: Any, trace: Any = None) -> bool:
    return pred.film == example.film


def gepa_metric(gold: Any, pred: Any, trace: Any = None, pred_name: Any = None, pred_trace: Any = None) -> Any:
    score = float(pred.film == gold.film)
    return dspy.Prediction(score=score, feedback=f"The film was {gold.film}; you said {pred.film}.")


def film_for(text: str) -> str:
    """What the model picks: right on n % 4 <= (how many of the words its instructions have)."""
    n = int(re.findall(r"HISTORY-(\d+)", text)[-1])
    knows = sum(word in text for word in WORDS)
    return f"film-{n}" if n % 4 <= knows else "film-none"


def model(request: ChatRequest) -> str:
    """Plays both roles: asked for a film it picks one; asked for anything else it writes an instruction."""
    text = asked(request)
    if "[[ ## film ## ]]" in text and "HISTORY-" in text and "proposed_instruction" not in text:
        return f"[[ ## film ## ]]\n{film_for(text)}\n\n[[ ## completed ## ]]"
    return write(request)


def write(request: ChatRequest) -> str:
    """A proposal in whatever form it is asked for: one more of the words than the request has."""
    text = asked(request)
    new = [word for word in WORDS if word not in text][:1]
    said = "Pick the next film " + " ".join([word for word in WORDS if word in text] + new) + "."
    if request.json_schema is not None:
        return json.dumps(dict.fromkeys(request.json_schema["properties"], said))
    fields = re.findall(r"\[\[ ## (\w+) ## \]\]", str(request.messages[0]["content"]))
    outputs = [name for name in dict.fromkeys(fields) if name != "completed"]
    if not outputs:
        return f"```\n{said}\n```"
    return "\n\n".join(f"[[ ## {name} ## ]]\n{said}" for name in outputs) + "\n\n[[ ## completed ## ]]"
