"""How weak are a task's tests? Single-fault mutants of the reference (DeMillo et al. 1978) that they accept.

A mutant is the reference with one thing changed: a comparison or operator for its neighbour, a constant by one, a
condition turned round, a returned value for None. Of 420 mutants of MBPP and HumanEval answers the official tests
accepted 12.6 % when this was first measured. Some mutants mean the same as the reference (`i < n` for `i != n` in a
counting loop), so a score of 1 cannot be had everywhere: the score bounds the weakness from above.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ponder.types import Problem, Verdict

GradeAll = Callable[[Sequence[Problem], Sequence[str]], Sequence[Verdict]]
_SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.Add: ast.Sub, ast.Sub: ast.Add,
    ast.Mult: ast.Add, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.Pow: ast.Mult,
    ast.And: ast.Or, ast.Or: ast.And, ast.UAdd: ast.USub, ast.USub: ast.UAdd,
}  # fmt: skip


@dataclass(frozen=True)
class MutationScore:
    """`refused` of the judged mutants; `survivors` are the programs that the tests accept. `score` is None for none."""

    refused: int
    survivors: tuple[str, ...]
    unjudged: int = 0

    @property
    def score(self) -> float | None:
        judged = self.refused + len(self.survivors)
        return self.refused / judged if judged else None


def mutants(source: str, most: int | None = None) -> list[str]:
    """All different single-fault mutants in the order of the source, or `most` of them evenly spread over it.

    A body without its function (a HumanEval answer) is mutated as one and comes back as a body.
    """
    body = _is_body(source)
    tree = ast.parse(f"def _():\n{source}" if body else source)
    original = _unparsed(tree, body)
    found = dict.fromkeys(text for _ in _faults(tree) if (text := _unparsed(tree, body)) != original)
    texts = list(found)
    if most is None or len(texts) <= most:
        return texts
    return [texts[place * len(texts) // most] for place in range(most)]


def mutation_score(problem: Problem, grade: GradeAll, most: int | None = None) -> MutationScore:
    """Grade the mutants of the problem's own answer."""
    texts = mutants(problem.key.answer or "", most)
    verdicts = grade([problem] * len(texts), texts)
    survivors = tuple(text for text, verdict in zip(texts, verdicts, strict=True) if verdict.outcome == 1.0)
    return MutationScore(
        sum(verdict.outcome == 0.0 for verdict in verdicts), survivors, sum(v.outcome is None for v in verdicts)
    )


def _is_body(source: str) -> bool:
    first = next((line for line in source.splitlines() if line.strip()), "")
    return first[:1].isspace()


def _unparsed(tree: ast.Module, body: bool) -> str:
    text = ast.unparse(ast.fix_missing_locations(tree))
    return text.partition("\n")[2] + "\n" if body else text + "\n"


def _faults(tree: ast.Module) -> Iterator[None]:
    """Put one fault after the other into the tree; each is there while this is suspended and gone afterwards."""
    for node in list(ast.walk(tree)):
        if isinstance(node, ast.Compare):
            for place, operator in enumerate(node.ops):
                yield from _item(node.ops, place, _swapped(operator))
        elif isinstance(node, ast.BinOp | ast.BoolOp | ast.AugAssign | ast.UnaryOp):
            yield from _field(node, "op", _swapped(node.op))
        elif isinstance(node, ast.Constant):
            for value in _neighbours(node.value):
                yield from _field(node, "value", value)
        elif isinstance(node, ast.If | ast.While | ast.IfExp):
            yield from _field(node, "test", ast.UnaryOp(ast.Not(), node.test))
        elif isinstance(node, ast.Return) and node.value is not None:
            yield from _field(node, "value", ast.Constant(None))


def _neighbours(value: object) -> tuple[object, ...]:
    if isinstance(value, bool):
        return (not value,)
    return (value + 1, value - 1) if isinstance(value, int | float) else ()


def _swapped(operator: ast.AST) -> ast.AST | None:
    other = _SWAPS.get(type(operator))
    return other() if other else None


def _field(node: ast.AST, name: str, value: object) -> Iterator[None]:
    if value is not None:
        before = getattr(node, name)
        setattr(node, name, value)
        yield
        setattr(node, name, before)


def _item(items: list[ast.cmpop], place: int, value: ast.AST | None) -> Iterator[None]:
    if isinstance(value, ast.cmpop):
        before = items[place]
        items[place] = value
        yield
        items[place] = before
