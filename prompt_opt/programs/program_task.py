"""`ProgramTask`: any DSPy program, with its metric, as a task of a prompt search."""

from __future__ import annotations

import hashlib
import inspect
import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ...llm.errors import ModelConfigError, ModelFailed
from ...llm.fence import fence
from ...llm.types import Outcome, Place, Status, Usage
from ...methods.recommenders.errors import RecommenderError
from ...methods.recommenders.load_object import load_object
from ..candidate import candidate_id
from ..errors import OptimizeError
from ..task import Case, Component, Diagnosis, Result, Texts
from .judging import Judged, arity, judge
from .metered import Metered, dspy_face

if TYPE_CHECKING:
    import dspy

    from ...llm.door import Door
    from ...llm.types import Model

KEPT = 64
"""Programs with their instructions set that are kept at hand."""

FAILS = 5
"""So many program errors before anything has gone well are the program's fault, not the model's answers'."""

BUGS = (NameError, ImportError, SyntaxError, NotImplementedError)
"""What no answer of a model can bring about."""

PERFECT = 1.0
"""A value from which a case counts as well done."""


class ProgramTask:
    """A DSPy program's predictors' instructions are the texts under search; its metric is what is maximised.

    `worst`: the value of an unusable answer. Metrics are expected between 0 and 1; others work, and selectors that bound
    differences are told so in their config. Instructions hold no placeholders: what a predictor is given is its
    signature's business. Demos and everything else of the program stay as they are.
    """

    metric = "score"

    def __init__(
        self,
        program: dspy.Module,
        examples: Sequence[dspy.Example],
        metric: Callable[..., Any],
        *,
        name: str = "",
        worst: float = 0.0,
        parts: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.program, self.judged_by, self.worst = program, metric, worst
        self.name = name or f"dspy:{type(program).__name__}"
        self.parts: Mapping[str, Sequence[str]] = dict(parts or {})
        predictors: dict[str, Any] = dict(program.named_predictors())
        if not predictors:
            raise OptimizeError(f"{self.name} has no predictors, so there is nothing to search over")
        if not examples:
            raise OptimizeError(
                f"{self.name} comes without examples\n  give a list of dspy.Example, or --data FILE.jsonl"
            )
        self.components: Mapping[str, Component] = {
            name: Component(predictor.signature.instructions, _purpose(name, predictor.signature))
            for name, predictor in predictors.items()
        }
        self.examples: dict[str, dspy.Example] = {f"{n:05d}": example for n, example in enumerate(examples)}
        self.cases: Sequence[Case] = [_case(id, example) for id, example in self.examples.items()]
        self._arguments = arity(metric)
        self._made: OrderedDict[str, Any] = OrderedDict()
        self._lock = threading.Lock()
        self._went_well = False
        self._fails = 0

    @property
    def hash(self) -> str:
        """Of the cases, the program's state but for its instructions, and the metric's text."""
        state = self.program.dump_state()
        for name in self.components:
            state.get(name, {}).get("signature", {}).pop("instructions", None)
        told = {
            "program": f"{type(self.program).__module__}.{type(self.program).__qualname__}",
            "state": state,
            "cases": [[case.shown, case.truth] for case in self.cases],
            "metric": _source(self.judged_by),
            "worst": self.worst,
        }
        text = json.dumps(told, sort_keys=True, ensure_ascii=False, default=str)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    def with_texts(self, texts: Texts) -> dspy.Module:
        """A copy of the program with these instructions."""
        program = self.program.deepcopy()
        set_instructions(program, texts)
        return program

    async def run(self, texts: Texts, case: Case, model: Model, at: Place) -> Outcome[Any]:
        """Run the program on one case; `value` is its prediction. Each of its calls is made at `at`.

        Raises `OptimizeError` where the program itself is broken: it failed before any answer, or on every first case.
        """
        import dspy

        calls: list[Outcome[Any]] = []
        lm = dspy_face(Metered(cast("Door", model), seen=calls.append), at)
        error: BaseException | None = None
        prediction: Any = None
        try:
            with dspy.context(lm=lm, disable_history=True, trace=[]):
                prediction = await _call(self._program(texts), dict(self.examples[case.id].inputs()))
        except Exception as problem:
            error = problem
        if error is None:
            self.well()
            return _spent("ok", calls, prediction, "")
        status, why = self.read(error, case.id, any(outcome.ok for outcome in calls))
        return _spent(status, calls, None, why)

    def score(self, case: Case, outcome: Outcome[Any]) -> Result:
        """Judge by the program's metric; GEPA's feedback becomes the diagnosis' text."""
        spent = {"tokens": outcome.usage.total, "calls": outcome.keys}
        example = self.examples[case.id]
        truth = _short(case.truth)
        result = Result(case.id, outcome.status, **spent)
        if result.missing:
            return result
        if outcome.status != "ok":
            text = f"The program gave no usable answer: {outcome.error}"
            told = Diagnosis("no answer", text, _clipped(outcome.text), truth)
            return Result(case.id, outcome.status, {self.metric: self.worst}, told, {"unusable": 1}, **spent)
        judged = self.judge(example, outcome.value)
        kind = "ok" if judged.value >= PERFECT else "low score"
        text = judged.feedback or f"Scored {judged.value:g}."
        told = Diagnosis(kind, text, _short(_items(outcome.value)), truth)
        return Result(case.id, "ok", {self.metric: judged.value}, told, **spent)

    def judge(self, example: Any, prediction: Any) -> Judged:
        """The program's own metric on one prediction."""
        try:
            return judge(self.judged_by, self._arguments, example, prediction)
        except OptimizeError:
            raise
        except Exception as problem:
            raise OptimizeError(
                f"the metric of {self.name} failed: {type(problem).__name__}: {problem}\n  recloop --traceback shows where"
            ) from problem

    def baselines(self, cases: Sequence[Case]) -> Mapping[str, Sequence[float]]:
        """None: what chance would score is known to the metric's author only."""
        return {}

    def story(self, case: Case) -> str:
        return "\n".join(fence(text, name) for name, text in _texts(case.shown).items())

    def _program(self, texts: Texts) -> Any:
        id = candidate_id(texts)
        with self._lock:
            if id not in self._made:
                self._made[id] = self.with_texts(texts)
                if len(self._made) > KEPT:
                    self._made.popitem(last=False)
            self._made.move_to_end(id)
            return self._made[id]

    def well(self) -> None:
        """The program has answered: what fails from now on is hardly its own fault."""
        self._went_well = True

    def read(self, error: Exception, case: str, answered: bool) -> tuple[Status, str]:
        """What a failed run was: a model's failure keeps its status, an answer that does not fit is a `parse_fail`.

        `answered`: whether the model had said anything before. Raises `OptimizeError` where the program is broken.
        """
        for each in _chain(error):
            if isinstance(each, ModelConfigError):
                raise each
        if (failed := model_failure(error)) is not None:
            return failed
        why = f"{type(error).__name__}: {error}"
        self._fails += 1
        if not answered or isinstance(error, BUGS) or (not self._went_well and self._fails >= FAILS):
            raise OptimizeError(
                f"{self.name} failed on case {case}: {why}\n"
                "  does it run by itself on that example? recloop --traceback shows where"
            ) from error
        return "parse_fail", f"the program could not use the answer: {_clipped(why)}"


def model_failure(error: BaseException) -> tuple[Status, str] | None:
    """How the model failed, where it is the model's failure that made a program raise; None where it is not."""
    from dspy.utils.exceptions import AdapterParseError

    for each in _chain(error):
        if isinstance(each, ModelFailed):
            return each.outcome.status, each.outcome.error
        if isinstance(each, AdapterParseError):
            return "parse_fail", f"the answer does not fit the signature: {_clipped(str(each))}"
    return None


def set_instructions(program: dspy.Module, texts: Texts) -> None:
    """Give predictors their instructions, by name."""
    predictor: Any
    for name, predictor in program.named_predictors():
        if name in texts:
            predictor.signature = predictor.signature.with_instructions(texts[name])


def open_program(
    spec: str,
    *,
    data: str | Path | None = None,
    trainset: Sequence[dspy.Example] | None = None,
    metric: Callable[..., Any] | None = None,
    inputs: Sequence[str] | str = (),
    worst: float = 0.0,
    **unknown: Any,
) -> ProgramTask:
    """The task of a program named `module:program` or `path/to/file.py:program`, with or without `dspy:` before it.

    The name is a `dspy.Module`, or a class or function that makes one without arguments. The object, else its module,
    also gives `examples` (a list of `dspy.Example`, or a function that makes it) and `metric`, unless they are given
    here. `data`: a JSONL file instead of `examples`; `inputs` names its input fields (default: those of the predictors
    that are there). `worst`: the value of an unusable answer.
    """
    import dspy

    if unknown:
        raise OptimizeError(f"a DSPy program has no option {', '.join(unknown)}\n  its options: inputs, worst")
    if isinstance(inputs, str):
        inputs = [name.strip() for name in inputs.split(",") if name.strip()]

    spec = spec.removeprefix("dspy:")
    where, _, path = spec.rpartition(":")
    names: Mapping[str, Any] = {}
    try:
        names = load_object(f"{where}:__dict__") if where and path else {}
        found: Any = reduce(getattr, path.split(".")[1:], names[path.split(".")[0]])
    except (KeyError, AttributeError):
        found = _loaded(spec)  # which says what is wrong with it
    except RecommenderError as error:
        raise OptimizeError(str(error)) from error
    program: Any = found if isinstance(found, dspy.Module) else found() if callable(found) else found
    if not isinstance(program, dspy.Module):
        raise OptimizeError(
            f"{spec} is a {type(program).__name__}, not a dspy.Module\n  name a program, or what makes one"
        )

    def of(name: str) -> Any:
        return getattr(program, name, None) or getattr(found, name, None) or names.get(name)

    metric = metric or of("metric")
    if metric is None:
        raise OptimizeError(f"{spec} comes without a metric\n  define metric(example, pred, trace=None) beside it")
    if data is not None:
        trainset = read_examples(Path(data), inputs or _inputs_of(program))
    if trainset is None:
        trainset = of("examples")
        trainset = trainset() if callable(trainset) else trainset
    return ProgramTask(program, list(trainset or ()), metric, name=f"dspy:{spec}", worst=float(worst))


def read_examples(file: Path, inputs: Sequence[str]) -> list[dspy.Example]:
    """Examples from a file of JSON objects, one a line. Raises `OptimizeError` naming the line."""
    import dspy

    if not file.is_file():
        raise OptimizeError(f"no file {file}\n  check the path")
    examples = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise OptimizeError(f"{file} line {number}: not JSON ({error})") from None
        if not isinstance(row, dict) or not (known := [name for name in inputs if name in row]):
            raise OptimizeError(f"{file} line {number}: no object with any of the input fields {', '.join(inputs)}")
        examples.append(dspy.Example(**row).with_inputs(*known))
    return examples


def _loaded(spec: str) -> Any:
    try:
        return load_object(spec)
    except RecommenderError as error:
        raise OptimizeError(str(error)) from error


async def _call(program: Any, given: dict[str, Any]) -> Any:
    import dspy

    if hasattr(type(program), "aforward"):
        return await program.acall(**given)
    return await cast("Any", dspy.asyncify(program))(
        **given
    )  # a program of sync code alone: in a thread, its calls come back here


def _spent(status: Status, calls: Iterable[Outcome[Any]], value: Any, error: str) -> Outcome[Any]:
    """One outcome of all calls of a run."""
    calls = list(calls)
    costs = [outcome.cost for outcome in calls]
    keys = tuple(dict.fromkeys(key for outcome in calls for key in outcome.keys))
    return Outcome(
        status,
        value,
        calls[-1].text if calls else "",
        error,
        Usage(sum(call.usage.prompt for call in calls), sum(call.usage.completion for call in calls)),
        None if None in costs else sum(cost or 0.0 for cost in costs),
        sum(call.latency for call in calls),
        sum(call.attempts for call in calls),
        bool(calls) and all(call.recorded for call in calls),
        keys[0] if keys else "",
        keys,
    )


def _case(id: str, example: dspy.Example) -> Case:
    labels = example.labels()
    return Case(id, _plain(dict(example.inputs())), _plain(dict(labels)))


def _plain(value: Any) -> Any:
    """A value as JSON: models by their fields, what else there may be by its words."""
    return json.loads(json.dumps(value, default=_words, ensure_ascii=False))


def _words(value: Any) -> Any:
    for name in ("model_dump", "toDict"):
        if callable(found := getattr(value, name, None)):
            return found()
    return str(value)


def _items(prediction: Any) -> Any:
    return _plain(prediction.toDict() if hasattr(prediction, "toDict") else prediction)


def _texts(fields: Any) -> dict[str, str]:
    if not isinstance(fields, Mapping):
        return {"answer": str(fields)}
    return {name: v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for name, v in fields.items()}


def _short(fields: Any) -> str:
    return _clipped("; ".join(f"{name}: {text}" for name, text in _texts(fields).items()))


def _clipped(text: str, longest: int = 600) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _purpose(name: str, signature: Any) -> str:
    given, wanted = ", ".join(signature.input_fields), ", ".join(signature.output_fields)
    return f"instructions of the step {name!r}, which is given {given} and answers with {wanted}"


def _inputs_of(program: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for _, each in program.named_predictors() for name in each.signature.input_fields))


def _source(metric: Callable[..., Any]) -> str:
    try:
        return inspect.getsource(metric)
    except (OSError, TypeError):
        return getattr(metric, "__qualname__", type(metric).__qualname__)


def _chain(error: BaseException | None) -> Iterable[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
