r"""The outer form of an answer: list, tuple or interval, union, matrix, equation, or one value.

Only brackets and separators at the top level are read; what stands inside is read the same way, down to `value`
leaves, which `mathematics` compares.
"""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass
from typing import Literal

from ponder.verifiers.rules.mathematics.notation import closing

Kind = Literal["value", "list", "choice", "tuple", "union", "matrix", "equation", "relation"]


@dataclass(frozen=True, slots=True)
class Shape:
    """`list` and `union` have no order; `choice` is "a or b"; `tuple` and `interval` keep their `marks`, as in `[)`."""

    kind: Kind
    text: str
    parts: tuple[Shape, ...] = ()
    marks: str = ""
    name: str = ""  # the variable of an inequality


_OR = re.compile(r"\\text\s*\{\s*or\s*\}|(?<![A-Za-z\\])or(?![A-Za-z])")
_AND = re.compile(r"\\text\s*\{\s*,?\s*and\s*\}|(?<![A-Za-z\\])and(?![A-Za-z])")
_MATRIX = re.compile(r"[(\[]?\s*\\begin\{pmatrix\}(.*)\\end\{pmatrix\}\s*[)\]]?", re.DOTALL)
_PUNCTURED = re.compile(r"\\mathbb\{R\}\s*(?:\\setminus|\\backslash|-)\s*\\\{(.*)\\\}")
_BUILDER = re.compile(r"\\\{\s*[A-Za-z]\s*(?:\\in\s*\\mathbb\{R\}\s*)?(?:\\mid(?![A-Za-z])|\||:)(.*)\\\}")
_MEMBER = re.compile(r"^[A-Za-z]\s*\\in(?![A-Za-z])\s*")
# An option with its text: `E: a score`, `(E) a score`. Its letter is the answer.
_OPTION = re.compile(
    r"(?:\(([A-J])\)|([A-J])\s?[.:)])\s*(?!or\b|and\b|[A-J]\s*(?:or\b|and\b|[,;/&]|$))"
    r"(?:[A-Za-z][^=]*[a-z][^=]*|(?<=\s)[-\d$\\][^=]*)"
)
_LETTER = re.compile(r"(?:[A-Za-z]|\\(?:alpha|beta|gamma|delta|theta|lambda|mu|omega|phi|rho))(?:_\{\w+\})?")
_TOKEN = re.compile(r"\\[{}]|\\[A-Za-z]+|[^\\]|\\.", re.DOTALL)
_RELATION = {"<": "<", ">": ">", r"\leq": "<=", r"\geq": ">=", r"\neq": "!="}
_THOUSANDS = re.compile(r"[-+]?(?:\\\$)?\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!\d)[^,;]*")


def read(text: str) -> Shape:
    """The outermost form of a normalised text, and of its parts."""
    text = _MEMBER.sub("", text.strip()).strip()
    if text == r"\mathbb{R}":
        return Shape("tuple", text, (Shape("value", r"-\infty"), Shape("value", r"\infty")), "()")
    for attempt in (_builder, _matrix, _signs, _union, _bounds, _several, _bracketed, _related):
        shape = attempt(text)
        if shape is not None:
            return shape
    return Shape("value", text)


def read_as_list(text: str) -> Shape | None:
    """The other reading of `70,110`: two numbers and not seventy thousand; None if there is none."""
    if _THOUSANDS.fullmatch(text.strip()) is None:
        return None
    return Shape("list", text, tuple(Shape("value", part) for part in text.split(",")))


def _builder(text: str) -> Shape | None:
    r"""`\{x \mid x > 3\}` is what stands behind the bar."""
    match = _BUILDER.fullmatch(text)
    return None if match is None else read(match.group(1).strip())


def _bounds(text: str) -> Shape | None:
    """Inequalities for one variable: with "or" between them a union, with "and" what they have in common."""
    for pattern, joined in ((_OR, "or"), (_AND, "and")):
        pieces = [piece.strip() for piece in pattern.split(text)]
        if len(pieces) == 1 and joined == "and":
            pieces = [piece.strip() for piece in _split(text, (",",))]
        shapes = [_related(piece) for piece in pieces] if len(pieces) == 2 else []
        intervals = [s for s in shapes if s is not None and s.kind == "tuple" and s.name]
        if len(intervals) == 2 and intervals[0].name == intervals[1].name:
            if joined == "or":
                return Shape("union", text, tuple(intervals), name=intervals[0].name)
            return _between(text, *intervals)
    return None


