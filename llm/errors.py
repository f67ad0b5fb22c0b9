"""What the door raises. A model's failure is never raised (see `Outcome`); these are mistakes that a person can mend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .types import Outcome


class ModelConfigError(Exception):
    """The model cannot be used as asked: unknown name, wrong key, no network, no such ability. The text says what to do."""


class BudgetError(ModelConfigError):
    """A budget that cannot be kept: a limit that is no number, dollars for a model whose price is unknown, nothing left for
    the first call."""


class ReplayDiverged(Exception):
    """A replay asked for a call that was not recorded; the text names the place and what differs there."""


class PromptError(ValueError):
    """A prompt file or the fields given to it do not fit; the text names the file and the field."""


class ModelFailed(RuntimeError):
    """A call without an answer, for libraries that know no typed outcome (LangChain, DSPy); `outcome` says how it ended."""

    def __init__(self, outcome: Outcome[Any]) -> None:
        super().__init__(f"{outcome.status}: {outcome.error}")
        self.outcome = outcome
