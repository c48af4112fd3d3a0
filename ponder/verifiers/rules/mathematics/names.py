r"""Left sides of equations that name a value and compute nothing: `x`, `f(2)`, `AB`, `\\text{Area}`, `V_1:V_2`.

`AB = 5` says 5. `x + 3 = 5` says something else, and so does `x(x+1) = 5`.
"""

from __future__ import annotations

import re

from ponder.verifiers.rules.mathematics.notation import closing

_FUNCTIONS = "sin|cos|tan|sec|csc|cot|log|ln|exp|arcsin|arccos|arctan|sinh|cosh|tanh|sqrt|frac|sum|prod|int|lim"
_INDEX = r"(?:_\{[^{}]{1,12}\}|'){0,2}"
_GREEK = r"\\(?!(?:" + _FUNCTIONS + r"|cdot|pi|infty|text|angle|triangle)(?![A-Za-z]))[A-Za-z]{2,8}"
_LETTER = rf"(?:[A-Za-z]|{_GREEK}){_INDEX}"
_PRIMED = r"(?:\^\{(?:-1|\\prime|\(\d\))\})?"
_LETTERS = re.compile(_LETTER)
_POINTS = r"(?:[A-Z]'?(?:_\{\w\})?\s?){1,5}"
_GEOMETRY = re.compile(
    rf"m?\s?\\(?:angle|triangle|measuredangle)\s?{_POINTS}|\\(?:overline|vec|overrightarrow|widehat)\{{{_POINTS}\}}"
    rf"|\[{_POINTS}\]|\|{_POINTS}\||{_POINTS}"
)
_WORDS = re.compile(
    r"(?:\\text\{[A-Za-z .'-]+\}|[A-Za-z]{3,}(?: [A-Za-z]+){0,4})(?:\s*(?:\([A-Z]{1,4}\)|[A-Z]{1,4}|\([A-Za-z ]+\)))?"
)
_CALL = re.compile(
    rf"((?:{_LETTER}|\\Pr|\\text\{{[A-Za-z]+\}}|[A-Za-z]{{2,4}}|\\(?:det|deg|dim|gcd|max|min))){_PRIMED}\s*\("
)
_COORDINATES = re.compile(rf"[(\{{]?(?:\s*{_LETTER}\s*,)+\s*{_LETTER}\s*[)\}}]?")


def is_name(text: str) -> bool:
    """Whether a normalised text only names something."""
    text = text.strip().replace(r"\{", "{").replace(r"\}", "}")
    if _LETTERS.fullmatch(text) or _GEOMETRY.fullmatch(text) or _COORDINATES.fullmatch(text):
        return True
    if _WORDS.fullmatch(text):
        return True
    parts = text.split(":")
    if 1 < len(parts) <= 5:
        return all(_LETTERS.fullmatch(part.strip()) or _GEOMETRY.fullmatch(part.strip()) for part in parts)
    return _is_call(text)


def _is_call(text: str) -> bool:
    """`f(2)`, `P(X=2)`, `f^{-1}(x)`; a letter before brackets that hold it too is a factor: `x(x+1)`."""
    match = _CALL.match(text)
    if match is None or closing(text, match.end() - 1) != len(text) - 1:
        return False
    called, inside = match.group(1), text[match.end() : -1]
    if called == "n":  # n(A) counts the members of a set
        return re.match(r"\s*[A-Z]", inside) is not None
    return len(called) > 1 or (called in "fghpqPEFGHSTNVARrsu" and called not in re.sub(r"\\[A-Za-z]+", "", inside))
