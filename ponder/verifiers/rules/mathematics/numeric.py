r"""A formula's value by a second reading: small recursive descent over LaTeX or plain text, exact while it can be.

Nothing here is shared with `symbolic` (no grammar, no algebra), so that a fault in one reading shows as a disagreement.
Whole numbers, decimals and fractions stay `Fraction`; roots, pi, functions and letters are complex numbers of 40
digits, letters at points that depend on their names alone. What it does not know (words, units, relations, infinity)
is None: no opinion, never "wrong". Size and cost are bounded, so a vote may read any text with it.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from ponder.verifiers.rules.mathematics.bounded import (
    CONTEXT,
    LARGEST,
    Number,
    UnreadError,
    as_complex,
    binomial,
    factorial,
    over,
    plus,
    raised,
    times,
)
from ponder.verifiers.rules.mathematics.finding.vocabulary import word_set

LONGEST = 400
POINTS = 3
DEEPEST = 60  # nested brackets or signs
_TOKEN = re.compile(
    r"\s*(\d+(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+\.?\d*|\.\d+|\\[A-Za-z]+(?:_\{\w+\})?"
    r"|[A-Za-z](?:_\{\w+\}|_\w)?'*|[-+*/^(){}\[\]!|=,;])"
)
_DROP = re.compile(r"\\(?:left|right|displaystyle|[,;:! ])(?![A-Za-z])|\$|~")
_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "sin": CONTEXT.sin, "cos": CONTEXT.cos, "tan": CONTEXT.tan, "sec": CONTEXT.sec, "csc": CONTEXT.csc,
    "cot": CONTEXT.cot, "arcsin": CONTEXT.asin, "arccos": CONTEXT.acos, "arctan": CONTEXT.atan, "sinh": CONTEXT.sinh,
    "cosh": CONTEXT.cosh, "tanh": CONTEXT.tanh, "ln": CONTEXT.ln, "log": CONTEXT.log10, "exp": CONTEXT.exp,
}  # fmt: skip
_INVERSES = {"sin": "arcsin", "cos": "arccos", "tan": "arctan"}
_GREEK = word_set(
    "alpha beta gamma delta epsilon zeta eta theta kappa lambda mu nu xi rho sigma tau phi chi psi omega Delta",
    "Omega",
)
_ENCLOSING = {"\\lfloor": ("\\rfloor", CONTEXT.floor), "\\lceil": ("\\rceil", CONTEXT.ceil)}
_DEGREES = re.compile(r"(\d+(?:\.\d+)?)\s*\^\s*\{?\s*\\circ\s*\}?")
_SIDE_BY_SIDE = re.compile(r"\d\s+\.?\d")
_THOUSANDS = re.compile(r"(?<![\d.])\d{1,3}(?: \d{3})+(?![\d ])")
_SIGNS = {
    "\\cdot": "*", "\\times": "*", "×": "*", "\\div": "/", "÷": "/", "−": "-", "**": "^",
    "\\dfrac": "\\frac", "\\tfrac": "\\frac",
}  # fmt: skip
_SIGN = re.compile(
    "|".join(rf"{re.escape(sign)}(?![A-Za-z])" if sign[0] == "\\" else re.escape(sign) for sign in _SIGNS)
)
_BARE = re.compile(rf"(?<![\\A-Za-z])(?:{'|'.join((*_FUNCTIONS, 'sqrt', 'pi'))})(?![A-Za-z])")
_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}")


UNREADABLE = (UnreadError, ArithmeticError, ValueError, RecursionError)


def agree(gold: str, answer: str) -> bool | None:
    """Whether two answers have the same value; None if either cannot be read here.

    A list is compared part by part, in any order unless it stands in parentheses. `x = 5` is read as 5. A mixed number
    is None: some read it as a product.
    """
    try:
        expected, given = _parts(gold), _parts(answer)
        if len(expected) != len(given):
            return False
        return all(_equal(expected, given, point, ordered=gold.strip()[:1] == "(") for point in range(POINTS))
    except UNREADABLE:
        return None


def value(text: str, point: int = 0, letters: Mapping[str, Number] | None = None) -> Number:
    """The value of one formula, its letters at point number `point` but for those given. Raises one of UNREADABLE."""
    return _Reader(_tokens(text), point, letters or {}).whole()


def letters_in(text: str) -> frozenset[str]:
    """The variables of a formula. Raises UnreadError."""
    return frozenset(token for token in _tokens(text) if _is_letter(token)) - {"e", "i"}


def at(letter: str, point: int) -> Any:
    """The value of a letter at a point: between -3 and 3, the same wherever the letter stands."""
    digest = hashlib.sha256(f"{letter}/{point}".encode()).digest()
    return CONTEXT.mpf(int.from_bytes(digest[:8], "big") % 6_000_011 - 3_000_005) / 1_000_003


def _is_letter(token: str) -> bool:
    return token[0].isalpha() or token[1:].partition("_")[0] in _GREEK


def _equal(expected: list[list[str]], given: list[list[str]], point: int, ordered: bool) -> bool:
    first, second = ([_Reader(part, point, {}, mixed=False).whole() for part in parts] for parts in (expected, given))
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
    a, b = as_complex(first), as_complex(second)
    return bool(abs(a - b) <= max(abs(a), abs(b), 1) * CONTEXT.mpf(10) ** -25)


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
    text = _DEGREES.sub(r"(\1*\\pi /180)", text)
    text = _THOUSANDS.sub(lambda match: match.group().replace(" ", ""), _DROP.sub(" ", text.strip()))
    if not text.strip() or len(text) > LONGEST:
        raise UnreadError(text[:40])
    text = _BARE.sub(r"\\\g<0>", _SIGN.sub(lambda match: _SIGNS[match.group()], text))
    if _WORD.search(text) or _SIDE_BY_SIDE.search(text):
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

    def __init__(self, tokens: list[str], point: int, letters: Mapping[str, Number], *, mixed: bool = True) -> None:
        self.mixed = mixed
        self.tokens, self.point, self.letters, self.at, self.depth = list(tokens), point, letters, 0, 0

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
        self.depth += 1
        if self.depth > DEEPEST:
            raise UnreadError("deep nesting")
        found = self._product()
        while self._peek() in ("+", "-"):
            sign, right = self._take(), self._product()
            found = plus(found, right if sign == "+" else times(Fraction(-1), right))
        self.depth -= 1
        return found

    def _product(self) -> Number:
        first = self.at
        found = self._power()
        if self._peek() == "\\frac" and self.at == first + 1 and re.fullmatch(r"\d+", self.tokens[first]):
            # `2\frac{1}{3}` is a sum, wherever a mixed number may stand.
            part = self._power() if self.mixed else None
            if not isinstance(part, Fraction):
                raise UnreadError("a mixed number or a product")
            found = plus(found, part)
        while (token := self._peek()) and self._goes_on(token):
            operator = self._take() if token in "*/" else "*"
            found = times(found, self._power()) if operator == "*" else over(found, self._power())
        return found

    def _goes_on(self, token: str) -> bool:
        if token.startswith("\\r"):
            return token in ("\\rho",)
        return token in "*/({" or token[0] == "\\" or token[0].isalpha()

    def _power(self) -> Number:
        if self._peek() in ("-", "+"):
            sign = Fraction(-1 if self._take() == "-" else 1)
            self.depth += 1
            if self.depth > DEEPEST:
                raise UnreadError("many signs")
            found = times(sign, self._power())
            self.depth -= 1
            return found
        base = self._atom()
        while self._peek() == "!":
            self._take()
            base = factorial(base)
        if self._peek() != "^":
            return base
        self._take()
        return raised(base, self._power())

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
        if token == "|":
            found = self._sum()
            self._take("|")
            return abs(found) if isinstance(found, Fraction) else CONTEXT.mpc(abs(as_complex(found)))
        if token[0] == "\\":
            return self._command(token)
        if token in self.letters:
            return self.letters[token]
        known = {"e": CONTEXT.mpc(CONTEXT.e), "i": CONTEXT.mpc(0, 1), "I": CONTEXT.mpc(0, 1)}
        return known[token] if token in known else CONTEXT.mpc(at(token, self.point))

    def _command(self, token: str) -> Number:
        name = token[1:]
        if token == "\\frac":
            return over(self._group(), self._group())
        if token == "\\sqrt":
            return self._root()
        if token == "\\binom":
            return binomial(self._group(), self._group())
        if token == "\\pi":
            return CONTEXT.mpc(CONTEXT.pi)
        if token in _ENCLOSING:
            closing, rounded = _ENCLOSING[token]
            found = self._sum()
            self._take(closing)
            exact = isinstance(found, Fraction)
            whole = math.floor(found) if token == "\\lfloor" else math.ceil(found) if exact else 0
            return Fraction(whole) if exact else CONTEXT.mpc(rounded(as_complex(found).real))
        base = re.fullmatch(r"log_\{?(\w+)\}?", name)
        if name in _FUNCTIONS or base:
            return self._function(name.partition("_")[0], base.group(1) if base else "")
        if not _is_letter(token):
            raise UnreadError(token)
        return self.letters.get(token, CONTEXT.mpc(at(token, self.point)))

    def _function(self, name: str, base: str) -> Number:
        power: Number | None = None
        if self._peek() == "^":
            self._take()
            power = self._atom()
        # sin(x)^2 is the square of the sine: what stands in brackets is the whole argument.
        argument = self._atom() if self._peek() in ("(", "{") else self._argument()
        if power == -1 and name in _INVERSES:
            return as_complex(_FUNCTIONS[_INVERSES[name]](as_complex(argument)))
        if base:
            found = CONTEXT.ln(as_complex(argument)) / CONTEXT.ln(as_complex(value(base, self.point, self.letters)))
        else:
            if name == "exp" and abs(as_complex(argument)) > LARGEST / 2:
                raise UnreadError("a large power")
            found = _FUNCTIONS[name](as_complex(argument))
        return as_complex(found) if power is None else raised(as_complex(found), power)

    def _argument(self) -> Number:
        r"""The argument of a function without brackets: a product up to the next sign or function, as in `\sin 2x`."""
        found = self._power()
        while (token := self._peek()) and self._goes_on(token) and token not in "*/(" and token[1:] not in _FUNCTIONS:
            found = times(found, self._power())
        return found

    def _root(self) -> Number:
        degree: Number = Fraction(2)
        if self._peek() == "[":
            degree = self._atom()
        under = self._group()
        if isinstance(under, Fraction) and degree == 2 and under >= 0:
            top, bottom = math.isqrt(under.numerator), math.isqrt(under.denominator)
            if top * top == under.numerator and bottom * bottom == under.denominator:
                return Fraction(top, bottom)
        return as_complex(as_complex(under) ** (1 / as_complex(degree)))