def _between(text: str, first: Shape, second: Shape) -> Shape | None:
    """`x > a and x < b` as one interval; None if both bounds are on one side."""
    low = next((s for s in (first, second) if s.parts[1].text == r"\infty"), None)
    high = next((s for s in (first, second) if s.parts[0].text == r"-\infty"), None)
    if low is None or high is None or low is high:
        return None
    return Shape("tuple", text, (low.parts[0], high.parts[1]), low.marks[0] + high.marks[1], first.name)


def _matrix(text: str) -> Shape | None:
    match = _MATRIX.fullmatch(text)
    if match is None or r"\begin" in match.group(1):
        return None
    rows = [row for row in re.split(r"\\\\", match.group(1)) if row.strip()]
    return Shape("matrix", text, tuple(Shape("tuple", row, tuple(read(c) for c in row.split("&"))) for row in rows))


def _signs(text: str) -> Shape | None:
    r"""`1\pm 2` is the list of 1+2 and 1-2; several signs change together."""
    if not re.search(r"\\(?:pm|mp)(?![A-Za-z])", text) or len(_split(text, (",", ";"))) > 1:
        return None
    upper = re.sub(r"\\mp(?![A-Za-z])", "-", re.sub(r"\\pm(?![A-Za-z])", "+", text))
    lower = re.sub(r"\\mp(?![A-Za-z])", "+", re.sub(r"\\pm(?![A-Za-z])", "-", text))
    return Shape("list", text, (read(upper), read(lower)))


def _union(text: str) -> Shape | None:
    """Parts joined by a union sign; of finite sets the one set with all members; the reals without one number."""
    if match := _PUNCTURED.fullmatch(text):
        place = Shape("value", match.group(1).strip())
        return None if re.search(r"[,;{}]", place.text) else _around(place, text)
    pieces = _split(text, (r"\cup",))
    if len(pieces) < 2:
        return None
    shapes = [read(piece) for piece in pieces]
    if all(shape.kind == "list" for shape in shapes):
        members = {part.text: part for shape in shapes for part in shape.parts}
        return Shape("list", text, tuple(members.values()))
    return Shape("union", text, tuple(shapes))


def _around(place: Shape, text: str, name: str = "") -> Shape:
    """Both sides of a number that is left out."""
    below = Shape("tuple", text, (read(r"-\infty"), place), "()", name)
    return Shape("union", text, (below, Shape("tuple", text, (place, read(r"\infty")), "()", name)))


def _several(text: str) -> Shape | None:
    """Values side by side without brackets, or in braces: a list. With "or" between them: a choice."""
    if text in (r"\emptyset", r"\{\}", r"\{ \}"):
        return Shape("list", text)
    if _THOUSANDS.fullmatch(text):
        return None
    worded = re.fullmatch(r"\\text\s*\{([^{}]*,[^{}]*)\}", text)
    if worded:
        return Shape("list", text, tuple(Shape("value", part.strip()) for part in worded.group(1).split(",")))
    if text.startswith("{") and text.endswith("}") and "," in text and _closes_at_end(text):
        return read(text[1:-1])
    if text.startswith(r"\{") and text.endswith(r"\}") and _closes_at_end(text):
        inner = read(text[2:-2].strip())
        return inner if inner.kind == "list" else Shape("list", text, (inner,))
    plain, chosen = _AND.sub(",", text), bool(_OR.search(text))
    pieces = _split(re.sub(r"^\s*either(?![A-Za-z])", "", _OR.sub(",", plain)), (",", ";"))
    pieces = [piece for piece in pieces if piece.strip()] if len(pieces) > 1 else []
    if not pieces:
        return None
    parts = [read(piece) for piece in pieces]
    flat = tuple(leaf for part in parts for leaf in (part.parts if part.kind in ("list", "choice") else (part,)))
    return Shape("choice" if chosen else "list", text, flat)


def _bracketed(text: str) -> Shape | None:
    """A pair or longer in brackets; brackets round one value are taken off, unless they round a factor."""
    if text[:1] not in "([" or text[-1:] not in ")]" or len(text) < 3 or not _closes_at_end(text):
        return None
    pieces = _split(text[1:-1], (",", ";"))
    if len(pieces) == 1:
        return read(pieces[0]) if text[0] == "(" and text[-1] == ")" else None
    return Shape("tuple", text, tuple(read(piece) for piece in pieces), text[0] + text[-1])


