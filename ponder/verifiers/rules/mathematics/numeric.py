r"""A formula's value by a second reading: small recursive descent over LaTeX or plain text, exact while it can be.

Nothing here is shared with `symbolic` (no grammar, no sympy), so that a fault in one reading shows as a disagreement.
Whole numbers, decimals and fractions stay `Fraction`; roots, pi, functions and letters are complex doubles, letters at
stated points. What it does not know (words, units, relations, infinity) is None: no opinion, never "wrong".
"""

from __future__ import annotations

import cmath
import math
import re
from collections.abc import Callable, Mapping
from fractions import Fraction

Number = Fraction | complex
LONGEST = 400
MOST_POWER = 400  # of an exact power; larger ones are not computed
_POINTS = ((0.37, 1.71, -0.83), (2.13, -1.19, 0.59), (-0.71, 0.43, 3.07))
_TOKEN = re.compile(r"\s*(\d+(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+\.?\d*|\.\d+|\\[A-Za-z]+|[-+*/^(){}\[\]!|=,;]|[A-Za-z])")
_DROP = re.compile(r"\\(?:left|right|displaystyle|[,;:! ])(?![A-Za-z])|\$|~")
_FUNCTIONS: dict[str, Callable[[complex], complex]] = {
    "sin": cmath.sin, "cos": cmath.cos, "tan": cmath.tan, "ln": cmath.log, "log": cmath.log, "exp": cmath.exp,
}  # fmt: skip
_SIGNS = {
    "\\cdot": "*", "\\times": "*", "×": "*", "\\div": "/", "÷": "/", "−": "-", "**": "^",
    "\\dfrac": "\\frac", "\\tfrac": "\\frac",
}  # fmt: skip
_SIGN = re.compile(
    "|".join(rf"{re.escape(sign)}(?![A-Za-z])" if sign[0] == "\\" else re.escape(sign) for sign in _SIGNS)
)
_BARE = re.compile(rf"(?<![\\A-Za-z])(?:{'|'.join((*_FUNCTIONS, 'sqrt', 'pi'))})(?![A-Za-z])")
_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}")


class UnreadError(ValueError):
    """The text is not a formula that this reading knows."""


def agree(gold: str, answer: str) -> bool | None:
    """Whether two answers have the same value; None if either cannot be read here.

    A list is compared part by part, in any order unless it stands in parentheses. `x = 5` is read as 5.
    """
    try:
        expected, given = _parts(gold), _parts(answer)
        if len(expected) != len(given):
            return False
        letters = sorted({t for part in (*expected, *given) for t in part if re.fullmatch("[A-Za-z]", t)} - {"e", "i"})
        if len(letters) > 3:
            return None
        points = [dict(zip(letters, point, strict=False)) for point in _POINTS] if letters else [{}]
        return all(_equal(expected, given, point, ordered=gold.strip()[:1] == "(") for point in points)
    except (UnreadError, ArithmeticError, ValueError, RecursionError):
        return None


def value(text: str, letters: Mapping[str, complex] | None = None) -> Number:
    """The value of one formula. Raises UnreadError or ArithmeticError."""
    return _Reader(_tokens(text), letters or {}).whole()


def _equal(expected: list[list[str]], given: list[list[str]], point: Mapping[str, complex], ordered: bool) -> bool:
    first, second = ([_Reader(part, point).whole() for part in parts] for parts in (expected, given))
    if ordered:
        return all(_same(a, b) for a, b in zip(first, second, strict=True))
    left = list(second)
    for a in first:
        found = next((i for i, b in enumerate(left) if _same(a, b)), None)
        if found is None:
            return False
        left.pop(found)
    return True


def _same(first: Number, second: Number) -> bool:
    if isinstance(first, Fraction) and isinstance(second, Fraction):
        return first == second
    return cmath.isclose(complex(first), complex(second), rel_tol=1e-9, abs_tol=1e-12)


def _parts(text: str) -> list[list[str]]:
    """The members of a list or tuple as tokens, each without the `x =` in front."""
    tokens = _tokens(text)
    if tokens[:1] == ["("] and tokens[-1:] == [")"] and any(t in (",", ";") for t in tokens):
        tokens = tokens[1:-1]
    parts: list[list[str]] = [[]]
    depth = 0
    for token in tokens:
        depth += (token in "([{") - (token in ")]}")
        if token in (",", ";") and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    return [part[2:] if len(part) > 2 and part[1] == "=" and part[0].isalpha() else part for part in parts]


