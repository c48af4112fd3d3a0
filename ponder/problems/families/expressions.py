"""Exact value of an arithmetic expression with + - * / and parentheses. Nothing is evaluated as Python."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

_TOKEN = re.compile(r"\s*(\d+|[-+*/()])")
_LONGEST = 400
# Nested parentheses or signs; each costs three calls, and an answer must not exhaust the stack.
_DEEPEST = 60


class ExpressionError(ValueError):
    """The text is not an expression of numbers, + - * / and parentheses."""


def numbers_in(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)]


def evaluate(text: str) -> Fraction:
    """The exact value; raises ExpressionError for anything else, division by zero included."""
    tokens = _tokenize(text)
    value, rest = _sum(tokens, 0)
    if rest != len(tokens):
        raise ExpressionError(f"unexpected {tokens[rest]!r} in {text!r}")
    return value


def _tokenize(text: str) -> list[str]:
    if len(text) > _LONGEST:
        raise ExpressionError(f"expression of {len(text)} characters; at most {_LONGEST}")
    tokens, at = [], 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or not match.group().isascii():
            raise ExpressionError(f"unexpected {text[at]!r} in expression")
        tokens.append(match.group(1))
        at = match.end()
    if tokens.count("(") > _DEEPEST or re.search(rf"(-\s*){{{_DEEPEST}}}", text):
        raise ExpressionError(f"more than {_DEEPEST} parentheses or signs")
    return tokens


def _sum(tokens: list[str], at: int) -> tuple[Fraction, int]:
    value, at = _product(tokens, at)
    while at < len(tokens) and tokens[at] in "+-":
        right, after = _product(tokens, at + 1)
        value, at = (value + right if tokens[at] == "+" else value - right), after
    return value, at


def _product(tokens: list[str], at: int) -> tuple[Fraction, int]:
    value, at = _atom(tokens, at)
    while at < len(tokens) and tokens[at] in "*/":
        right, after = _atom(tokens, at + 1)
        if tokens[at] == "/" and right == 0:
            raise ExpressionError("division by zero")
        value, at = (value * right if tokens[at] == "*" else value / right), after
    return value, at


def _atom(tokens: list[str], at: int) -> tuple[Fraction, int]:
    if at == len(tokens):
        raise ExpressionError("the expression stops where a number is due")
    if tokens[at] == "-":
        value, at = _atom(tokens, at + 1)
        return -value, at
    if tokens[at] == "(":
        value, at = _sum(tokens, at + 1)
        if at == len(tokens) or tokens[at] != ")":
            raise ExpressionError("a parenthesis is not closed")
        return value, at + 1
    if not tokens[at].isdigit():
        raise ExpressionError(f"unexpected {tokens[at]!r} where a number is due")
    return Fraction(int(tokens[at])), at + 1


@dataclass(frozen=True, slots=True)
class _Node:
    """A number, or a flat sum or product: `parts` with whether each is subtracted or divided by."""

    operator: str  # "", "+" or "*"
    text: str
    parts: tuple[tuple[bool, _Node], ...] = ()


def normal_form(text: str) -> str:
    """One spelling for all expressions that differ only in order and brackets: `6*3*1` and `(3*6)*1` are `1*3*6`.

    Sums and products are flattened and sorted; nothing is computed, so `6*3/1` stays another expression. Raises
    ExpressionError.
    """
    tokens = _tokenize(text)
    evaluate(text)  # refuses what is no expression
    tree, _ = _flat_sum(tokens, 0)
    return tree.text


def _flat_sum(tokens: list[str], at: int) -> tuple[_Node, int]:
    first, at = _flat_product(tokens, at)
    parts = [(False, first)]
    while at < len(tokens) and tokens[at] in "+-":
        right, after = _flat_product(tokens, at + 1)
        parts.append((tokens[at] == "-", right))
        at = after
    return _joined("+", parts), at


def _flat_product(tokens: list[str], at: int) -> tuple[_Node, int]:
    first, at = _flat_atom(tokens, at)
    parts = [(False, first)]
    while at < len(tokens) and tokens[at] in "*/":
        right, after = _flat_atom(tokens, at + 1)
        parts.append((tokens[at] == "/", right))
        at = after
    return _joined("*", parts), at


def _flat_atom(tokens: list[str], at: int) -> tuple[_Node, int]:
    if tokens[at] == "-":
        inner, at = _flat_atom(tokens, at + 1)
        return _joined("+", [(True, inner)]), at
    if tokens[at] == "(":
        inner, at = _flat_sum(tokens, at + 1)
        return inner, at + 1
    return _Node("", str(int(tokens[at]))), at + 1


def _joined(operator: str, parts: list[tuple[bool, _Node]]) -> _Node:
    """A flat sum ("+") or product ("*") in its order; of one part that is not turned round, the part itself."""
    flat: list[tuple[bool, _Node]] = []
    for turned, node in parts:
        inner = node.parts if node.operator == operator else ((False, node),)
        flat += [(turned != other, part) for other, part in inner]
    if len(flat) == 1 and not flat[0][0]:
        return flat[0][1]
    flat.sort(key=lambda part: (part[0], len(part[1].text), part[1].text))
    sign, inverse = operator, "-" if operator == "+" else "/"
    pieces = []
    for turned, node in flat:
        text = f"({node.text})" if node.operator and (operator == "*" or node.operator == "+") else node.text
        pieces.append((inverse if turned else sign) + text)
    first = pieces[0].removeprefix(sign)
    return _Node(operator, first + "".join(pieces[1:]), tuple(flat))
