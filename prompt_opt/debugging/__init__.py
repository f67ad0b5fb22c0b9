"""The debugger for prompt searches: every step, candidate and answer; breakpoints; editing before acceptance; forks.

debugger.py              `SearchDebugger`, the only face: Python, the commands and the page are thin over it
views.py                 what is shown
recording.py, showing.py the log as moments, steps and candidates
fields.py                names that a condition may use
session.py               breakpoints and place, beside the run
watching.py              going on to where a breakpoint holds, or a candidate is to be accepted
edits.py, forking.py     how edits are written; a fork with them; what the recorded answers still hold for
diffing.py               two searches held against each other
"""

from .debugger import SearchDebugger
from .errors import ConditionError, DebugError
from .views import (
    Breakpoint,
    CallView,
    CandidateView,
    CaseView,
    Difference,
    Hit,
    Moment,
    Overview,
    SearchFork,
    StepView,
    Stop,
)

__all__ = [
    "Breakpoint",
    "CallView",
    "CandidateView",
    "CaseView",
    "ConditionError",
    "DebugError",
    "Difference",
    "Hit",
    "Moment",
    "Overview",
    "SearchDebugger",
    "SearchFork",
    "StepView",
    "Stop",
]
