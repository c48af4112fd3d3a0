"""What a row's tests are, read into one of two kinds of task.

    function style   `tests` is a list of assert statements (MBPP, with `test_setup` and `challenge_tests`), or a text
                     of them, or a text that defines `check(candidate)` (HumanEval, with `entry_point`)
    calls            {"fn_name", "inputs", "outputs"} with lists of arguments; or cases with `"testtype": "functional"`,
                     whose input is one JSON value a line and whose output is one
    programs         `tests` is {"inputs", "outputs"} or a list of {"input", "output"}, texts for the standard streams


Which names are the candidate's stands in `names`. What a HumanEval prompt defines besides the function that it asks for
belongs to the tests as well as to the candidate.
"""

from __future__ import annotations

import ast
import contextlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ponder.verifiers.rules.code import names


class TaskError(Exception):
    """Tests that cannot be read; the text says why."""


@dataclass(frozen=True, slots=True)
class FunctionTask:
    """`asked` are the candidate's names; `setup` and `tests` run in the tester, `prelude` before the candidate.

    `caught` are the built-in exceptions that the tests name, `changes` what becomes of arguments that the candidate
    changes in place: "adopt" them, "watch" for them (the tests may look at them), or "" for neither.
    """

    asked: tuple[str, ...]
    setup: str
    tests: tuple[str, ...]
    entry: str = ""
    prompt: str = ""
    prelude: str = ""
    caught: tuple[str, ...] = ()
    changes: str = ""


@dataclass(frozen=True, slots=True)
class ProgramTask:
    """Pairs of standard input and expected standard output."""

    cases: tuple[tuple[str, str], ...]


Task = FunctionTask | ProgramTask


# What the graders of such rows put before a solution, so solutions come without it.
_PRELUDE = """
import bisect, collections, functools, heapq, itertools, math
from collections import Counter, OrderedDict, defaultdict, deque
from functools import cache, lru_cache, reduce
from typing import *
"""
# JSON knows neither tuples nor keys that are numbers, and NaN is no answer that equals itself.
_SAME = """
nan, inf = float("nan"), float("inf")

def _key(key):
    return key if isinstance(key, str) else json.dumps(key)

def _same(got, want):
    if hasattr(got, "tolist"):
        got = got.tolist()
    if isinstance(want, list):
        return isinstance(got, (list, tuple)) and len(got) == len(want) and all(map(_same, got, want))
    if isinstance(want, dict):
        if not isinstance(got, dict) or len(got) != len(want):
            return False
        keyed = {_key(key): value for key, value in got.items()}
        return keyed.keys() == want.keys() and all(_same(keyed[key], want[key]) for key in want)
    return got == want or (got != got and want != want)

_forms = {"plain", "in a list"}

def _right(function, arguments, want, listed):
    got = function(*arguments)
    if got is None and want is not None and arguments:
        got = arguments[0]
    found = {"plain"} if _same(got, want) else set()
    if listed and _same(got, want[0]):
        found.add("in a list")
    _forms.intersection_update(found)
    return bool(_forms)
"""


def read_task(data: Mapping[str, Any], question: str = "", answer: str = "") -> Task:
    """The task of a row with `tests`; `answer` is the row's own program. Raises TaskError."""
    tests = data.get("tests")
    if isinstance(tests, str) and tests.lstrip()[:1] in ("{", "["):
        with contextlib.suppress(ValueError):  # test code may begin with a bracket, too
            tests = json.loads(tests)
    if isinstance(tests, dict) and tests.get("fn_name"):
        return _calls(str(tests["fn_name"]), tests.get("inputs"), tests.get("outputs"))
    if isinstance(tests, list) and any(
        isinstance(case, dict) and case.get("testtype") == "functional" for case in tests
    ):
        return _calls(_function_name(data), *_lines(tests))
    if isinstance(tests, dict) or (isinstance(tests, list) and tests and isinstance(tests[0], dict)):
        return ProgramTask(tuple(_cases(tests)))
    texts = [tests] if isinstance(tests, str) else tests
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) and text.strip() for text in texts):
        raise TaskError("tests are a text, a list of texts, or inputs with outputs")
    challenge = data.get("challenge_tests") or []
    setup, entry = str(data.get("test_setup") or ""), str(data.get("entry_point") or "")
    return _function([*texts, *challenge], setup, entry, question, answer)


