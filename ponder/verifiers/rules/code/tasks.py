"""What a row's tests are, read into one of two kinds of task.

    function style   `tests` is a list of assert statements (MBPP, with `test_setup` and `challenge_tests`), or a text
                     of them, or a text that defines `check(candidate)` (HumanEval, with `entry_point`); or
                     {"fn_name", "inputs", "outputs"} with lists of arguments
    programs         `tests` is {"inputs", "outputs"} or a list of {"input", "output"}, texts for the standard streams

In function style the names that the tests use and nobody defines are the candidate's; a built-in name is the
candidate's only if the tests would otherwise call nothing of it (MBPP asks for a `sum`). What a HumanEval prompt
defines besides the function that it asks for belongs to the tests as well as to the candidate.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


class TaskError(Exception):
    """Tests that cannot be read; the text says why."""


@dataclass(frozen=True, slots=True)
class FunctionTask:
    """`asked` are the candidate's names; `setup` and `tests` run in the tester, `prelude` before the candidate."""

    asked: tuple[str, ...]
    setup: str
    tests: tuple[str, ...]
    entry: str = ""
    prompt: str = ""
    prelude: str = ""


@dataclass(frozen=True, slots=True)
class ProgramTask:
    """Pairs of standard input and expected standard output."""

    cases: tuple[tuple[str, str], ...]


Task = FunctionTask | ProgramTask


def read_task(data: Mapping[str, Any], question: str = "") -> Task:
    """The task of a row with `tests`. Raises TaskError."""
    tests = data.get("tests")
    if isinstance(tests, str) and tests.lstrip()[:1] in ("{", "["):
        with contextlib.suppress(ValueError):  # test code may begin with a bracket, too
            tests = json.loads(tests)
    if isinstance(tests, dict) and tests.get("fn_name"):
        return _calls(str(tests["fn_name"]), tests)
    if isinstance(tests, dict) or (isinstance(tests, list) and tests and isinstance(tests[0], dict)):
        return ProgramTask(tuple(_cases(tests)))
    texts = [tests] if isinstance(tests, str) else tests
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) and text.strip() for text in texts):
        raise TaskError("tests are a text, a list of texts, or inputs with outputs")
    challenge = data.get("challenge_tests") or []
    return _function(
        [*texts, *challenge], str(data.get("test_setup") or ""), str(data.get("entry_point") or ""), question
    )


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


def _calls(name: str, tests: Mapping[str, Any]) -> FunctionTask:
    """`fn_name` with lists of arguments and results as asserts; a result in a list of one counts as well."""
    inputs, outputs = tests.get("inputs"), tests.get("outputs")
    if not name.isidentifier() or not isinstance(inputs, list) or not isinstance(outputs, list) or not inputs:
        raise TaskError("fn_name needs a name, inputs and outputs")
    if len(inputs) != len(outputs) or not all(isinstance(arguments, list) for arguments in inputs):
        raise TaskError("inputs must be lists of arguments, one for each output")
    lines = [
        f"assert {name}(*{arguments!r}) in ({expected!r},)" for arguments, expected in zip(inputs, outputs, strict=True)
    ]
    return FunctionTask((name,), "", tuple(lines), entry=name)


def _function(texts: list[str], setup: str, entry: str, question: str) -> FunctionTask:
    trees = [_parsed(text, "tests") for text in texts]
    opening = _opening(question, entry) if entry else None
    prompt, helpers = (question, opening) if opening is not None else ("", "")
    if entry and any(
        isinstance(node, ast.FunctionDef) and node.name == "check" for tree in trees for node in tree.body
    ):
        texts = ["\n".join(texts) + f"\ncheck({entry})\n"]
        trees = [_parsed(texts[0], "tests")]
    if entry and not entry.isidentifier():
        raise TaskError(f"entry_point {entry[:40]!r} is no name")
    own = [_parsed(helpers, "prompt"), _parsed(setup, "test_setup"), *trees]
    bound = {name for tree in own for name in _bound(tree)}
    modules = _modules(trees) - bound
    asked = _asked(trees, bound | modules, entry)
    if not asked:
        raise TaskError("the tests call nothing of the candidate's")
    imports = "".join(f"import {name}\n" for name in sorted(modules))
    return FunctionTask(asked, f"{imports}{helpers}\n{setup}", tuple(texts), entry or asked[0], prompt, helpers)


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


def _bound(tree: ast.Module) -> Iterable[str]:
    """Every name that a text gives a meaning somewhere."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]
        elif isinstance(node, ast.ExceptHandler) and node.name:
            yield node.name


def _modules(trees: list[ast.Module]) -> set[str]:
    """Standard modules that tests use without importing them (`sys.getsizeof`): they counted on the candidate to."""
    nodes = [node for tree in trees for node in ast.walk(tree)]
    owners = {node.value.id for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)}
    called = {node.func.id for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    return (owners - called) & sys.stdlib_module_names


def _asked(trees: list[ast.Module], bound: set[str], entry: str) -> tuple[str, ...]:
    loaded = {node.id for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Name)} - bound
    asked = {name for name in loaded if not hasattr(builtins, name)} | ({entry} if entry else set())
    if asked:
        return tuple(sorted(asked))
    calls = [
        node.func.id
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in loaded
    ]
    return tuple(sorted(calls, key=calls.count)[-1:])
