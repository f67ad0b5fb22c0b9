"""Where new prompts come from, one operator or source per file.

contract.py                                         what an operator is, and what it works from
errors.py                                           errors of a prompt in clusters, and how a case is shown
refine.py (reasons.py), paraphrase.py, merge.py, shorten.py, persona.py    operators that ask a model
bank.py (bank_words.py)                             edits of our own, for models that cannot write prompts
"""

from .contract import Brief, Operator, Proposed
from .merge import Merge
from .paraphrase import Paraphrase
from .persona import Persona
from .refine import Refine
from .shorten import Shorten

OPERATORS: dict[str, Operator] = {
    operator.name: operator for operator in (Refine(), Paraphrase(), Merge(), Shorten(), Persona())
}

__all__ = ["OPERATORS", "Brief", "Operator", "Proposed"]