def _cases(tests: Any) -> Iterable[tuple[str, str]]:
    if isinstance(tests, dict):
        inputs, outputs = tests.get("inputs"), tests.get("outputs")
        if not isinstance(inputs, list) or not isinstance(outputs, list) or not inputs or len(inputs) != len(outputs):
            raise TaskError("inputs and outputs must be lists of the same length, with something in them")
        pairs = list(zip(inputs, outputs, strict=True))
    else:
        pairs = [(case.get("input"), case.get("output")) if isinstance(case, dict) else (None, None) for case in tests]
    for pair in pairs:
        if not all(
            isinstance(side, str) or (isinstance(side, list) and all(isinstance(x, str) for x in side)) for side in pair
        ):
            raise TaskError("an input and an output are texts")
        given, expected = ("\n".join(side) if isinstance(side, list) else side for side in pair)
        yield given, expected


def _function_name(data: Mapping[str, Any]) -> str:
    """The function that functional cases call, wherever the row says so."""
    more = data.get("metadata")
    if isinstance(more, str):
        with contextlib.suppress(ValueError):
            more = json.loads(more)
    places = [data, more if isinstance(more, dict) else {}]
    found = [place.get(field) for place in places for field in ("entry_point", "fn_name", "func_name")]
    return next((str(name) for name in found if name), "")


def _lines(cases: list[Any]) -> tuple[list[Any], list[Any]]:
    """Inputs and outputs of functional cases."""
    inputs, outputs = [], []
    for case in cases:
        try:
            inputs.append([json.loads(line) for line in case["input"].splitlines() if line.strip()])
            outputs.append(json.loads(case["output"]))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise TaskError(f"a functional case needs JSON in input and output ({error})") from error
    return inputs, outputs


def _calls(name: str, inputs: Any, outputs: Any) -> FunctionTask:
    """`fn_name` with lists of arguments and results as asserts.

    Lists of one in the place of each result count as well, if they do so for all results of a candidate.
    """
    if not name.isidentifier() or not isinstance(inputs, list) or not isinstance(outputs, list) or not inputs:
        raise TaskError("fn_name needs a name, inputs and outputs")
    if len(inputs) != len(outputs) or not all(isinstance(arguments, list) for arguments in inputs):
        raise TaskError("inputs must be lists of arguments, one for each output")
    listed = all(isinstance(want, list) and len(want) == 1 for want in outputs)
    lines = [
        f"assert _right({name}, {arguments!r}, {want!r}, {listed}), {_shown(name, arguments, want)!r}"
        for arguments, want in zip(inputs, outputs, strict=True)
    ]
    adopted = "adopt" if any(type(part) in (list, dict) for arguments in inputs for part in arguments) else ""
    return FunctionTask((name,), f"import json\n{_SAME}", tuple(lines), entry=name, prelude=_PRELUDE, changes=adopted)


def _shown(name: str, arguments: list[Any], want: Any) -> str:
    given = ", ".join(map(repr, arguments))
    return f"{name}({given[:100]}) is not {want!r}"[:200]


def _function(texts: list[str], setup: str, entry: str, question: str, answer: str) -> FunctionTask:
    if entry and not entry.isidentifier():
        raise TaskError(f"entry_point {entry[:40]!r} is no name")
    trees = [_parsed(text, "tests") for text in texts]
    opening = _opening(question, entry) if entry else None
    prompt, helpers = (question, opening) if opening is not None else ("", "")
    if entry and any(
        isinstance(node, ast.FunctionDef) and node.name == "check" for tree in trees for node in tree.body
    ):
        texts = ["\n".join(texts) + f"\ncheck({entry})\n"]
        trees = [_parsed(texts[0], "tests")]
    others = [_parsed(helpers, "prompt"), _parsed(setup, "test_setup")]
    try:
        own = ast.parse(answer)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # the body of a function, or no program
        own = ast.Module([], [])
    try:
        found = names.supplied(trees, others, own, entry)
    except names.Unclear as error:
        raise TaskError(str(error)) from error
    return FunctionTask(
        found.asked,
        f"{found.imports}{helpers}\n{setup}",
        tuple(texts),
        entry or found.asked[0],
        prompt,
        helpers,
        names.caught([*others, *trees]),
        names.changes([*others, *trees], {*found.asked, "candidate"}),
    )


def _parsed(text: str, what: str) -> ast.Module:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise TaskError(f"{what} cannot be parsed: {error}") from error


def _opening(question: str, entry: str) -> str | None:
    """What a prompt of code holds besides the function that it asks for; None if it is no code that asks for it."""
    try:
        tree = ast.parse(question)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    others = [node for node in tree.body if getattr(node, "name", None) != entry]
    return None if len(others) == len(tree.body) else ast.unparse(ast.Module(others, []))