def _tokens(text: str) -> list[str]:
    text = _DROP.sub(" ", text.strip())
    if not text.strip() or len(text) > LONGEST:
        raise UnreadError(text[:40])
    text = _BARE.sub(r"\\\g<0>", _SIGN.sub(lambda match: _SIGNS[match.group()], text))
    if _WORD.search(text):
        raise UnreadError(text[:40])  # a word and no product of letters
    found, at = [], 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise UnreadError(text[at : at + 10])
        found.append(match.group(1))
        at = match.end()
    return found


class _Reader:
    """One pass over the tokens: sum, product, power, atom."""

    def __init__(self, tokens: list[str], letters: Mapping[str, complex]) -> None:
        self.tokens, self.letters, self.at = tokens, letters, 0

    def whole(self) -> Number:
        found = self._sum()
        if self.at < len(self.tokens):
            raise UnreadError(self.tokens[self.at])
        return found

    def _peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def _take(self, *allowed: str) -> str:
        token = self._peek()
        if not token or (allowed and token not in allowed):
            raise UnreadError(token or "end")
        self.at += 1
        return token

    def _sum(self) -> Number:
        found = self._product()
        while self._peek() in ("+", "-"):
            sign, right = self._take(), self._product()
            found = _plus(found, right if sign == "+" else _times(Fraction(-1), right))
        return found

    def _product(self) -> Number:
        found, mixed = self._power(), self._peek() == "\\frac"
        if mixed and re.fullmatch(r"\d+", self.tokens[self.at - 1]):
            raise UnreadError("a mixed number or a product")  # both readings are in use
        while (token := self._peek()) and (token in "*/({" or token[0] == "\\" or token.isalpha()):
            operator = self._take() if token in "*/" else "*"
            found = _times(found, self._power()) if operator == "*" else _over(found, self._power())
        return found

    def _power(self) -> Number:
        if self._peek() in ("-", "+"):
            return _times(Fraction(-1 if self._take() == "-" else 1), self._power())
        base = self._atom()
        while self._peek() == "!":
            self._take()
            base = _factorial(base)
        if self._peek() != "^":
            return base
        self._take()
        return _raised(base, self._power())

    def _group(self) -> Number:
        """What stands in braces, or one digit or letter."""
        if self._peek() == "{":
            return self._atom()
        token = self._take()
        if re.fullmatch(r"\d{2}", token):  # \frac12
            self.tokens[self.at - 1 : self.at] = [token[0], token[1]]
            return Fraction(int(token[0]))
        self.at -= 1
        return self._atom()

    def _atom(self) -> Number:
        token = self._take()
        if token[0].isdigit() or token[0] == ".":
            return Fraction(token.replace(",", "").rstrip("."))
        if token in ("(", "{", "["):
            found = self._sum()
            self._take({"(": ")", "{": "}", "[": "]"}[token])
            return found
        if token == "\\frac":
            return _over(self._group(), self._group())
        if token == "\\sqrt":
            return self._root()
        if token == "\\pi":
            return complex(math.pi)
        if token[1:] in _FUNCTIONS and self._peek() != "^":
            # sin(x)^2 is the square of the sine: what stands in brackets is the whole argument
            argument = self._atom() if self._peek() in ("(", "{") else self._power()
            return _FUNCTIONS[token[1:]](complex(argument))
        known = {"e": complex(math.e), "i": 1j, **self.letters}
        if token not in known:
            raise UnreadError(token)
        return known[token]

    def _root(self) -> Number:
        degree: Number = Fraction(2)
        if self._peek() == "[":
            degree = self._atom()
        under = self._group()
        return complex(under) ** (1 / complex(degree))


def _plus(a: Number, b: Number) -> Number:
    return a + b if isinstance(a, Fraction) and isinstance(b, Fraction) else complex(a) + complex(b)


def _times(a: Number, b: Number) -> Number:
    return a * b if isinstance(a, Fraction) and isinstance(b, Fraction) else complex(a) * complex(b)


def _over(a: Number, b: Number) -> Number:
    return a / b if isinstance(a, Fraction) and isinstance(b, Fraction) else complex(a) / complex(b)


def _raised(base: Number, power: Number) -> Number:
    if isinstance(base, Fraction) and isinstance(power, Fraction) and power.denominator == 1:
        if abs(power) > MOST_POWER or max(abs(base.numerator), base.denominator) > 10**40:
            raise UnreadError("a large power")
        return Fraction(base ** int(power))
    return complex(base) ** complex(power)


def _factorial(n: Number) -> Number:
    if not isinstance(n, Fraction) or n.denominator != 1 or not 0 <= n <= MOST_POWER:
        raise UnreadError("a factorial")
    return Fraction(math.factorial(int(n)))
