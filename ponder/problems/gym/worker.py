"""What runs in the process behind `process`: makes items of reasoning-gym and scores answers.

Items are named by (task, level, parameters, item seed) and made again whenever they are needed, so that a key is a
few numbers and a replaced process can go on.
"""

from __future__ import annotations

import json
import random
import resource
import signal
from collections.abc import Mapping
from dataclasses import MISSING, fields, replace
from functools import lru_cache
from typing import Any

import numpy

from ponder.problems.gym.gold import gold
from ponder.problems.gym.guard import disarm, is_harmless
from ponder.problems.gym.solver import task_classes
from ponder.problems.gym.strict import passes
from ponder.problems.overlap import normalise
from ponder.problems.splits import draw
from ponder.types import PonderError

DATASETS, CURRICULA = task_classes()
# Seconds of computing that one answer may cost. Counted in processor time: a busy machine must not turn a right answer
# into a failure.
SCORE_SECONDS = 1.8
# Candidates in a row that a generator may fail on before its parameters are to blame.
MOST_FAILURES = 200
# Their data files take longer to read than an item to make; an item depends on nothing but the seed and these.
REUSABLE = {"arc_agi", "codeio", "figlet_font", "group_anagrams", "rush_hour", "word_ladder"}
# Not difficulty: we set the seed ourselves and make one item at a time.
OURS = {"seed", "size"}


def describe(task: str) -> dict[str, Any]:
    cls, config = DATASETS[task]
    defaults = {}
    for f in fields(config):
        value = f.default if f.default is not MISSING else f.default_factory() if callable(f.default_factory) else None
        defaults[f.name] = value
    listed = json.loads(json.dumps({k: v for k, v in defaults.items() if k not in OURS}, default=lambda _: None))
    summary = (cls.__doc__ or "").strip().partition("\n")[0].rstrip(".")
    return {"parameters": listed, "levels": _levels(task), "summary": summary}


def _levels(task: str) -> int:
    if task not in CURRICULA:
        return 0
    return max((len(attribute.levels) for attribute in CURRICULA[task]().attributes.values()), default=0)


def _config(task: str, level: int, parameters: str, seed: int) -> Any:
    """The task's configuration: step `level` of its curriculum (0: its own default), changed by `parameters` (JSON)."""
    changes = {**json.loads(parameters), "seed": seed, "size": 1}
    if level == 0:
        return DATASETS[task][1](**changes)
    curriculum = CURRICULA[task]()
    curriculum.set_global_level(level - 1)
    return replace(curriculum.generate_configuration(), **changes)


@lru_cache(maxsize=8)
def _reusable(task: str, level: int, parameters: str) -> Any:
    return _dataset(task, level, parameters, 0)


def _dataset(task: str, level: int, parameters: str, seed: int) -> Any:
    config = _config(task, level, parameters, seed)
    if hasattr(config, "validate"):
        config.validate()
    return DATASETS[task][0](config=config)


@lru_cache(maxsize=512)
def make(task: str, level: int, parameters: str, seed: int) -> tuple[Any, dict[str, Any]]:
    """The data set and its entry. Global generators are set because some tasks draw from them."""
    random.seed(seed)
    numpy.random.seed(seed)
    if task in REUSABLE:
        data = _reusable(task, level, parameters)
        data.seed = seed
    else:
        data = _dataset(task, level, parameters, seed)
    return data, data[0]


def draw_item(task: str, level: int, parameters: str, stream: str, split: str) -> dict[str, Any]:
    """The first item of `stream` in `split` whose gold answer gets its full mark."""
    failures: list[str] = []

    def candidate(rng: random.Random) -> dict[str, Any] | None:
        seed = rng.getrandbits(31)
        try:
            data, entry = make(task, level, parameters, seed)
            answer = gold(task, entry)
            if answer and _marked(task, data, entry, answer)[0] == 1.0:
                failures.clear()
                return {"item": seed, "question": entry["question"], "gold": answer}
            failures.append("its gold answer does not get the full mark from its own scorer")
        except Exception as error:  # a generator may fail on some seeds, or on all if its parameters are bad
            failures.append(f"{type(error).__name__}: {error}")
        if len(failures) == MOST_FAILURES:
            raise PonderError(failures[-1])
        return None

    return draw(stream, split, candidate, lambda item: normalise(item["question"]))


def score(task: str, level: int, parameters: str, seed: int, answer: str) -> tuple[float, str]:
    """The raw score and, if there is one to tell, why. A scorer that stumbles over an answer finds it wrong."""
    data, entry = make(task, level, parameters, seed)
    signal.setitimer(signal.ITIMER_PROF, SCORE_SECONDS)  # ends this process, even inside one long operation
    try:
        return _marked(task, data, entry, answer)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _marked(task: str, data: Any, entry: dict[str, Any], answer: str) -> tuple[float, str]:
    if not is_harmless(task, answer):
        return 0.0, "not a formula"
    try:
        mark = float(data.score_answer(answer, entry))
    except MemoryError:
        raise
    except Exception as error:  # scorers assume well-formed answers
        return 0.0, f"the scorer stumbles: {type(error).__name__}"
    if mark == 1.0 and not passes(task, answer, gold(task, entry)):
        return 0.0, "the scorer gives it the full mark, but to wrong answers too"
    return mark, ""


def serve(request: Mapping[str, Any]) -> Any:
    """The value that one request asks for."""
    if request["op"] == "tasks":
        return sorted(DATASETS)
    if request["op"] == "describe":
        return describe(request["task"])
    setting = request["task"], request["level"], json.dumps(request["parameters"], sort_keys=True)
    if request["op"] == "draw":
        return draw_item(*setting, request["stream"], request["split"])
    if request["op"] == "load":
        return bool(make(*setting, request["item"]))
    return score(*setting, request["item"], request["answer"])


def reply(request: Mapping[str, Any]) -> dict[str, Any]:
    """The value under "value", or the failure "generator" with its reason. A MemoryError is the pool's affair."""
    try:
        return {"value": serve(request)}
    except MemoryError:
        raise
    except Exception as error:  # bad parameters come as whatever the package raises
        return {"failure": "generator", "detail": str(error) or type(error).__name__}


def prepare() -> None:
    """Before the first request: scorers that evaluate are disarmed, and nothing can write a file."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    disarm()
