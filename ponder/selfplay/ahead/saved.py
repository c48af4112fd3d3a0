"""Answers that were drawn and not yet learned from, as plain data for a checkpoint, and back again.

Everything comes back as it was: the tree of steps (which share their beginnings), each float, and the containers in the
key of a problem. Nothing is pickled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ponder.types import Group, Key, PonderError, Problem, Question, Step, StopReason, Trajectory, Verdict


def groups_as_data(groups: Sequence[Group]) -> list[dict[str, Any]]:
    """Plain lists, tables, numbers and texts. PonderError for a problem whose key holds something else."""
    return [_group(group) for group in groups]


def groups_of(data: Sequence[Mapping[str, Any]]) -> list[Group]:
    """What `groups_as_data` was given."""
    return [_restored(one) for one in data]


def _group(group: Group) -> dict[str, Any]:
    steps: list[Step] = []
    place: dict[int, int] = {}
    for trajectory in group.trajectories:
        for step in trajectory.steps:
            if id(step) not in place:
                place[id(step)] = len(steps)
                steps.append(step)
    question, key = group.problem.question, group.problem.key
    return {
        "question": _plain(asdict(question), question.id),
        "key": [key.answer, _plain(dict(key.data), question.id)],
        "steps": [_step(step, place) for step in steps],
        "leaves": [place[id(trajectory.leaf)] for trajectory in group.trajectories],
        "verdicts": [_plain(asdict(verdict), question.id) for verdict in group.verdicts],
    }


def _step(step: Step, place: Mapping[int, int]) -> list[Any]:
    parent = None if step.parent is None else place[id(step.parent)]
    numbers = [list(step.tokens), list(step.logprobs)]
    return [*numbers, step.text, step.version, step.stop.value, parent, step.forced]


def _restored(data: Mapping[str, Any]) -> Group:
    question = Question(**_back(data["question"]))
    answer, key = data["key"]
    steps: list[Step] = []
    for tokens, logprobs, text, version, stop, parent, forced in data["steps"]:
        before = None if parent is None else steps[parent]
        steps.append(Step(tuple(tokens), tuple(logprobs), text, version, StopReason(stop), before, forced))
    return Group(
        Problem(question, Key(answer, _back(key))),
        tuple(Trajectory(question, steps[leaf]) for leaf in data["leaves"]),
        tuple(Verdict(**_back(verdict)) for verdict in data["verdicts"]),
    )


def _plain(value: Any, name: str) -> Any:
    """JSON knows neither tuples nor keys that are numbers, so containers say what they are."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return ["d", *([_plain(key, name), _plain(item, name)] for key, item in value.items())]
    for mark, kind in (("t", tuple), ("l", list)):
        if isinstance(value, kind):
            return [mark, *(_plain(item, name) for item in value)]
    raise PonderError(
        f"problem {name}: its key holds {type(value).__name__}, which a checkpoint cannot keep; answers that were "
        "drawn ahead are saved with their problems: let the family put plain numbers, texts, lists and tables there, "
        "or set staleness.updates=0"
    )


def _back(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    mark, *items = value
    if mark == "d":
        return {_back(key): _back(item) for key, item in items}
    return tuple(map(_back, items)) if mark == "t" else [_back(item) for item in items]
