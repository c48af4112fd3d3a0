"""A calculator: exact whole numbers and fractions, + - * / // % ** and brackets.

The expression is parsed by Python's own grammar and worked out here, node by node: names, calls and everything else
that is no arithmetic are refused. Numbers are exact (`fractions.Fraction`); a result that is no whole number is given
as a decimal where that is exact within twelve places, else as a fraction.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ponder.tools.tool import Misused, Tool

_PLACES = 12
_OPERATIONS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.FloorDiv: lambda a, b: Fraction(a // b),
    ast.Mod: lambda a, b: a % b,
}


class Calculator(Tool):
    """Works out an arithmetic expression exactly."""

    kind: Literal["calc"] = "calc"
    digits: Annotated[int, Field(ge=1, le=1000)] = 60
    usage: ClassVar[str] = "the value of an arithmetic expression (numbers, + - * / // % ** and brackets)"
    example: ClassVar[tuple[str, str]] = ("17*23", "391")
    argument: ClassVar[str] = "expression"

    async def run(self, argument: str, earlier: Sequence[str]) -> str:
        text = argument.strip().replace("×", "*").replace("÷", "/").replace("−", "-").replace("^", "**")
        if not text:
            raise Misused("there is no expression")
        if len(text) > 1000:
            raise Misused(f"the expression has {len(text)} characters; at most 1000 are taken")
        try:
            tree = ast.parse(text, mode="eval")
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            raise Misused("this is no arithmetic expression") from None
        try:
            return _written(self._value(tree.body))
        except ZeroDivisionError:
            raise Misused("division by zero") from None
        except RecursionError:
            raise Misused("the expression is nested too deeply") from None

    def _value(self, node: ast.expr) -> Fraction:
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
            # The text of a decimal, not its rounded binary value: 0.1 is one tenth.
            return self._bounded(Fraction(str(node.value)) if _finite(node.value) else _refuse("a number too large"))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.UAdd | ast.USub):
            value = self._value(node.operand)
            return -value if isinstance(node.op, ast.USub) else value
        if isinstance(node, ast.BinOp):
            left, right = self._value(node.left), self._value(node.right)
            if isinstance(node.op, ast.Pow):
                return self._power(left, right)
            if operation := _OPERATIONS.get(type(node.op)):
                return self._bounded(operation(left, right))
        raise Misused("only numbers, + - * / // % ** and brackets are understood")

    def _power(self, base: Fraction, exponent: Fraction) -> Fraction:
        if exponent.denominator != 1:
            raise Misused("the exponent must be a whole number")
        size = max(len(str(abs(base.numerator))), len(str(base.denominator)))
        if abs(exponent) > 4 * self.digits or size * abs(int(exponent)) > 4 * self.digits + 4:
            raise Misused(f"the power has more than {self.digits} digits")
        return self._bounded(base ** int(exponent))

    def _bounded(self, value: Fraction) -> Fraction:
        if max(abs(value.numerator), value.denominator) >= 10**self.digits:
            raise Misused(f"a number of more than {self.digits} digits")
        return value


def _finite(value: float) -> bool:
    return isinstance(value, int) or abs(value) < 1e300


def _refuse(why: str) -> Fraction:
    raise Misused(why)


def _written(value: Fraction) -> str:
    if value.denominator == 1:
        return str(value.numerator)
    scaled = value * 10**_PLACES
    if scaled.denominator != 1:
        return f"{value.numerator}/{value.denominator}"
    sign, digits = ("-" if scaled < 0 else ""), str(abs(int(scaled))).rjust(_PLACES + 1, "0")
    return f"{sign}{digits[:-_PLACES]}.{digits[-_PLACES:].rstrip('0')}"
