"""The tasks of the package reasoning-gym, one family each: `gym:chain_sum`, `gym:chain_sum?max_terms=8`.

A task's own scorer judges; only its full mark, 1.0, is right, and partial credit is kept in the verdict's detail. An
item is drawn until it lies in the split asked for (by the hash of its question) and until its own gold answer scores
1.0, so nothing is served that the scorer could not recognise. Generators and scorers run in a process of their own
(see `process`), because some depend on Python's hash seed, some draw from global generators and some evaluate text.

`level` 0 is the task's own default; level k is step k of the curriculum that the package defines for the task.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ponder.names import known
from ponder.problems.answers import final_answer
from ponder.problems.gym.process import call
from ponder.problems.names import typed
from ponder.problems.splits import check_split
from ponder.types import Key, PonderError, Problem, Question, Verdict

INSTRUCTIONS = "Think step by step. After your thinking, give the answer alone, in the form that the task asks for."
# Seconds of waiting for one answer and for one item, on a busy machine. What one answer may compute is limited more
# tightly in `worker`; slow generators (knight_swap, futoshiki) need seconds for each candidate.
SCORE_SECONDS, DRAW_SECONDS = 30.0, 300.0
# Why a task of the package cannot be a family.
REFUSED = {"composite": "it only mixes other tasks; write gym:a,gym:b instead"}
# Tasks whose own scorer gives full marks to a right answer with other text behind it.
FORGIVING = {
    "fraction_simplification",
    "gsm_symbolic",
    "knights_knaves",
    "letter_jumble",
    "propositional_logic",
    "quantum_lock",
    "rush_hour",
    "sokoban",
    "survo",
    "time_intervals",
}


def tasks() -> list[str]:
    """The names of all tasks that can be asked for."""
    return [name for name in call({"op": "tasks"}, DRAW_SECONDS)["value"] if name not in REFUSED]


def describe(task: str) -> dict[str, Any]:
    """`{"parameters": {name: default}, "levels": highest level, "summary": one line}` of a task."""
    if task in REFUSED:
        raise PonderError(f"gym:{task} is no family of its own: {REFUSED[task]}")
    known("reasoning-gym task", task, tasks())
    value: dict[str, Any] = _ask({"op": "describe", "task": task})
    return value


def gym(task: str, parameters: Mapping[str, str]) -> Gym:
    """The family `gym:task` with `parameters` as text; `level` is one of them."""
    about = describe(task)
    defaults = {**about["parameters"], "level": 0}
    values = {key: typed(f"gym:{task}", key, text, defaults) for key, text in parameters.items()}
    level = values.pop("level", 0)
    if not 0 <= level <= about["levels"]:
        raise PonderError(f"gym:{task}: level={level}; allowed are 0 to {about['levels']}")
    return Gym(task, values, level, about["levels"])


@dataclass(frozen=True)
class Gym:
    """Task `task`; `parameters` override those of its level, of which `levels` is the highest."""

    task: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    level: int = 0
    levels: int = 0

    @property
    def name(self) -> str:
        return f"gym:{self.task}"

    def at_level(self, level: int) -> Gym:
        """The same task harder or easier; beyond its last level it stays as hard as it gets."""
        return Gym(self.task, self.parameters, max(0, min(level, self.levels)), self.levels)

    def problem(self, index: int, *, split: str = "train", seed: int = 0) -> Problem:
        """A pure function of its arguments, for one version of the package and of Python."""
        check_split(split)
        setting = {"task": self.task, "level": self.level, "parameters": dict(self.parameters)}
        stream = f"{json.dumps(setting, sort_keys=True)}/{seed}/{index}"
        item = _ask({"op": "draw", **setting, "stream": stream, "split": split})
        changes = "".join(f"-{key}={value}" for key, value in sorted(self.parameters.items()))
        question = Question(
            id=f"gym-{self.task}-{self.level}{changes}-{split}-{seed}-{index}",
            family=self.name,
            text=item["question"],
            instructions=INSTRUCTIONS,
            level=self.level,
        )
        return Problem(question, Key(item["gold"], {**setting, "item": item["item"]}))

    def grade(self, problem: Problem, response: str) -> Verdict:
        """Right if the scorer gives the answer its full mark. A hostile answer ends as a typed failure."""
        text = final_answer(response)
        if text is None:
            return Verdict(outcome=0.0, detail="no answer after the thinking")
        entry = dict(problem.key.data)
        # Only the answer is on the short clock: a new process must make the item again before it can judge.
        loaded = call({"op": "load", **entry}, DRAW_SECONDS)
        reply = loaded if "failure" in loaded else call({"op": "score", **entry, "answer": text}, SCORE_SECONDS)
        if "failure" in reply:
            return Verdict(failure=reply["failure"], extracted=text, detail=reply["detail"])
        score, detail = reply["value"]
        return Verdict(outcome=float(score == 1.0), extracted=text, detail=detail or f"score {score:g}")

    def near_misses(self, problem: Problem) -> list[str]:
        """No answer, an unfinished one, an evasion and, where the scorer is strict, the right one with more behind."""
        gold = problem.key.answer or ""
        misses = ["", f"<think>\n{gold}", f"{gold}</think>", "I do not know", "@@@"]
        return misses if self.task in FORGIVING else [*misses, f"{gold}\n@@@"]


def _ask(request: Mapping[str, Any]) -> Any:
    reply = call(request, DRAW_SECONDS)
    if "failure" in reply:
        raise PonderError(f"gym:{request['task']}: {reply['detail']}; change its parameters or choose another task")
    return reply["value"]
