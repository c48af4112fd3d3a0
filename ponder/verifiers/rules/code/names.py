"""Who supplies the names that tests use: the tests, trusted code, or the candidate.

The candidate supplies the entry point and what the row's own answer defines. A row that has neither names the
candidate's functions by calling them. Helpers that tests use without importing them (`Counter`, `isclose`, a module)
come from the standard library, in the tester: a candidate's own `Counter` could say of anything that it is equal.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

# Modules whose public names tests are seen to use without an import, the first that has a name counts.
_LIBRARIES = (
    "collections", "math", "itertools", "functools", "typing", "fractions", "decimal", "statistics", "string", "copy",
    "datetime", "heapq", "bisect",
)  # fmt: skip
# What steers Python itself is never raised in a test on a candidate's word; an AssertionError is a test's own finding.
_NEVER = {
    "AssertionError", "BaseException", "Exception", "GeneratorExit", "KeyboardInterrupt", "StopAsyncIteration",
    "StopIteration", "SystemExit",
}  # fmt: skip
_ALIASES = {"np": "numpy", "pd": "pandas"}


class Unclear(Exception):
    """It cannot be told what the candidate is to supply; the text says why."""


@dataclass(frozen=True, slots=True)
class Supplied:
    """`asked` are the candidate's names, `imports` a text that brings in what trusted code supplies."""

    asked: tuple[str, ...]
    imports: str


def supplied(trees: list[ast.Module], others: list[ast.Module], answer: ast.Module, entry: str) -> Supplied:
    """`others` belong to the tests (a prompt's helpers, set-up); `answer` is the row's own; `entry` may be ""."""
    bound = {name for tree in [*others, *trees] for name in _bound(tree)}
    modules = _modules(trees) - bound
    loaded = {node.id for node in _walk(trees) if isinstance(node, ast.Name)} - bound - modules
    unknown = {name for name in loaded if not hasattr(builtins, name)}
    own = set(_defined(answer))
    asked = (unknown & own) | ({entry} if entry else set())
    helpers = {name for name in unknown - asked if name in _library()}
    rest = unknown - asked - helpers
    imports = {name: line for name, line in _imported(answer).items() if name in rest}
    rest -= imports.keys()
    if not asked:
        asked, rest = rest, set()
    if not asked:
        asked = set(_most_called(trees, loaded, own))
    if rest:
        raise Unclear(
            f"the tests use {', '.join(sorted(rest))}, which neither the row nor its own answer defines and which is "
            f"not its entry point ({', '.join(sorted(asked))})"
        )
    if not asked:
        raise Unclear("the tests call nothing of the candidate's")
    if not entry and not own:
        _check_clear(trees, asked)
    for node in _walk(trees):
        if isinstance(node, ast.ExceptHandler) and node.type and asked & {n.id for n in _names(node.type)}:
            raise Unclear("the tests catch an exception of the candidate's own, which does not leave its box")
    lines = [f"import {_ALIASES[name]} as {name}" if name in _ALIASES else f"import {name}" for name in sorted(modules)]
    lines += [f"from {_library()[name]} import {name}" for name in sorted(helpers - asked)]
    return Supplied(tuple(sorted(asked)), "".join(f"{line}\n" for line in [*lines, *sorted(imports.values())]))


def caught(trees: list[ast.Module]) -> tuple[str, ...]:
    """The built-in exceptions that tests name, but for those that steer Python itself."""
    found = {node.id for node in _walk(trees) if isinstance(node, ast.Name)} - _NEVER
    kinds = {name: getattr(builtins, name, None) for name in found}
    return tuple(sorted(name for name, kind in kinds.items() if isinstance(kind, type) and issubclass(kind, Exception)))


def changes(trees: list[ast.Module], asked: set[str]) -> str:
    """What is to become of arguments that a candidate changes in place.

    "adopt" if tests call it for nothing but that (`rotate(xs)` as a line of its own), "watch" if they keep the result
    and use the argument again (`k = f(xs)`, then `xs[:k]`): from outside that cannot be told from cheating.
    """
    found = ""
    for body in _bodies(trees):
        for place, line in enumerate(body):
            if isinstance(line, ast.Expr) and _variables(line.value, asked):
                return "adopt"
            if isinstance(line, ast.Assign):
                later = {name.id for after in body[place + 1 :] for name in _outside_calls(after, asked)}
                found = "watch" if _variables(line.value, asked) & later else found
    return found