def _related(text: str) -> Shape | None:
    sides = _split(text, ("=",))
    if len(sides) > 1 and all(side.strip() for side in sides):
        return Shape("equation", text, tuple(Shape("value", side.strip()) for side in sides))
    tokens = [(match.group(), match.start(), match.end()) for match in _TOKEN.finditer(text)]
    signs = [(_RELATION[token], start, end) for token, start, end in tokens if token in _RELATION]
    if not 1 <= len(signs) <= 2 or re.search(r"[=|]", text):
        return None
    bounds = [0, *(place for _, start, end in signs for place in (start, end)), len(text)]
    sides = [text[a:b].strip() for a, b in zip(bounds[::2], bounds[1::2], strict=True)]
    return _interval(sides, [sign for sign, _, _ in signs], text)


def _interval(sides: list[str], signs: list[str], text: str) -> Shape:
    """`a < x <= b`, `x > a`, `a > x`, `x != a` with a bare variable are intervals; anything else stays a relation."""
    if signs == ["!="] and _LETTER.fullmatch(sides[0]):
        return _around(read(sides[1]), text, sides[0])
    if all(sign in (">", ">=") for sign in signs):
        sides, signs = sides[::-1], [sign.replace(">", "<") for sign in signs[::-1]]
    if len(sides) == 2 and _LETTER.fullmatch(sides[0]):
        sides, signs = [r"-\infty", *sides], ["<", *signs]
    elif len(sides) == 2 and _LETTER.fullmatch(sides[1]):
        sides, signs = [*sides, r"\infty"], [*signs, "<"]
    if len(sides) == 3 and _LETTER.fullmatch(sides[1]) and all(sign in ("<", "<=") for sign in signs):
        marks = ("[" if signs[0] == "<=" else "(") + ("]" if signs[1] == "<=" else ")")
        return Shape("tuple", text, (read(sides[0]), read(sides[2])), marks, sides[1])
    return Shape("relation", text, tuple(Shape("value", side) for side in sides), " ".join(signs))


def _closes_at_end(text: str) -> bool:
    """Whether the bracket that opens the text is closed by its last character: `(1,2)` but not `(x+1)(x+2)`."""
    depth = 0
    for match in _TOKEN.finditer(text):
        token = match.group()
        depth += (token in "([{" or token == r"\{") - (token in ")]}" or token == r"\}")
        if depth == 0:
            return match.end() == len(text)
    return False


def _split(text: str, separators: Container[str]) -> list[str]:
    """Split where one of the tokens `separators` stands outside all brackets."""
    pieces, depth, start = [], 0, 0
    for match in _TOKEN.finditer(text):
        token = match.group()
        if token in "([{" or token == r"\{":
            depth += 1
        elif token in ")]}" or token == r"\}":
            depth -= 1
        elif depth == 0 and token in separators:
            pieces.append(text[start : match.start()])
            start = match.end()
    return [*pieces, text[start:]]


def base_number(text: str) -> str | None:
    """`2112_6`, `152A_{11}` in one spelling; None for what is no number with a base."""
    match = re.fullmatch(r"([-+]?)0*([0-9A-Z]+)_\s*\{?\s*(\d{1,2})\s*\}?", text.replace(" ", ""))
    return f"{match.group(1)}{match.group(2)}_{match.group(3)}" if match else None


def words(text: str) -> str | None:
    r"""`\text{Monday}`, `(\text{B})`, `B` as plain words; None for what is not only words."""
    plain = re.sub(r"\\text\s*\{([^{}]*)\}", r"\1", text).strip()
    option = _OPTION.fullmatch(plain)
    if option:
        return str(option.group(1) or option.group(2))
    end = closing(plain, 0) if plain.startswith("(") else None
    if end == len(plain) - 1 and end is not None:
        plain = plain[1:-1].strip()
    if not re.fullmatch(r"[A-Za-z][A-Za-z.' -]*(?:[ :]\d+)?|\d{1,2}:\d\d\s*[A-Za-z.]*", plain):
        return None
    plain = re.sub(r"\s+", " ", plain.replace(".", "")).strip()
    return plain if len(plain) == 1 else plain.lower()