def _bodies(trees: list[ast.Module]) -> Iterator[list[ast.stmt]]:
    for node in _walk(trees):
        for field in ("body", "orelse", "finalbody"):
            if isinstance(body := getattr(node, field, None), list):
                yield body


def _variables(node: ast.expr, asked: set[str]) -> set[str]:
    """The variables that a call of the candidate's is given, if `node` is such a call."""
    if not isinstance(node, ast.Call):
        return set()
    owner = node.func.value if isinstance(node.func, ast.Attribute) else node.func
    owner = owner.func if isinstance(owner, ast.Call) else owner  # Solution().rotate(xs)
    method = isinstance(node.func, ast.Attribute) and "Solution" in asked
    if not method and not (isinstance(owner, ast.Name) and owner.id in asked):
        return set()
    return {part.id for part in node.args if isinstance(part, ast.Name)}


def _outside_calls(node: ast.AST, asked: set[str]) -> Iterator[ast.Name]:
    """Names that are read, but not as arguments of the candidate's."""
    if isinstance(node, ast.Call) and _variables(node, asked):
        return
    if isinstance(node, ast.Name):
        yield node
    for child in ast.iter_child_nodes(node):
        yield from _outside_calls(child, asked)


def _check_clear(trees: list[ast.Module], asked: set[str]) -> None:
    """In `assert close(area(3), 28.3)` one of the two could be a helper that finds anything close."""
    for node in _walk(trees):
        if isinstance(node, ast.Assert) and isinstance(node.test, ast.Call) and isinstance(node.test.func, ast.Name):
            outer = node.test.func.id
            inner = {n.func.id for part in node.test.args for n in ast.walk(part) if _is_call(n, asked)}  # type: ignore[attr-defined]
            inner = {name for name in inner if not name[:1].isupper()} - {outer}
            if outer in asked and inner:
                raise Unclear(f"which of {outer} and {', '.join(sorted(inner))} is asked for? say so with entry_point")


def _is_call(node: ast.AST, asked: set[str]) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in asked


def _most_called(trees: list[ast.Module], loaded: set[str], own: set[str]) -> list[str]:
    """MBPP asks for a `sum`. If tests call known names alone: the one that the answer has or that they call most."""
    calls = [
        node.func.id
        for node in _walk(trees)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in loaded
    ]
    return sorted([name for name in calls if name in own] or calls, key=calls.count)[-1:]


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


def _defined(answer: ast.Module) -> Iterator[str]:
    """What an answer defines at its top level."""
    for node in answer.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def _imported(answer: ast.Module) -> dict[str, str]:
    """What an answer imports from the standard library, as the line that does."""
    found = {}
    for node in answer.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in sys.stdlib_module_names:
            for alias in node.names:
                line = ast.unparse(ast.ImportFrom(node.module, [alias], 0))
                found[alias.asname or alias.name] = line
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] in sys.stdlib_module_names:
                    found[(alias.asname or alias.name).partition(".")[0]] = ast.unparse(ast.Import([alias]))
    return found


def _modules(trees: list[ast.Module]) -> set[str]:
    """Modules that tests use without importing them (`sys.getsizeof`): they counted on the candidate to."""
    nodes = list(_walk(trees))
    owners = {node.value.id for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)}
    called = {node.func.id for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    return (owners - called) & (sys.stdlib_module_names | {"numpy", *_ALIASES})


@lru_cache(maxsize=1)
def _library() -> dict[str, str]:
    """Public name -> the module that it comes from."""
    found: dict[str, str] = {}
    for name in _LIBRARIES:
        module = importlib.import_module(name)
        for public in getattr(module, "__all__", None) or [word for word in dir(module) if word[0] != "_"]:
            found.setdefault(public, name)
    return found


def _walk(trees: Iterable[ast.AST]) -> Iterator[ast.AST]:
    return (node for tree in trees for node in ast.walk(tree))


def _names(node: ast.AST) -> Iterator[ast.Name]:
    return (each for each in ast.walk(node) if isinstance(each, ast.Name))
